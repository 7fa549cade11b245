use super::fixture::Fixture;

fn stdout(arguments: &[&str]) -> String {
    let ran = Fixture::new().run(arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

#[test]
fn help_of_the_program_and_of_every_verb() {
    insta::assert_snapshot!("help", stdout(&["--help"]));
    for verb in ["train", "eval", "predict", "report", "import", "export", "info", "erf", "bench", "data", "devices"] {
        insta::assert_snapshot!(format!("help_{verb}"), stdout(&[verb, "--help"]));
    }
    for tool in ["check", "compare", "preview", "sample", "split", "stats", "tile"] {
        insta::assert_snapshot!(format!("help_data_{tool}"), stdout(&["data", tool, "--help"]));
    }
}

#[test]
fn printed_defaults_are_the_official_recipe() {
    let defaults = stdout(&["train", "--print-config", "--task", "ss", "--data", "PATH"]);
    insta::with_settings!({ filters => vec![(r"burn-rsmamba-cli [0-9.]+", "burn-rsmamba-cli VERSION")] }, {
        insta::assert_snapshot!("print_config", defaults);
    });
}

#[test]
fn info_prints_a_table_or_json() {
    insta::assert_snapshot!("info_tiny", stdout(&["info", "--task", "cd", "--preset", "tiny"]));
    let json = Fixture::new().json(&["info", "--task", "ss", "--preset", "tiny", "--size", "512x512", "--json"]);
    assert_eq!(json["parameters"], 50_379_057);
    assert!(json["macs"].as_u64() > Some(45_000_000_000) && json["scan_flops"].as_u64() > Some(19_000_000_000));
    assert_eq!(json["stages"].as_array().map(Vec::len), Some(7));
}

#[test]
fn bench_prints_a_table_or_json() {
    let common = ["bench", "--preset", "micro", "--size", "32", "--repeats", "3", "--threads", "2", "--quiet"];
    for mode in ["forward", "train", "step"] {
        for task in ["ss", "cd"] {
            let report = Fixture::new()
                .json(&[&common[..], &["--mode", mode, "--task", task, "--batch", "2", "--json"]].concat());
            let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key} in {report}"));
            let (median, min, max) = (number("median_s"), number("min_s"), number("max_s"));
            assert!(0.0 < min && min <= median && median <= max, "{report}");
            assert!((number("images_per_s") * median - 2.0).abs() < 1e-6, "{report}");
            assert!(number("peak_bytes") > 0.0, "{report}");
            assert_eq!((&report["mode"], &report["threads"]), (&mode.into(), &2.into()), "{report}");
        }
    }
    let table = stdout(&common);
    for part in ["ss micro", "1 x 32x32", "forward", "cpu, f32, 2 threads", "median", "above the loaded model"] {
        assert!(table.contains(part), "no {part:?} in\n{table}");
    }
}

#[test]
fn a_wrong_verb_or_flag_is_a_usage_error() {
    let fixture = Fixture::new();
    for arguments in [&["fly"][..], &["train", "--out", "x", "--nope"], &["info", "--task", "xx", "--preset", "tiny"]] {
        let ran = fixture.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(ran.stdout.is_empty() && ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
}
