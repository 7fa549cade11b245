mod bad_input;
mod devices;
mod fixture;
mod help;
mod predict;
mod real_data;
mod train;
mod weights;
