//! Training: the recipe of the official code, with a loop of our own.
//!
//! `trainer` takes the steps, `batch` gives it tensors, `schedule` the learning rate, `evaluate` and `tally` the
//! scores, `checkpoint` keeps what `--resume` needs, and `breakdown` keeps what is no number out of it.

pub(crate) mod batch;
mod breakdown;
pub(crate) mod checkpoint;
pub(crate) mod evaluate;
pub(crate) mod schedule;
pub(crate) mod tally;
pub(crate) mod trainer;

pub(crate) use trainer::{Ending, Learner, Trainer, optimizer};
