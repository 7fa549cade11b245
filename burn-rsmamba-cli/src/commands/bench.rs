//! `bench`: time and memory of a model on this machine.

use std::time::Instant;

use anyhow::Context;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Tensor};
use burn_rsmamba::losses::bce_dice;
use burn_rsmamba::optim::FusedAdamWConfig;
use burn_rsmamba::{ModelConfig, Precision, RsmModel};
use serde::Serialize;

use crate::cli::{BenchArgs, BenchMode};
use crate::error::{Failure, Outcome};
use crate::memory::DeviceWatch;
use crate::output::{print_json, print_line};
use crate::progress::Progress;
use crate::{config, device};

/// Passes before the timed ones. The first warms up; memory is watched until the end of the second, since watching a GPU takes time.
const UNTIMED: usize = 2;

/// What was measured, and what came out.
#[derive(Debug, Serialize)]
struct Report {
    task: String,
    preset: String,
    size: usize,
    batch: usize,
    mode: BenchMode,
    gradient_checkpointing: bool,
    device: String,
    arithmetic: Precision,
    threads: usize,
    repeats: usize,
    median_s: f64,
    min_s: f64,
    max_s: f64,
    images_per_s: f64,
    /// Peak bytes above the loaded model, of the process or of the GPU's pools; `null` where the system does not tell.
    peak_bytes: Option<u64>,
}

/// Prints a table, or JSON.
pub(super) fn run(args: &BenchArgs, progress: &mut Progress) -> Outcome {
    let place = device::named(&args.device)?;
    device::expect_precision(&place, &args.device, args.precision)?;
    let threads = use_threads(args.threads)?;
    let config = config::preset(args.task, &args.preset)?;
    place.seed(0);
    let mut subject = Subject::new(&config, args, place.clone());

    progress.start(format!("{} {} at {}", args.task, args.preset, args.size), UNTIMED + args.repeats);
    let mut watch = DeviceWatch::start(&place);
    let mut peak_bytes = None;
    let mut seconds = Vec::with_capacity(args.repeats);
    for pass in 0..UNTIMED + args.repeats {
        let started = Instant::now();
        let sum = subject.once()?;
        let spent = started.elapsed().as_secs_f64();
        if !sum.is_finite() {
            return Err(Failure::run(format!("the model gave {sum}: what is broken is not worth timing")));
        }
        if pass >= UNTIMED {
            seconds.push(spent);
        } else if pass == UNTIMED - 1 {
            peak_bytes = watch.take().map(DeviceWatch::stop);
        }
        progress.advance(format!("{spent:.3} s"));
    }
    progress.finish();

    seconds.sort_by(f64::total_cmp);
    let median_s = median(&seconds);
    let report = Report {
        task: args.task.to_string(),
        preset: args.preset.clone(),
        size: args.size,
        batch: args.batch,
        mode: args.mode,
        gradient_checkpointing: args.gradient_checkpointing,
        device: args.device.clone(),
        arithmetic: args.precision,
        threads,
        repeats: args.repeats,
        median_s,
        min_s: seconds[0],
        max_s: seconds[seconds.len() - 1],
        images_per_s: args.batch as f64 / median_s,
        peak_bytes,
    };
    if args.json {
        print_json(&report)?;
    } else {
        print_line(&table(&report))?;
    }
    Ok(())
}

/// Sets the number of worker threads; without a wish it is the number of cores.
fn use_threads(wanted: Option<usize>) -> Result<usize, Failure> {
    if let Some(threads) = wanted {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("cannot start the worker threads")?;
        #[cfg(feature = "tch")]
        tch::set_num_threads(i32::try_from(threads).context("too many threads")?);
    }
    Ok(rayon::current_num_threads())
}

/// A model with something to work on.
struct Subject {
    model: Option<RsmModel>,
    dates: Vec<Tensor<4>>,
    labels: Tensor<4>,
    mode: BenchMode,
    precision: Precision,
    optimizer: ModuleOptimizer,
}

impl Subject {
    fn new(config: &ModelConfig, args: &BenchArgs, device: Device) -> Self {
        let tracked = device.clone().autodiff();
        let tracked = if args.gradient_checkpointing { tracked.gradient_checkpointing() } else { tracked };
        let model = config.init(&tracked);
        let (model, device) = match args.mode {
            BenchMode::Forward => (model.valid().in_precision(args.precision), device),
            BenchMode::Train | BenchMode::Step => (model, tracked),
        };
        materialise(&model);
        let (batch, size) = (args.batch, args.size);
        let image = |_| Tensor::random([batch, config.encoder.bands, size, size], Distribution::Default, &device);
        let labels = Tensor::<4>::random([batch, config.classes, size, size], Distribution::Default, &device);
        Self {
            model: Some(model),
            dates: (0..config.task.dates()).map(image).collect(),
            labels: labels.greater_elem(0.5).float(),
            mode: args.mode,
            precision: args.precision,
            optimizer: FusedAdamWConfig::new().init(),
        }
    }

    /// One forward pass, training pass or step, to its end on the device; returns the loss or the sum of the logits.
    fn once(&mut self) -> anyhow::Result<f32> {
        let model = self.model.take().expect("put back after every use");
        // Of a model to infer with, the weights are what they should be.
        let logits = match self.mode {
            BenchMode::Forward => model.forward(&self.dates),
            BenchMode::Train | BenchMode::Step => model.clone().in_precision(self.precision).forward(&self.dates),
        };
        let (model, value) = match self.mode {
            BenchMode::Forward => (model, logits.slice([0..1, 0..1, 0..1]).sum().into_scalar()),
            BenchMode::Train | BenchMode::Step => {
                let loss = bce_dice(logits, self.labels.clone()).total;
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                // Nothing that is read depends on what comes after the loss, and a GPU computes it later.
                let (model, kept) = match self.mode {
                    BenchMode::Step => (self.optimizer.step(1e-5, model, grads), None),
                    _ => (model, Some(grads)),
                };
                self.labels.device().sync().context("the device did not finish its work")?;
                drop(kept);
                (model, loss.into_scalar())
            }
        };
        self.model = Some(model);
        Ok(value)
    }
}

/// Burn makes a parameter when it is first used; the memory to measure is that above a model that is there.
fn materialise(model: &RsmModel) {
    struct Touch;
    impl ModuleVisitor for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            param.val();
        }
    }
    model.visit(&mut Touch);
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

fn mode(report: &Report) -> String {
    let how = if report.gradient_checkpointing { ", gradient checkpointing" } else { "" };
    format!("{}{how}", report.mode)
}

fn table(report: &Report) -> String {
    let peak = report.peak_bytes.map_or("not known".to_owned(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6));
    let rows = [
        ("model", format!("{} {}", report.task, report.preset)),
        ("input", format!("{} x {}x{}", report.batch, report.size, report.size)),
        ("mode", mode(report)),
        ("device", format!("{}, {}, {} threads", report.device, report.arithmetic, report.threads)),
        ("repeats", report.repeats.to_string()),
        ("median", format!("{:.4} s", report.median_s)),
        ("min", format!("{:.4} s", report.min_s)),
        ("max", format!("{:.4} s", report.max_s)),
        ("images", format!("{:.3} a second", report.images_per_s)),
        ("peak memory", format!("{peak} above the loaded model")),
    ];
    rows.map(|(name, value)| format!("{name:<12} {value}")).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < 1e-12);
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < 1e-12);
    }
}
