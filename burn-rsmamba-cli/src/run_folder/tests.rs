use super::*;

/// A folder of its own for each test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("burn-rsmamba-cli-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_run_is_neither_overwritten_nor_invented() {
    let scratch = Scratch::new("check");
    let check = |existing| RunFolder::check(&scratch.0, existing);
    assert!(check(Existing::Refuse).is_ok());
    assert!(check(Existing::Resume).unwrap_err().to_string().contains("nothing to resume"));
    let run = RunFolder::make(&scratch.0).unwrap();
    assert!(check(Existing::Refuse).is_ok(), "an empty folder is no run");
    run.write_config("seed = 1").unwrap();
    assert!(check(Existing::Refuse).unwrap_err().to_string().contains("--force"));
    assert!(check(Existing::Replace).is_ok());
}

#[test]
fn clearing_takes_the_run_and_leaves_the_rest() {
    let scratch = Scratch::new("clear");
    let run = RunFolder::make(&scratch.0).unwrap();
    run.write_config("seed = 1").unwrap();
    let own = run.predictions().unwrap().join("scene.png");
    run.own_picture(&own).unwrap();
    fs::write(&own, "the run's").unwrap();
    let foreign = own.with_file_name("map.png");
    fs::write(&foreign, "mine").unwrap();
    run.forget_predictions().unwrap();
    assert!(foreign.is_file() && !own.exists());
    fs::remove_file(&foreign).unwrap();
    fs::write(scratch.0.join("notes.txt"), "mine").unwrap();
    run.clear().unwrap();
    let left: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
}

#[test]
fn a_resumed_run_writes_its_epochs_and_steps_once() {
    let scratch = Scratch::new("metrics");
    let run = RunFolder::make(&scratch.0).unwrap();
    run.forget_from(1, 0).unwrap();
    for epoch in 1..=3 {
        for step in 1..=2 {
            run.append_step(&serde_json::json!({ "epoch": epoch, "step": step })).unwrap();
        }
        run.append_metrics(&serde_json::json!({ "epoch": epoch })).unwrap();
    }
    fs::write(scratch.0.join(METRICS), fs::read_to_string(scratch.0.join(METRICS)).unwrap() + "{\"epoch\":1").unwrap();
    run.forget_from(2, 1).unwrap();
    run.append_metrics(&serde_json::json!({ "epoch": 2 })).unwrap();
    let read = |name| fs::read_to_string(scratch.0.join(name)).unwrap();
    assert_eq!(read(METRICS), "{\"epoch\":1}\n{\"epoch\":2}\n");
    let steps: Vec<_> = read(STEPS).lines().map(str::to_owned).collect();
    assert_eq!(steps.len(), 3);
    assert_eq!(steps[2], r#"{"epoch":2,"step":1}"#);
}

#[test]
fn the_state_before_the_newest_is_kept() {
    let scratch = Scratch::new("states");
    let run = RunFolder::make(&scratch.0).unwrap();
    for text in ["first", "second", "third"] {
        run.write_state(text.as_bytes()).unwrap();
    }
    assert_eq!(run.states().map(|path| fs::read_to_string(path).unwrap()), ["third", "second"]);
}

#[test]
fn the_best_weights_are_kept_and_named() {
    let scratch = Scratch::new("weights");
    let run = RunFolder::make(&scratch.0).unwrap();
    let moment = |epoch| Moment { epoch, steps: 0 };
    for epoch in [3, 6, 9] {
        fs::write(run.weights_of(moment(epoch)).unwrap(), epoch.to_string()).unwrap();
    }
    fs::write(run.weights_of(Moment { epoch: 9, steps: 4 }).unwrap(), "in the middle").unwrap();
    fs::write(scratch.0.join(WEIGHTS).join("pretrained.pth"), "mine").unwrap();
    fs::create_dir(scratch.0.join(WEIGHTS).join("others")).unwrap();
    assert!(run.point(&run.best(), moment(6)).unwrap());
    assert!(run.point(&run.best(), moment(9)).unwrap());
    assert!(!run.point(&run.best(), moment(5)).unwrap(), "there are none");
    run.keep_weights_of(&[moment(6)]).unwrap();
    assert_eq!(fs::read_to_string(run.best()).unwrap(), "9");
    let left = || {
        let mut left: Vec<_> =
            fs::read_dir(scratch.0.join(WEIGHTS)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        left
    };
    assert_eq!(left(), ["epoch-0006.safetensors", "others", "pretrained.pth"]);
    fs::remove_file(run.best()).unwrap();
    assert!(RunFolder::check(&scratch.0, Existing::Refuse).is_err(), "weights of a run alone are a run");
    run.clear().unwrap();
    assert_eq!(left(), ["others", "pretrained.pth"]);
    assert!(RunFolder::check(&scratch.0, Existing::Refuse).is_ok());
}

#[cfg(unix)]
#[test]
fn a_folder_is_trained_in_by_one_at_a_time() {
    let scratch = Scratch::new("lock");
    let mut first = RunFolder::make(&scratch.0).unwrap();
    first.lock().unwrap();
    let mut second = RunFolder::make(&scratch.0).unwrap();
    assert!(second.lock().unwrap_err().to_string().contains("another process is training in"));
    drop(first);
    second.lock().unwrap();
}
