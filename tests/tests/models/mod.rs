mod complexity;
mod inference;
mod layers;
mod parity;
mod shapes;
mod summary;
mod upsample;
mod weights;
