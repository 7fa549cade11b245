mod bad_input;
mod fixture;
mod help;
mod predict;
mod real_data;
mod train;
mod weights;
