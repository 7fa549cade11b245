mod complexity;
mod parity;
mod shapes;
mod summary;
mod upsample;
mod weights;
