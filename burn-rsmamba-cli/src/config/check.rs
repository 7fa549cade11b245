//! Settings that make no sense.

use burn_rsmamba::Precision;

use super::RunConfig;
use crate::cli::{LARGEST_SIDE, MOST, MOST_WORKERS};
use crate::error::Failure;

impl RunConfig {
    /// Refuses values that lead nowhere.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let positive = [
            ("epochs", self.epochs as f64),
            ("batch", self.batch as f64),
            ("accumulate", self.accumulate as f64),
            ("keep_best", self.keep_best as f64),
            ("early_stop", self.early_stop.unwrap_or(1) as f64),
            ("checkpoint_minutes", self.checkpoint_minutes),
            ("validate_every", self.validate_every as f64),
            ("checkpoint_every", self.checkpoint_every as f64),
            ("patience", self.patience as f64),
            ("downsample", self.downsample as f64),
            ("lr", self.lr),
            ("clip_norm", self.clip_norm),
            ("epsilon", self.epsilon),
            ("plateau_factor", self.plateau_factor),
            ("max_minutes", self.max_minutes.unwrap_or(1.0)),
        ];
        for (key, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(Failure::usage(format!("{key} must be above zero, not {value}")));
            }
        }
        let limited = [
            ("epochs", self.epochs, MOST),
            ("batch", self.batch, MOST),
            ("accumulate", self.accumulate, MOST),
            // What one step takes is decoded together.
            ("batch times accumulate", self.batch.saturating_mul(self.accumulate), MOST),
            ("crop", self.crop, LARGEST_SIDE),
            ("downsample", self.downsample, LARGEST_SIDE),
            ("workers", self.workers, MOST_WORKERS),
        ];
        for (key, value, most) in limited {
            if value > most {
                return Err(Failure::usage(format!("{key} must be at most {most}, not {value}")));
            }
        }
        self.written_rule()?;
        if self.precision == Precision::F16 {
            return Err(Failure::usage("precision f16 would need a scaled loss to train in; use bf16 or f32"));
        }
        if self.crop < 32 {
            return Err(Failure::usage(format!("a crop of {} is too small for the model; use 32 or more", self.crop)));
        }
        for (key, value) in [("weight_decay", self.weight_decay), ("warmup_from", self.warmup_from)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Failure::usage(format!("{key} must not be below zero, not {value}")));
            }
        }
        for (key, value) in [("beta_1", self.beta_1), ("beta_2", self.beta_2)] {
            if !(0.0..1.0).contains(&value) {
                return Err(Failure::usage(format!("{key} must be at least 0 and below 1, not {value}")));
            }
        }
        if self.warmup_steps > 0 && self.warmup_from > self.lr {
            return Err(Failure::usage(format!(
                "warmup_from must not be above lr {}, not {}; the warm-up rises to it",
                self.lr, self.warmup_from
            )));
        }
        let parts = [
            ("plateau_factor", self.plateau_factor),
            ("cooldown", self.cooldown),
            ("keep_empty", self.keep_empty),
            ("positive", self.positive.unwrap_or(0.0)),
            ("jitter", self.jitter),
        ];
        for (key, part) in parts {
            if !(0.0..=1.0).contains(&part) {
                return Err(Failure::usage(format!("{key} must lie between 0 and 1, not {part}")));
            }
        }
        if !self.threshold.is_usable() {
            return Err(Failure::usage(format!(
                "threshold must lie between 0 and 1, not {}",
                self.threshold.initial()
            )));
        }
        if self.positive.is_some() && self.keep_empty < 1.0 {
            return Err(Failure::usage(
                "positive and keep_empty both say how many empty crops there are; give one of them",
            ));
        }
        Ok(())
    }
}
