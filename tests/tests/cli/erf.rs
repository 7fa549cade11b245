//! `erf`: pictures and shares of gradient energy.

use super::fixture::trained;
use serde_json::Value;

#[test]
fn each_model_is_a_panel_and_a_line() {
    let fixture = trained();
    let data = ["--data", "seg", "--size", "64", "--count", "2"];
    let report = fixture.json(&[&["erf", "--model", "run", "--out", "one.png"], &data[..]].concat());
    assert_eq!((&report["model"], &report["directions"], &report["crops"]), (&"run".into(), &8.into(), &2.into()));
    let one = image::open(fixture.path("one.png")).expect("a picture").to_rgb8();
    assert_eq!(one.dimensions(), (64, 64));

    let fresh = ["erf", "--preset", "micro", "--directions", "1,8", "--out"];
    let ran = fixture.run(&[&fresh[..], &["two.png"], &data].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.iter().map(|line| line["directions"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(8)]);
    for line in &lines {
        let within = |radius: &str| line["within"][radius].as_f64().expect("a share");
        assert!(0.0 < within("16") && within("16") <= within("32") && within("32") <= 1.0, "{line}");
        assert!(line["half"].as_u64() > Some(0));
    }
    let two = image::open(fixture.path("two.png")).expect("a picture").to_rgb8();
    assert_eq!(two.dimensions(), (132, 64));
    assert_ne!(lines[0]["within"], lines[1]["within"]);

    let error = fixture.error(2, &[&fresh[..], &["two.png"], &data].concat());
    assert!(error.contains("two.png"), "{error}");
    let ran = fixture.run(&["erf", "--out", "x.png", "--size", "50"]);
    assert!(ran.code == 2 && ran.stderr.contains("multiple of 32"), "{}", ran.stderr);
}
