mod cpu;
mod errors;
mod finite_differences;
mod problem;
mod threads;
