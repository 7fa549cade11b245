//! `train`: from settings to a scored run folder.

mod score;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use burn_dataset::Dataset;
use burn_rsmamba::inference::Windows;
use burn_rsmamba::{ModelMeta, Normalisation, RsmModel, Task, weights};
use burn_rsmamba_datasets::{
    CropOptions, Crops, DatasetError, Draw, Loader, LoaderOptions, Names, Sampler, Split, Statistics, Storage,
};

use crate::cli::TrainArgs;
use crate::config::{Change, ConfigFile, Flags, RunConfig, Scaling};
use crate::environment::{Environment, InitialWeights};
use crate::error::{Failure, Outcome};
use crate::output::{print_json, print_line};
use crate::progress::Progress;
use crate::run_folder::{Existing, RunFolder};
use crate::scores::Stopped;
use crate::training::checkpoint::{self, State};
use crate::training::{Ending, Learner, Trainer, optimizer};
use crate::{data, device, html_report, interrupt, model_file};

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
    if args.tui {
        progress.open_dashboard()?;
    }
    let (mut config, changed) = settings(args)?;
    // The file that a new run begins with; one that goes on has its own weights.
    let begins_with = match &config.init_from {
        Some(path) if !(existing == Existing::Resume && RunFolder::has_state_in(out)) => Some(model_file::find(path)?),
        _ => None,
    };
    let names_another = config.init_from.is_some() && changed.iter().any(|change| change.key == "init_from");
    if args.resume && begins_with.is_none() && names_another {
        return Err(Failure::usage(format!(
            "--init-from goes with a new run, and {} goes on with its own weights; leave one of --init-from and --resume out",
            out.display()
        )));
    }
    let mut objective = config.objective()?;
    let device = device::named(&config.device)?;
    device::expect_precision(&device, &config.device, config.precision)?;
    let mut run = RunFolder::make(out)?;
    run.lock()?;
    if let Some(path) = begins_with.as_deref().filter(|path| existing == Existing::Replace && run.would_clear(path)) {
        return Err(Failure::usage(format!(
            "--force would remove {}, which --init-from names; name another --out, or copy the file elsewhere first",
            path.display()
        )));
    }
    let splits = splits(&config, progress)?;
    if splits.train.has_ignored() || splits.val.has_ignored() {
        objective.leave_out();
    }
    let meta = describe(&mut config, &splits)?;
    let mut learner = learner(&config, &meta, &run, existing, begins_with.as_deref(), &device, progress)?;
    let began_with = begins_with.as_deref().map(InitialWeights::of).transpose()?;
    if existing == Existing::Replace {
        run.clear()?;
    }
    run.write_config(&config.anywhere()?.to_toml()?)?;
    let environment = Environment::new(&device, config.precision, &learner.state, &changed, began_with);
    run.append_environment(&environment)?;
    for Change { key, then, now } in &changed {
        progress.info(format!("{key} was {then} and is {now} from here on"));
    }
    let train = loader(&config, &splits.train)?;
    let drawn = learner.state.draw_by(drawn(&config, &splits.train));
    if !drawn.is_empty() {
        progress.warn(format!("epoch {} begins anew, for its crops differ: {}", learner.state.epoch, drawn.join("; ")));
    }
    run.forget_from(learner.state.epoch, learner.state.steps)?;
    run.forget_scores()?;
    for name in checkpoint::name_weights(&run, &learner.state)? {
        progress.warn(format!("the weights that {} stands for are gone; it stays as it is", name.display()));
    }
    if train.items() < splits.train.len() {
        progress.info(format!("an epoch takes {} of the {} training crops", train.items(), splits.train.len()));
    }
    warn_of_scaling(&config, &splits.train, progress);
    warn_of_short_run(&config, train.steps(), progress);
    if config.cooldown > 0.0 && config.max_minutes.is_some() {
        progress.warn(
            "cooldown goes by epochs: a run that max_minutes ends before them keeps its learning rate to the end",
        );
    }
    if let Some(told) = config.overridden_preset()? {
        progress.warn(told);
    }

    interrupt::install()?;
    let trainer = Trainer {
        config: &config,
        objective: &objective,
        run: &run,
        meta: &meta,
        train: &train,
        val: &splits.val,
        device: &device,
        autodiff: autodiff(&config, &device),
        began,
    };
    let ended = trainer.run(learner, progress);
    progress.close_dashboard();
    let (ending, state) = ended?;
    match ending {
        Ending::Interrupted => return report_interruption(&run, &state, progress),
        Ending::OutOfTime => progress.info("time is over: scoring the best weights"),
        Ending::NoBetter => progress.info(format!(
            "no better F1 for {} validations: scoring the best weights",
            config.early_stop.unwrap_or_default()
        )),
        Ending::Finished => {}
    }
    score::run(&config, &run, &state, &splits, &device, progress, began)
}

/// The settings of a new run, or of one that goes on, with what of them has changed since.
fn settings(args: &TrainArgs) -> Result<(RunConfig, Vec<Change>), Failure> {
    let file = match (&args.config, args.resume, &args.out) {
        (Some(path), ..) => Some(ConfigFile::read(path)?),
        (None, true, Some(run)) => Some(ConfigFile::read(&RunFolder::config_of(run))?),
        _ => None,
    };
    let config = RunConfig::resolve(file.as_ref(), &args.assignments, &args.flags)?;
    let changed = if args.resume && args.config.is_none() {
        let before = RunConfig::resolve(file.as_ref(), &[], &Flags::default())?;
        // Paths in the file of a run are whole.
        config.anywhere()?.changes_since(&before.anywhere()?)?
    } else {
        Vec::new()
    };
    Ok((config, changed))
}

/// What decides which crops a step takes.
fn drawn(config: &RunConfig, crops: &Crops) -> BTreeMap<String, String> {
    let names: Vec<&str> = crops.scene_names().collect();
    [
        ("scenes", format!("{} ({:08x})", names.len(), crc32fast::hash(names.join("\n").as_bytes()))),
        ("crops", crops.len().to_string()),
        ("crop", config.crop.to_string()),
        ("crops a step", config.step_crops().to_string()),
        ("seed", config.seed.to_string()),
        ("keep_empty", config.keep_empty.to_string()),
        ("positive", format!("{:?}", config.positive)),
        ("shift", config.shift.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The settings these flags lead to; the defaults of a folder of images when they name no data.
fn printed(args: &TrainArgs) -> Result<RunConfig, Failure> {
    if args.resume && args.out.is_some() {
        return Ok(settings(args)?.0);
    }
    let mut flags = args.flags.clone();
    if flags.data.is_none() && args.config.is_none() {
        flags.data = Some("PATH".into());
        flags.task = flags.task.or(Some(Task::Ss));
    }
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    RunConfig::resolve(file.as_ref(), &args.assignments, &flags)
}

/// Looks at all splits first, so that a bad label is found before the training and not after it.
fn splits(config: &RunConfig, progress: &Progress) -> Result<Splits, Failure> {
    let options = CropOptions {
        size: config.crop,
        downsample: config.downsample,
        skip_blank: config.skip_blank,
        ..CropOptions::default()
    };
    let storage = Storage { memory: config.memory_mb.saturating_mul(1 << 20), folder: config.decoded.clone() };
    let rule = config.rule()?;
    let source =
        data::Source { data: &config.data, task: config.task, rule: &rule, allow_unpaired: config.allow_unpaired };
    let load = |split| source.crops(split, options, storage.clone(), progress);
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

/// The steps of the training split as the settings want them.
fn loader(config: &RunConfig, crops: &Crops) -> Result<Loader, Failure> {
    let draw = match config.positive {
        Some(positive) => Draw::Balanced { positive },
        None => Draw::Shuffled { keep_empty: config.keep_empty },
    };
    let options = LoaderOptions {
        seed: config.seed,
        batch: config.step_crops(),
        workers: config.workers,
        // Each thread has a step under way and one that is done.
        ahead: 2 * config.workers,
        flips: config.augment,
        swap: config.model_config()?.classes == 1,
        jitter: config.jitter as f32,
        shift: config.shift,
    };
    Ok(Loader::new(crops, Sampler::new(crops, draw), options))
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
                let measured = Statistics::of_crops(&splits.train)?;
                Normalisation { mean: measured.mean, std: measured.std }
            }
        },
        threshold: config.threshold.initial() as f32,
        crop: config.crop,
        windows: Some(Windows::for_crop(config.crop)),
        downsample: NonZeroUsize::new(config.downsample).unwrap_or(NonZeroUsize::MIN),
        labels: Some(config.rule()?.to_string()),
        provenance: format!(
            "burn-rsmamba-cli {} train --task {} --data {}",
            env!("CARGO_PKG_VERSION"),
            config.task,
            // Its name alone: whole paths are nobody's business, and others after the first start.
            Path::new(&config.anywhere()?.data).file_name().unwrap_or_default().to_string_lossy()
        ),
    })
}

/// Values of other types than bytes are seldom spread as ImageNet's are.
fn warn_of_scaling(config: &RunConfig, crops: &Crops, progress: &Progress) {
    if !crops.is_eight_bit() && config.normalisation == Scaling::Imagenet {
        progress.warn("images are not 8-bit: ImageNet's mean and deviation may not fit, see --normalisation measured");
    }
}

/// The official warm-up is longer than many a small run.
fn warn_of_short_run(config: &RunConfig, steps_of_epoch: usize, progress: &Progress) {
    let steps = config.epochs.saturating_mul(steps_of_epoch);
    if config.warmup_steps >= steps {
        progress.warn(format!(
            "the run has {steps} steps, all of them in the warm-up of {}; a smaller --warmup-steps learns faster",
            config.warmup_steps
        ));
    }
}

/// The device for training steps.
fn autodiff(config: &RunConfig, device: &Device) -> Device {
    let device = device.clone().autodiff();
    if config.gradient_checkpointing { device.gradient_checkpointing() } else { device }
}

/// A new model, or the run as it was left.
fn learner(
    config: &RunConfig,
    meta: &ModelMeta,
    run: &RunFolder,
    existing: Existing,
    begins_with: Option<&Path>,
    device: &Device,
    progress: &Progress,
) -> Result<Learner, Failure> {
    let model = meta.config.init_seeded(config.seed, &autodiff(config, device));
    let optimizer = optimizer(config);
    let resumed = existing == Existing::Resume && run.has_state();
    if existing == Existing::Resume && !resumed {
        progress.warn("the run has no checkpoint yet: it starts from its beginning");
    }
    if config.freeze_encoder && config.init_from.is_none() && !resumed {
        return Err(Failure::usage(
            "--freeze-encoder would keep random weights as they are; name the weights to start from with --init-from",
        ));
    }
    let (state, model, optimizer) = match (resumed, begins_with) {
        (true, _) => checkpoint::load(run, &model, &optimizer, progress)?,
        (_, Some(path)) => (State::start(), transferred(model, meta, path, progress)?, optimizer),
        (_, None) => (State::start(), model, optimizer),
    };
    let model = if config.freeze_encoder { model.freeze_encoder() } else { model };
    Ok(Learner { model, optimizer, state, seen: Vec::new() })
}

/// A model with the weights of a file, as far as they go; says what was left out.
fn transferred(model: RsmModel, meta: &ModelMeta, path: &Path, progress: &Progress) -> Result<RsmModel, Failure> {
    let (model, told) = weights::transfer(model, path).map_err(|error| {
        Failure::run(format!("{error}; --init-from takes weights of the same widths, depths and directions"))
    })?;
    if told.normalisation.is_some_and(|theirs| theirs != meta.normalisation) {
        progress.warn(format!(
            "{}: its images were scaled by other means and deviations than those of this run; see normalisation in the settings",
            path.display()
        ));
    }
    if let Some((old, new)) = told.bands {
        progress.warn(format!("{}: its first convolution reads {old} bands and was fitted to {new}", path.display()));
    }
    if !told.initial.is_empty() {
        progress.warn(format!(
            "{}: {} entries start from initial values: {}",
            path.display(),
            told.initial.len(),
            Names(told.initial)
        ));
    }
    Ok(model)
}

fn report_interruption(run: &RunFolder, state: &State, progress: &Progress) -> Outcome {
    let root = run.root().display();
    if let Err(error) = html_report::write(run) {
        progress.warn(format!("there is no report: {error:#}"));
    }
    progress.info(format!("stopped; continue with: burn-rsmamba-cli train --out {root} --resume"));
    print_json(&Stopped {
        run: run.root(),
        interrupted: true,
        epoch: state.epoch,
        best_epoch: state.best().map(|best| best.moment.epoch),
    })?;
    Ok(())
}
