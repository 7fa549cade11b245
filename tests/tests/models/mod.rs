mod complexity;
mod layers;
mod parity;
mod seeded;
mod shapes;
mod summary;
mod upsample;
mod weights;
