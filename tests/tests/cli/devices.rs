//! `--device`: what is there is listed and used, what is not there is one line of error before any work.

use super::fixture::{Fixture, train};
use serde_json::Value;

fn listed(fixture: &Fixture) -> Vec<Value> {
    let ran = fixture.run(&["devices"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[test]
fn the_cpu_is_always_listed_and_absent_devices_are_one_line_of_error() {
    let fixture = Fixture::new();
    let devices = listed(&fixture);
    assert_eq!(devices[0]["name"], "cpu");
    assert!(devices[0]["threads"].as_u64().is_some_and(|threads| threads >= 1));
    let data = fixture.segmentation("seg");
    let data = data.to_str().expect("text");
    for name in ["tpu", "cuda:99", "vulkan:99", "wgpu:99", "metal:99", "rocm:99", "webgpu:x", "cpu:0"] {
        let error = fixture.error(2, &train("ss", data, "run", &["--device", name]));
        assert!(error.starts_with(&format!("error: --device {name}: ")), "{error}");
        assert!(
            error.contains("`devices`") || error.contains("build it with") || error.contains("no number"),
            "{error}"
        );
        assert!(!fixture.path("run").exists(), "nothing was begun");
    }
}

/// The kind of device that the program was built for, beside Flex.
#[cfg(any(
    feature = "cuda",
    feature = "rocm",
    feature = "metal",
    feature = "vulkan",
    feature = "wgpu",
    feature = "tch",
    feature = "ndarray"
))]
mod other {
    use super::{Fixture, Value, listed, train};
    use burn_rsmamba_tests::fixtures::skip;
    use std::fs;

    const KIND: &str = if cfg!(feature = "cuda") {
        "cuda"
    } else if cfg!(feature = "rocm") {
        "rocm"
    } else if cfg!(feature = "metal") {
        "metal"
    } else if cfg!(feature = "vulkan") {
        "vulkan"
    } else if cfg!(feature = "wgpu") {
        "wgpu"
    } else if cfg!(feature = "tch") {
        "libtorch"
    } else {
        "ndarray"
    };

    #[test]
    fn it_trains_evaluates_and_maps_as_flex_does() {
        let fixture = Fixture::new();
        let named = |device: &Value| device["name"].as_str().is_some_and(|name| name.split(':').next() == Some(KIND));
        let Some(device) = listed(&fixture).into_iter().find(named) else {
            let error = fixture.error(2, &train("ss", "nowhere", "run", &["--device", KIND]));
            assert!(error.contains("on this machine"), "{error}");
            return skip(&format!("no {KIND} device for the command line"));
        };
        let adapter = device["adapter"].as_str().is_some_and(|name| !name.is_empty());
        assert!(adapter || device["threads"].is_u64(), "{device}");
        let data = fixture.segmentation("seg");
        let data = data.to_str().expect("text");
        let device = device["name"].as_str().expect("found by its name");
        // Devices draw other numbers for one seed, so both start from one file.
        fixture.json(&train("ss", data, "base", &["--epochs", "1"]));
        let loss = |report: &str, device: &str| {
            let flags = ["--init-from", "base", "--epochs", "1", "--set", "model.drop_path=0", "--device", device];
            fixture.json(&train("ss", data, report, &flags));
            let text = fs::read_to_string(fixture.path(report).join("metrics.jsonl")).expect("metrics");
            let row: Value = serde_json::from_str(text.lines().next().expect("a row")).expect("JSON");
            row["train_loss"].as_f64().expect("a loss")
        };
        let (cpu, other) = (loss("on-cpu", "cpu"), loss("on-other", device));
        assert!(
            cpu > 0.0 && (cpu - other).abs() < 1e-3 * cpu,
            "losses of the first epoch: {cpu} on Flex, {other} on {device}"
        );
        fixture.json(&["train", "--out", "on-other", "--resume", "--epochs", "2"]);

        let scores = |device| {
            fixture.json(&["eval", "--model", "on-cpu", "--data", data, "--split", "test", "--device", device])
        };
        let (on_cpu, on_other) = (scores("cpu"), scores(device));
        let f1 = |scores: &Value| scores["f1"].as_f64().expect("a score");
        assert!((f1(&on_cpu) - f1(&on_other)).abs() < 1e-2, "{on_cpu} {on_other}");
        let input = ["predict", "--model", "on-cpu", "--input", "seg/test/image", "--out"];
        for (out, device) in [("maps-cpu", "cpu"), ("maps-other", device)] {
            let ran = fixture.run(&[&input[..], &[out, "--device", device]].concat());
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        }
        let mask = |out: &str| image::open(fixture.path(out).join("s0_mask.png")).expect("a mask").into_luma8();
        let (on_cpu, on_other) = (mask("maps-cpu"), mask("maps-other"));
        let differ = on_cpu.pixels().zip(on_other.pixels()).filter(|(a, b)| a != b).count();
        assert!(differ <= 8, "{differ} pixels differ between Flex and {device}");
    }

    #[cfg(feature = "wgpu")]
    #[test]
    fn an_image_that_takes_too_much_memory_does_not_stop_the_others() {
        let fixture = Fixture::new();
        let data = fixture.segmentation("seg");
        let official = burn_rsmamba_tests::fixtures::golden_path("rsm_ss_micro.pth");
        fixture.json(&["import", "--from", official.to_str().expect("text"), "--to", "micro.safetensors"]);
        let large = fixture.path("seg/test/image/a_large.png");
        image::RgbImage::new(6144, 6144).save(&large).expect("written");
        let data = data.join("test/image");
        let input = ["--input", data.to_str().expect("text"), "--out", "maps", "--whole", "--device", KIND];
        let ran = fixture.run(&[&["predict", "--model", "micro.safetensors"], &input[..]].concat());
        match ran.code {
            0 => skip(&format!("this {KIND} device has the memory for 6144 x 6144 pixels")),
            2 => skip(&format!("no {KIND} device for the command line")),
            _ => {
                let told =
                    ran.stderr.contains("1 of 3 images could not be mapped") && ran.stderr.contains("a_large.png");
                assert!(told && ran.stderr.contains("the device has too little memory"), "{}", ran.stderr);
                assert!(fixture.path("maps/s0_mask.png").is_file() && fixture.path("maps/s1_mask.png").is_file());
                let left = std::fs::read_dir(fixture.path("maps")).expect("a folder");
                let left = left
                    .filter(|file| file.as_ref().expect("a file").file_name().to_string_lossy().contains("a_large"));
                assert_eq!(left.count(), 0, "nothing half done");
            }
        }
    }

    #[cfg(feature = "wgpu")]
    #[test]
    fn too_little_memory_is_one_line_of_error() {
        let fixture = Fixture::new();
        let ran = fixture.run(&["bench", "--preset", "micro", "--size", "8192", "--repeats", "1", "--device", KIND]);
        match ran.code {
            0 => skip(&format!("this {KIND} device has the memory for 8192 x 8192 pixels")),
            2 => skip(&format!("no {KIND} device for the command line")),
            _ => {
                let found = ran.stderr.starts_with("error: the device has too little memory: it cannot give ");
                assert!(found && ran.stderr.lines().count() == 1, "{}", ran.stderr);
            }
        }
    }
}
