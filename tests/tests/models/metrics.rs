//! Scores against scikit-learn's (`fixtures/metrics.json`).

use burn_rsmamba::metrics::{Confusion, ConfusionMatrix, ThresholdSweep};
use burn_rsmamba_tests::fixtures::fixture_json;
use serde::de::DeserializeOwned;
use serde_json::Value;

type Score = fn(&Confusion) -> f64;

const SCORES: [(&str, Score); 4] = [
    ("precision", Confusion::precision),
    ("recall", Confusion::recall),
    ("f1", Confusion::f1),
    ("iou", Confusion::iou),
];

fn of<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("a value of the fixture")
}

fn close(what: &str, actual: f64, expected: &Value) {
    let expected: f64 = of(expected);
    assert!((actual - expected).abs() < 1e-12, "{what}: got {actual}, expected {expected}");
}

#[test]
fn scores_of_several_classes_are_scikit_learns() {
    let fixture = fixture_json("metrics.json");
    for case in fixture["classes"].as_array().expect("cases") {
        let matrix: Vec<Vec<u64>> = of(&case["matrix"]);
        let (truth, predicted): (Vec<usize>, Vec<usize>) = (of(&case["truth"]), of(&case["predicted"]));
        // In two parts that are added.
        let half = truth.len() / 3;
        let mut counts = ConfusionMatrix::new(matrix.len());
        for range in [0..half, half..truth.len()] {
            let mut part = ConfusionMatrix::new(matrix.len());
            part.count(predicted[range.clone()].iter().copied(), truth[range].iter().copied());
            counts += &part;
        }
        for (class, row) in matrix.iter().enumerate() {
            assert_eq!(counts.row(class), row, "class {class}");
            for (name, score) in SCORES {
                close(&format!("{name} of {class}"), score(&counts.class(class)), &case["classes"][name][class]);
            }
        }
        for (name, score) in SCORES {
            close(&format!("mean {name}"), counts.mean(score), &case["mean"][name]);
        }
        close("accuracy", counts.accuracy(), &case["accuracy"]);
        close("kappa", counts.kappa(), &case["kappa"]);
        if matrix.len() == 2 {
            close("kappa of a mask", counts.class(1).kappa(), &case["kappa"]);
        }
    }
}

#[test]
fn the_best_threshold_is_that_of_scikit_learns_curve() {
    let fixture = fixture_json("metrics.json");
    for case in fixture["thresholds"].as_array().expect("cases") {
        let probabilities: Vec<f32> = of(&case["probability"]);
        let truth: Vec<u8> = of(&case["truth"]);
        let mut sweep = ThresholdSweep::default();
        sweep.count(probabilities.iter().copied(), truth.iter().map(|&truth| truth == 1));
        let best = sweep.best();
        close("precision", best.counts.precision(), &case["precision"]);
        close("recall", best.counts.recall(), &case["recall"]);
        close("f1", best.counts.f1(), &case["f1"]);
        // Thresholds between two neighbouring probabilities give one mask.
        let threshold: f32 = of(&case["threshold"]);
        let mask = |threshold: f32| probabilities.iter().map(move |&p| p >= threshold);
        assert!(mask(best.threshold).eq(mask(threshold)), "{} and {threshold}", best.threshold);
    }
}

#[test]
fn a_sweep_counts_what_its_thresholds_mark() {
    // A multiplicative walk through [0, 1), ends included.
    let probabilities: Vec<f32> = (0..5000u32).map(|i| (i * 7919 % 5001) as f32 / 5000.0).chain([0.0, 1.0]).collect();
    let truth = || (0..probabilities.len()).map(|i| i * 31 % 7 < 3);
    let mut sweep = ThresholdSweep::default();
    sweep.count(probabilities.iter().copied(), truth());
    let mut parts = ThresholdSweep::default();
    for part in [0..1000, 1000..probabilities.len()] {
        let mut counted = ThresholdSweep::default();
        counted.count(probabilities[part.clone()].iter().copied(), truth().skip(part.start).take(part.len()));
        parts += &counted;
    }
    assert_eq!(parts, sweep);
    let mut seen = 0;
    for swept in sweep.thresholds() {
        let expected = Confusion::count(probabilities.iter().map(|&p| p >= swept.threshold), truth());
        assert_eq!(swept.counts, expected, "{}", swept.threshold);
        seen += 1;
    }
    assert_eq!(seen, 1023);
}

#[test]
fn of_equal_thresholds_the_one_nearest_to_a_half_is_taken() {
    let best = |pixels: &[(f32, bool)]| {
        let mut sweep = ThresholdSweep::default();
        sweep.count(pixels.iter().map(|pixel| pixel.0), pixels.iter().map(|pixel| pixel.1));
        let best = sweep.best();
        (best.threshold, best.counts.f1())
    };
    assert_eq!(best(&[]), (0.5, 0.0));
    assert_eq!(best(&[(0.9, false)]), (0.5, 0.0));
    assert_eq!(best(&[(0.9, true), (0.1, false)]), (0.5, 1.0));
    assert_eq!(best(&[(0.25, true), (0.125, false)]), (0.25, 1.0));
    assert_eq!(best(&[(1.0, true), (0.75, false)]), (0.75 + 1.0 / 1024.0, 1.0));
}
