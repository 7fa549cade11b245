mod complexity;
mod export;
mod layers;
mod parity;
mod shapes;
mod summary;
mod upsample;
mod weights;
