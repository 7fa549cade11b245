//! `train`: from settings to a scored run folder.

mod score;

use std::time::Instant;

use burn::tensor::Device;
use burn_dataset::Dataset;
use burn_rsmamba::{ModelMeta, Normalisation, Task, weights};
use burn_rsmamba_datasets::{CropOptions, Crops, DatasetError, Pixels, Split, statistics};

use crate::cli::TrainArgs;
use crate::config::{ConfigFile, RunConfig, Scaling};
use crate::error::{Failure, Outcome};
use crate::progress::Progress;
use crate::report::{Stopped, print_json, print_line};
use crate::run_folder::{Existing, RunFolder};
use crate::training::checkpoint::{self, State};
use crate::training::{Ending, Learner, Sampler, Trainer, optimizer};
use crate::{data, device, interrupt, model_file};

/// The three parts of a dataset.
struct Splits {
    train: Crops,
    val: Crops,
    test: Crops,
    /// What `test` is: the validation split again where there is no other.
    scored: Split,
}

/// Trains, scores the best weights on the test split, prints the report.
pub(super) fn run(args: &TrainArgs, progress: &mut Progress) -> Outcome {
    let began = Instant::now();
    if args.print_config {
        print_line(printed(args)?.to_toml()?.trim_end())?;
        return Ok(());
    }
    let out = args.out.as_deref().ok_or_else(|| Failure::usage("--out is missing: name a run folder"))?;
    let existing = match (args.resume, args.force) {
        (true, _) => Existing::Resume,
        (_, true) => Existing::Replace,
        _ => Existing::Refuse,
    };
    RunFolder::check(out, existing)?;
    let mut config = settings(args)?;
    let objective = config.objective()?;
    let device = device::named(&config.device)?;
    let run = RunFolder::make(out)?;
    let splits = splits(&config, progress)?;
    let meta = describe(&mut config, &splits)?;
    let learner = learner(&config, &meta, &run, existing, &device)?;
    if existing == Existing::Replace {
        run.clear()?;
    }
    run.write_config(&config.to_toml()?)?;
    run.forget_metrics_from(learner.state.epoch)?;
    let sampler = Sampler::new(&splits.train, config.keep_empty)?;
    if sampler.len() < splits.train.len() {
        progress.info(format!("an epoch takes {} of the {} training crops", sampler.len(), splits.train.len()));
    }
    warn_of_scaling(&config, &splits.train, progress);
    warn_of_short_run(&config, sampler.len(), progress);

    interrupt::install()?;
    let trainer = Trainer {
        config: &config,
        objective: &objective,
        run: &run,
        meta: &meta,
        train: &splits.train,
        sampler: &sampler,
        val: &splits.val,
        device: &device,
        began,
    };
    let (ending, state) = trainer.run(learner, progress)?;
    match ending {
        Ending::Interrupted => return report_interruption(&run, &state, progress),
        Ending::OutOfTime => progress.info("time is over: scoring the best weights"),
        Ending::Finished => {}
    }
    score::run(&run, &state, &splits, &device, began, progress)
}

/// The settings of a new run, or of one that goes on.
fn settings(args: &TrainArgs) -> Result<RunConfig, Failure> {
    let file = match (&args.config, args.resume, &args.out) {
        (Some(path), ..) => Some(ConfigFile::read(path)?),
        (None, true, Some(run)) => Some(ConfigFile::read(&RunFolder::config_of(run))?),
        _ => None,
    };
    RunConfig::resolve(file.as_ref(), &args.assignments, &args.flags)
}

/// The settings these flags lead to; the defaults of a folder of images when they name no data.
fn printed(args: &TrainArgs) -> Result<RunConfig, Failure> {
    let mut flags = args.flags.clone();
    if flags.data.is_none() && args.config.is_none() {
        flags.data = Some("PATH".into());
        flags.task = flags.task.or(Some(Task::Ss));
    }
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    RunConfig::resolve(file.as_ref(), &args.assignments, &flags)
}

/// Loads all splits first, so that a bad label is found before the training and not after it.
fn splits(config: &RunConfig, progress: &Progress) -> Result<Splits, Failure> {
    let options = CropOptions { size: config.crop, overlap: 0, skip_blank: config.skip_blank };
    let rule = config.rule()?;
    let load = |split| data::crops(&config.data, config.task, split, &rule, options, progress);
    let (train, val) = (load(Split::Train)?, load(Split::Val)?);
    let (test, scored) = match load(Split::Test) {
        Ok(test) => (test, Split::Test),
        Err(error @ DatasetError::MissingSplit { .. }) => {
            progress.warn(format!(
                "{error}; the validation split is scored in its place, although it chose the epoch and the threshold"
            ));
            (val.clone(), Split::Val)
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Splits { train, val, test, scored })
}

/// Fits the model to the bands of the data, and says what goes into the weights files.
fn describe(config: &mut RunConfig, splits: &Splits) -> Result<ModelMeta, Failure> {
    let bands = splits.train.bands();
    let mut model = config.model_config()?;
    match config.bands() {
        Some(wanted) if wanted != bands => {
            return Err(Failure::usage(format!(
                "model.bands is {wanted}, but the images of {} have {bands} bands; leave it out or change it",
                config.data
            )));
        }
        _ => model.encoder.bands = bands,
    }
    config.pin_model(&model);
    Ok(ModelMeta {
        config: model,
        normalisation: match config.normalisation {
            Scaling::Imagenet => Normalisation::imagenet(bands),
            Scaling::Measured => {
                let measured = statistics(splits.train.scenes());
                Normalisation { mean: measured.mean, std: measured.std }
            }
        },
        threshold: config.threshold.initial() as f32,
        crop: config.crop,
        provenance: format!(
            "burn-rsmamba-cli {} train --task {} --data {}",
            env!("CARGO_PKG_VERSION"),
            config.task,
            config.data
        ),
    })
}

/// Values of other types than bytes are seldom spread as ImageNet's are.
fn warn_of_scaling(config: &RunConfig, crops: &Crops, progress: &Progress) {
    let wide = crops.scenes().iter().flat_map(|scene| &scene.images).any(|i| !matches!(i.pixels, Pixels::U8(_)));
    if wide && config.normalisation == Scaling::Imagenet {
        progress.warn("images are not 8-bit: ImageNet's mean and deviation may not fit, see --normalisation measured");
    }
}

/// The official warm-up is longer than many a small run.
fn warn_of_short_run(config: &RunConfig, crops: usize, progress: &Progress) {
    let steps = config.epochs * crops.div_ceil(config.batch);
    if config.warmup_steps >= steps {
        progress.warn(format!(
            "the run has {steps} steps, all of them in the warm-up of {}; a smaller --warmup-steps learns faster",
            config.warmup_steps
        ));
    }
}

/// A new model, or the run as it was left.
fn learner(
    config: &RunConfig,
    meta: &ModelMeta,
    run: &RunFolder,
    existing: Existing,
    device: &Device,
) -> Result<Learner, Failure> {
    device.seed(config.seed);
    let model = meta.config.init(&device.clone().autodiff());
    let optimizer = optimizer(config);
    if existing == Existing::Resume {
        let (state, model, optimizer) = checkpoint::load(&run.state(), model, optimizer)?;
        return Ok(Learner { model, optimizer, state });
    }
    let model = match &config.init_from {
        Some(path) => weights::load_into(model, &model_file::find(path)?).map_err(|error| {
            Failure::run(format!("{error}; --init-from takes weights of the same task, widths, depths and classes"))
        })?,
        None => model,
    };
    Ok(Learner { model, optimizer, state: State::start() })
}

fn report_interruption(run: &RunFolder, state: &State, progress: &Progress) -> Outcome {
    let root = run.root().display();
    progress.info(format!("stopped; continue with: burn-rsmamba-cli train --out {root} --resume"));
    print_json(&Stopped {
        run: run.root(),
        interrupted: true,
        epoch: state.epoch,
        best_epoch: state.best.map(|best| best.epoch),
    })?;
    Ok(())
}
