//! Training: the recipe of the official code, with a loop of our own.
//!
//! `loop_` takes the steps, `batch` gives it tensors, `schedule` the learning rate, `evaluate` and `tally` the
//! scores and `checkpoint` keeps what `--resume` needs.

pub(crate) mod batch;
pub(crate) mod checkpoint;
pub(crate) mod evaluate;
pub(crate) mod loop_;
pub(crate) mod schedule;
pub(crate) mod tally;

pub(crate) use loop_::{Ending, Learner, Trainer, optimizer};
