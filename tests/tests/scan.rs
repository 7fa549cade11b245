//! The selective scan over tensors: golden files, the composed reference, finite differences, layouts, dtypes, errors.

#[path = "scan/mod.rs"]
mod scan;
