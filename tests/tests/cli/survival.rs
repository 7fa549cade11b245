//! Training that is killed, damaged or out of space goes on as if nothing had happened.

use super::fixture::{Fixture, merged, train};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// How often a run is killed, and how often of these in the middle of a checkpoint.
const KILLS: usize = 50;
const IN_A_CHECKPOINT: usize = 15;

/// Everything that draws at random or counts is in it, every step is logged and every step is a checkpoint.
const THOROUGH: &[&str] = &[
    "--epochs",
    "5",
    "--batch",
    "2",
    "--accumulate",
    "2",
    "--validate-every",
    "2",
    "--patience",
    "1",
    "--cooldown",
    "0.4",
    "--shift",
    "true",
    "--jitter",
    "0.2",
    "--positive",
    "0.5",
    "--set",
    "model.drop_path=0.2",
    "--set",
    "log_every=1",
    "--set",
    "checkpoint_minutes=1e-9",
    "--keep-best",
    "2",
];

/// What of it depends on the number of epochs goes: these runs go on with more of them.
const OPEN: &[&str] = &["--cooldown", "0", "--validate-every", "1"];

/// Everything a run leaves but the times: steps, epochs, weights.
#[derive(PartialEq)]
struct Left {
    steps: String,
    epochs: Vec<Value>,
    weights: Vec<(String, Vec<u8>)>,
}

impl Left {
    fn by(run: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(run.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut epochs: Vec<Value> =
            read("metrics.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        for epoch in &mut epochs {
            epoch.as_object_mut().expect("an object").remove("seconds");
        }
        // In `weights` lie those of the state before too, which need not be the same.
        let names = ["best", "best_loss", "last"].map(|name| format!("{name}.safetensors"));
        let weights =
            names.into_iter().map(|name| (name.clone(), fs::read(run.join(name)).expect("weights"))).collect();
        Self { steps: read("steps.jsonl"), epochs, weights }
    }

    fn assert_is(&self, other: &Self, what: &str) {
        assert_eq!(self.steps, other.steps, "{what}: steps");
        assert_eq!(self.epochs, other.epochs, "{what}: epochs");
        let names = |left: &Self| left.weights.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "{what}: weights");
        assert!(self == other, "{what}: the weights differ");
    }
}

fn start<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    train("ss", "seg", out, &merged(THOROUGH, more))
}

/// The same for a run that may get more epochs later.
fn open<'a>(out: &'a str, epochs: &'a str) -> Vec<&'a str> {
    start(out, &[OPEN, &["--epochs", epochs]].concat())
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_fifty_times_ends_as_one_in_a_piece() {
    let seed = std::env::var("BURN_RSMAMBA_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos().into());
    println!("BURN_RSMAMBA_SEED={seed} repeats these kills");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |limit: u32| rng.next_u32() % limit;

    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let started = Instant::now();
    fixture.json(&start("whole", &[]));
    let whole_run = started.elapsed();
    let whole = Left::by(&fixture.path("whole"));
    assert_eq!((whole.epochs.len(), whole.steps.lines().count()), (5, 20));

    let (mut kills, mut in_a_checkpoint, mut runs) = (0, 0, 0);
    while kills < KILLS {
        runs += 1;
        let out = format!("run{runs}");
        loop {
            let config = fixture.path(&out).join("config.toml").is_file();
            let arguments = if config { vec!["train", "--out", &out, "--resume"] } else { start(&out, &[]) };
            let mut command = fixture.command(&arguments);
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            // these first, so that there are always enough of them
            let inside = in_a_checkpoint < IN_A_CHECKPOINT && kills < KILLS;
            if inside {
                command.env("BURN_RSMAMBA_DIE_AT", format!("checkpoint:{}", 1 + below(30)));
            }
            let mut child = command.spawn().expect("the program starts");
            if !inside && kills < KILLS {
                std::thread::sleep(whole_run.mul_f64(f64::from(below(1000)) / 1500.0));
                // it may have ended by itself
                let _ = child.kill();
            }
            let ended = child.wait_with_output().expect("it ends");
            if ended.status.success() {
                break;
            }
            let stderr = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), None, "it was killed, it did not fail: {stderr}");
            kills += 1;
            in_a_checkpoint += usize::from(inside);
        }
        Left::by(&fixture.path(&out)).assert_is(&whole, &out);
    }
    println!("{kills} kills, {in_a_checkpoint} of them in a checkpoint, over {runs} runs");
    assert!(in_a_checkpoint >= 10);
}

#[test]
fn a_damaged_state_is_named_and_the_one_before_it_used() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fixture.json(&open("whole", "5"));
    fixture.json(&open("run", "3"));
    let damage = |name: &str| {
        let path = fixture.path("run").join(name);
        let mut bytes = fs::read(&path).expect("a state");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("written");
    };
    damage("last.state");
    let ran = fixture.run(&["train", "--out", "run", "--resume", "--epochs", "5"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("last.state is damaged") && ran.stderr.contains("previous.state"), "{}", ran.stderr);
    Left::by(&fixture.path("run")).assert_is(&Left::by(&fixture.path("whole")), "from the state before");
    assert!(fixture.path("run/damaged.state").is_file());

    damage("last.state");
    damage("previous.state");
    let error = fixture.error(1, &["train", "--out", "run", "--resume", "--epochs", "6"]);
    assert!(error.contains("last.state") && error.contains("previous.state") && error.contains("--force"), "{error}");
}

/// Weights that only the damaged state named are not lost to the run that goes on from an older one.
#[test]
fn weights_that_a_damaged_state_named_are_kept() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let keep_all = [OPEN, &["--epochs", "3", "--keep-best", "9"]].concat();
    fixture.json(&start("run", &keep_all));
    let weights = fixture.path("run/weights/epoch-0003.safetensors");
    let bytes = fs::read(&weights).expect("weights");
    let state = fixture.path("run/last.state");
    let good = fs::read(&state).expect("a state");
    fs::write(&state, &good[..good.len() - 1]).expect("written");
    let ran = fixture.run(&["train", "--out", "run", "--resume", "--max-minutes", "1e-9"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("later-epoch-0003.safetensors"), "{}", ran.stderr);
    assert!(fs::read(fixture.path("run/weights/later-epoch-0003.safetensors")).expect("kept") == bytes);
}

/// What another version wrote, or cannot be read now, is not damaged: it stays, and nothing older takes its place.
#[test]
fn a_state_of_another_version_stays_where_it_is() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fixture.json(&open("run", "2"));
    let state = fixture.path("run/last.state");
    let good = fs::read(&state).expect("a state");
    let mut other = good.clone();
    other[7] = b'9';
    fs::write(&state, &other).expect("written");
    let error = fixture.error(1, &["train", "--out", "run", "--resume", "--epochs", "3"]);
    assert!(error.contains("last.state was written by another version"), "{error}");
    assert!(fs::read(&state).expect("a state") == other && !fixture.path("run/damaged.state").exists());
    fs::write(&state, &good).expect("written");
    fixture.json(&["train", "--out", "run", "--resume", "--epochs", "3"]);
}

/// The damaged state must not become the one before the next: a process that ends between the two would leave nothing.
#[cfg(unix)]
#[test]
fn a_damaged_state_never_takes_the_place_of_the_good_one() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fixture.json(&open("whole", "3"));
    let whole = Left::by(&fixture.path("whole"));
    fixture.json(&open("run", "2"));
    let [last, previous] = ["last.state", "previous.state"].map(|name| fixture.path("run").join(name));
    let good = fs::read(&last).expect("a state");
    for die_at in 1..=12 {
        fs::write(&previous, &good).expect("written");
        fs::write(&last, &good[..good.len() / 2]).expect("written");
        let resume = ["train", "--out", "run", "--resume", "--epochs", "3"];
        let mut command = fixture.command(&resume);
        let died = command.env("BURN_RSMAMBA_DIE_AT", die_at.to_string()).output().expect("the program starts");
        assert_eq!(died.status.code(), None, "{die_at}: {}", String::from_utf8_lossy(&died.stderr));
        fixture.json(&resume);
        Left::by(&fixture.path("run")).assert_is(&whole, &format!("ended at moment {die_at}"));
    }
}

/// Between checkpoints that are far apart a run that is killed has much to do again.
#[cfg(unix)]
#[test]
fn a_run_that_is_killed_between_rare_checkpoints_ends_as_one_in_a_piece() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let rare = ["--set", "checkpoint_minutes=10", "--checkpoint-every", "3", "--validate-from", "5"];
    fixture.json(&start("whole", &rare));
    let whole = Left::by(&fixture.path("whole"));
    for die_at in [3, 9, 14, 20] {
        let out = format!("run{die_at}");
        let mut command = fixture.command(&start(&out, &rare));
        let died = command.env("BURN_RSMAMBA_DIE_AT", die_at.to_string()).output().expect("the program starts");
        assert_eq!(died.status.code(), None, "{die_at}: {}", String::from_utf8_lossy(&died.stderr));
        fixture.json(&["train", "--out", &out, "--resume"]);
        Left::by(&fixture.path(&out)).assert_is(&whole, &out);
    }
}

#[test]
fn a_run_that_runs_out_of_time_between_validations_goes_on_as_one_in_a_piece() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    // one step an epoch, so that the time ends with one; a patience that a validation more would use up
    let rare = ["--batch", "16", "--epochs", "8", "--validate-from", "4", "--validate-every", "4"];
    let flags = |limit: &'static str| [&rare[..], &["--patience", "1", "--max-minutes", limit]].concat();
    fixture.json(&train("ss", "seg", "whole", &[&flags("10")[..], &["--set", "log_every=1"]].concat()));
    fixture.json(&train("ss", "seg", "run", &[&flags("1e-9")[..], &["--set", "log_every=1"]].concat()));
    for _ in 0..2 {
        fixture.json(&["train", "--out", "run", "--resume"]);
    }
    fixture.json(&["train", "--out", "run", "--resume", "--set", "max_minutes=none"]);
    let read = |run: &str, name: &str| fs::read(fixture.path(run).join(name)).expect("there");
    assert!(read("run", "steps.jsonl") == read("whole", "steps.jsonl"), "the learning rate too");
    assert!(read("run", "last.safetensors") == read("whole", "last.safetensors"));
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_checkpoints_as_they_were() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fixture.json(&open("whole", "5"));
    fixture.json(&open("run", "2"));
    let before = fs::read(fixture.path("run/last.state")).expect("a state");
    // files may grow to half of a state, counted in blocks of 512 bytes
    let blocks = before.len() / 2 / 512;
    let program = fixture.command(&[]).get_program().to_owned();
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" train --out run --resume --epochs 5");
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(script).arg(program).current_dir(fixture.path("."));
    let ended = shell.stdout(Stdio::null()).stderr(Stdio::piped()).output().expect("a shell");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write") && stderr.contains("run/"), "{stderr}");
    assert!(fs::read(fixture.path("run/last.state")).expect("a state") == before, "the state is as it was");
    fixture.json(&["train", "--out", "run", "--resume", "--epochs", "5"]);
    Left::by(&fixture.path("run")).assert_is(&Left::by(&fixture.path("whole")), "with space again");
}
