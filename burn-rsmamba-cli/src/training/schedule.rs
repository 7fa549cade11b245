//! The learning rate: a linear warm-up by steps, a drop whenever validation stops getting better, and, where it is asked
//! for, a linear fall to zero over the last part of the run.

use serde::{Deserialize, Serialize};

use crate::config::RunConfig;

/// The fixed part of the schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Learning rate after the warm-up.
    base: f64,
    /// Learning rate of the first step.
    from: f64,
    /// Steps of the warm-up.
    warmup: usize,
    /// Validations without a better score before a drop.
    patience: usize,
    /// What a drop multiplies by.
    factor: f64,
    /// Steps of an epoch.
    per_epoch: usize,
    /// Steps of the whole run.
    total: usize,
    /// Steps of the fall at its end.
    cooldown: usize,
}

/// Where a run stands in the schedule; saved with the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Optimiser steps taken.
    pub(crate) step: usize,
    scale: f64,
    best: Option<f64>,
    waited: usize,
}

impl Default for Position {
    fn default() -> Self {
        Self { step: 0, scale: 1.0, best: None, waited: 0 }
    }
}

impl Schedule {
    /// The schedule of these settings, for epochs of so many steps.
    pub(crate) fn new(config: &RunConfig, steps_per_epoch: usize) -> Self {
        let total = config.epochs * steps_per_epoch;
        Self {
            per_epoch: steps_per_epoch,
            total,
            cooldown: (total as f64 * config.cooldown) as usize,
            base: config.lr,
            from: config.warmup_from,
            warmup: config.warmup_steps,
            patience: config.patience,
            factor: config.plateau_factor,
        }
    }

    /// The learning rate of the next step, the one after so many of an epoch.
    ///
    /// The warm-up goes by the steps taken, the cooldown by what is left of the run: epochs may have got another number of steps
    /// since the run began.
    pub(crate) fn lr(&self, at: &Position, epoch: usize, steps: usize) -> f64 {
        if at.step < self.warmup {
            self.from + (self.base - self.from) * at.step as f64 / self.warmup as f64
        } else {
            self.base * at.scale * self.cooling((epoch - 1) * self.per_epoch + steps)
        }
    }

    /// The learning rate of the step before, with what was learnt since.
    pub(crate) fn last_lr(&self, at: &Position, epoch: usize, steps: usize) -> f64 {
        self.lr(&Position { step: at.step.saturating_sub(1), ..*at }, epoch, steps.saturating_sub(1))
    }

    /// 1, then a line to 0 over the steps of the cooldown.
    fn cooling(&self, done: usize) -> f64 {
        let left = self.total.saturating_sub(done);
        if left >= self.cooldown { 1.0 } else { left as f64 / self.cooldown as f64 }
    }

    /// Takes note of a validation; true when the learning rate falls.
    pub(crate) fn observe(&self, at: &mut Position, score: f64) -> bool {
        if at.best.is_none_or(|best| score > best) {
            at.best = Some(score);
            at.waited = 0;
            return false;
        }
        at.waited += 1;
        let drop = at.waited >= self.patience;
        if drop {
            at.scale *= self.factor;
            at.waited = 0;
        }
        drop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        base: 1e-3,
        from: 1e-7,
        warmup: 100,
        patience: 3,
        factor: 0.1,
        per_epoch: 100,
        total: 10_000,
        cooldown: 0,
    };

    fn at(step: usize) -> Position {
        Position { step, ..Position::default() }
    }

    /// After so many steps of a run whose epochs have always been as long as they are.
    fn lr(schedule: &Schedule, at: &Position) -> f64 {
        schedule.lr(at, at.step / schedule.per_epoch + 1, at.step % schedule.per_epoch)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12
    }

    #[test]
    fn the_warm_up_is_a_line_from_start_to_base() {
        assert!(close(lr(&SCHEDULE, &at(0)), 1e-7));
        assert!(close(lr(&SCHEDULE, &at(50)), f64::midpoint(1e-3, 1e-7)));
        assert!(close(lr(&SCHEDULE, &at(100)), 1e-3));
        assert!(close(lr(&SCHEDULE, &at(5000)), 1e-3));
    }

    #[test]
    fn no_warm_up_starts_at_the_base() {
        let schedule = Schedule { warmup: 0, ..SCHEDULE };
        assert!(close(lr(&schedule, &at(0)), 1e-3));
    }

    #[test]
    fn the_cooldown_is_a_line_to_zero_at_the_end() {
        let schedule = Schedule { cooldown: 1000, ..SCHEDULE };
        assert!(close(lr(&schedule, &at(9000)), 1e-3));
        assert!(close(lr(&schedule, &at(9500)), 5e-4));
        assert!(close(lr(&schedule, &at(9999)), 1e-6));
        assert!(close(lr(&schedule, &at(10_000)), 0.0));
        assert!(close(lr(&schedule, &at(20_000)), 0.0));
        assert!(close(lr(&SCHEDULE, &at(9999)), 1e-3));
    }

    #[test]
    fn the_cooldown_ends_with_the_run_whatever_the_steps_so_far() {
        // half of the 100 epochs were done in steps of half the crops, so in twice as many
        let schedule = Schedule { cooldown: 4000, ..SCHEDULE };
        assert!(close(schedule.lr(&at(10_000), 51, 0), 1e-3));
        assert!(close(schedule.lr(&at(11_000), 61, 0), 1e-3));
        assert!(close(schedule.lr(&at(13_000), 81, 0), 5e-4));
        assert!(close(schedule.lr(&at(14_999), 100, 99), 2.5e-7));
        assert!(close(schedule.last_lr(&at(15_000), 100, 100), 2.5e-7));
    }

    #[test]
    fn the_rate_falls_after_patience_and_counts_anew() {
        let mut at = at(200);
        assert!(!SCHEDULE.observe(&mut at, 0.5));
        // An equal score is not a better one.
        assert!(!SCHEDULE.observe(&mut at, 0.5));
        assert!(!SCHEDULE.observe(&mut at, 0.4));
        assert!(SCHEDULE.observe(&mut at, 0.3));
        assert!(close(lr(&SCHEDULE, &at), 1e-4));
        assert!(!SCHEDULE.observe(&mut at, 0.2));
        assert!(!SCHEDULE.observe(&mut at, 0.6));
        assert!(!SCHEDULE.observe(&mut at, 0.6));
        assert!(!SCHEDULE.observe(&mut at, 0.6));
        assert!(SCHEDULE.observe(&mut at, 0.6));
        assert!(close(lr(&SCHEDULE, &at), 1e-5));
    }

    #[test]
    fn a_position_survives_json() {
        let mut at = at(7);
        SCHEDULE.observe(&mut at, 0.123_456_789_012_345_67);
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), at);
    }
}
