//! Weights files that mean harm: each ends in one line of error that names the file, in little time and memory.

#[path = "hostile/mod.rs"]
mod hostile;
