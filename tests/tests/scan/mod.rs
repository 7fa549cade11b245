mod composed;
mod dtypes;
mod errors;
mod finite_differences;
mod golden;
mod layouts;
mod problem;
