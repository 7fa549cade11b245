use super::*;
use burn_rsmamba_datasets::{CropOptions, Dates, Split, demo};

pub(super) const SCORING: Scoring = Scoring {
    threshold: Some(0.3),
    crop: Some(64),
    overlap: 8,
    blend: Blend::Cosine,
    tta: false,
    min_area: None,
    fill_holes: false,
    downsample: 1,
    skip_blank: true,
    images: 2,
    arithmetic: Precision::F32,
};

fn counted() -> Counts {
    Counts::Mask(Confusion { tp: 3, fp: 1, fn_: 1, tn: 5 })
}

#[test]
fn an_eval_report_has_the_promised_keys() {
    let report = EvalReport { scored: counted().into(), scoring: SCORING };
    let value = serde_json::to_value(report).unwrap();
    let mut promised = [
        "precision",
        "recall",
        "f1",
        "iou",
        "accuracy",
        "kappa",
        "tp",
        "fp",
        "fn",
        "tn",
        "threshold",
        "crop",
        "overlap",
        "blend",
        "tta",
        "min_area",
        "fill_holes",
        "downsample",
        "skip_blank",
        "images",
        "arithmetic",
        "classes",
        "mean",
    ];
    promised.sort_unstable();
    assert_eq!(keys(&value), promised);
    assert_eq!(value["f1"], 0.75);
    assert_eq!(value["iou"], 0.6);
    // Of background and target.
    assert_eq!(value["classes"][0]["precision"], 5.0 / 6.0);
    assert_eq!(value["classes"][1]["iou"], 0.6);
    assert_eq!(value["mean"]["iou"], f64::midpoint(5.0 / 7.0, 0.6));
    assert_eq!(value["mean"]["accuracy"], 0.8);
}

#[test]
fn of_several_classes_each_is_reported_and_the_means() {
    let mut counts = Counts::new(3);
    counts.count([(0, 0), (1, 1), (1, 2), (2, 2)].into_iter());
    let scoring = Scoring { threshold: None, ..SCORING };
    let value = serde_json::to_value(EvalReport { scored: counts.into(), scoring }).unwrap();
    assert_eq!(value["classes"][2]["recall"], 0.5);
    assert_eq!(value["confusion"], serde_json::json!([[1, 0, 0], [0, 1, 0], [0, 1, 1]]));
    assert_eq!(value["recall"], (1.0 + 1.0 + 0.5) / 3.0);
    assert_eq!((&value["accuracy"], &value["threshold"]), (&0.75.into(), &serde_json::Value::Null));
}

#[test]
fn a_train_report_has_the_promised_keys() {
    let report = TrainReport {
        run: Path::new("runs/x"),
        best_epoch: Some(4),
        split: "test".into(),
        scored: counted().into(),
        scoring: SCORING,
        baselines: Some(Baselines { all_positive: Baseline::default(), best_threshold: Baseline::default() }),
        seconds: 1.5,
    };
    let value = serde_json::to_value(&report).unwrap();
    for key in [
        "run",
        "best_epoch",
        "precision",
        "recall",
        "f1",
        "iou",
        "accuracy",
        "kappa",
        "threshold",
        "crop",
        "overlap",
        "arithmetic",
        "seconds",
    ] {
        assert!(!value[key].is_null(), "{key}");
    }
    assert_eq!(keys(&value["baselines"]), ["all_positive", "best_threshold"]);
    // The number the user gave, not its nearest double.
    assert!(serde_json::to_string(&report).unwrap().contains("\"threshold\":0.3,"));
}

#[test]
fn the_demo_has_baselines() {
    let options = demo::DemoOptions { size: 64, test: 1, ..demo::DemoOptions::default() };
    let set = demo::scenes(Dates::One, Split::Test, &options);
    let crops = Crops::new(&set, CropOptions { size: 32, ..CropOptions::default() }).unwrap();
    let found = Baselines::measure(&crops).unwrap();
    assert!(!found.best_threshold.rule.is_empty() && found.best_threshold.threshold.is_some());
    assert!(found.all_positive.f1 <= found.best_threshold.f1);
}

/// The keys of an object, sorted.
fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
