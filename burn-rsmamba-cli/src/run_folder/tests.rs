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
    run.predictions().unwrap();
    fs::write(scratch.0.join("notes.txt"), "mine").unwrap();
    run.clear().unwrap();
    let left: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
}

#[test]
fn a_resumed_run_writes_its_epochs_once() {
    let scratch = Scratch::new("metrics");
    let run = RunFolder::make(&scratch.0).unwrap();
    run.forget_metrics_from(1).unwrap();
    for epoch in 1..=3 {
        run.append_metrics(&serde_json::json!({ "epoch": epoch })).unwrap();
    }
    run.forget_metrics_from(2).unwrap();
    run.append_metrics(&serde_json::json!({ "epoch": 2 })).unwrap();
    let text = fs::read_to_string(scratch.0.join(METRICS)).unwrap();
    assert_eq!(text, "{\"epoch\":1}\n{\"epoch\":2}\n");
}
