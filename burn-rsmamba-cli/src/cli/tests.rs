use super::values::{parse_assignment, parse_image_size};
use super::*;
use clap::CommandFactory;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn the_main_command_needs_only_data_and_out() {
    let cli = parse("x train --data demo --out runs/demo").unwrap();
    let Command::Train(args) = cli.command else { panic!("train expected") };
    assert_eq!(args.flags.data.as_deref(), Some("demo"));
    assert!(!args.resume && !args.force && !cli.quiet);
}

#[test]
fn train_needs_a_run_folder_unless_it_only_prints() {
    assert!(parse("x train --data demo").is_err());
    assert!(parse("x train --print-config").is_ok());
    assert!(parse("x train --out r --resume --force").is_err());
    assert!(parse("x train --out r --resume --config c.toml").is_err());
}

#[test]
fn wrong_values_are_refused_with_code_2() {
    for line in [
        "x train --task xx --out r",
        "x train --crop 0 --out r",
        "x train --batch 0 --out r",
        "x eval --model m --data d --split none",
        "x eval --model m --data d --split test --threshold 1.5",
        "x eval --model m --data d --split test --crop 0",
        "x eval --model m --data d --split test --whole --crop 64",
        "x info --task ss",
        "x info --task ss --preset tiny --size 16x16",
        "x info --task ss --preset tiny --size 256x32769",
        "x train --crop 32769 --out r",
        "x train --workers 257 --out r",
        "x train --seed 9223372036854775808 --out r",
        "x train --epochs 1000000001 --out r",
        "x train --patience 9223372036854775808 --out r",
        "x predict --model m --input i --out o --window 32769",
        "x data tile --data d --task ss --size 32769 --out o",
        "x bench --size 32769",
        "x erf --size 32800 --out o",
        "x import --from a --to b --directions 3",
        "x train --out r --set nothing",
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn sizes_and_assignments_are_taken_apart() {
    assert_eq!(parse_image_size("512x256"), Ok((512, 256)));
    assert_eq!(parse_assignment("model.drop_path = 0"), Ok(("model.drop_path".into(), "0".into())));
}

#[test]
fn quiet_is_known_after_the_verb() {
    assert!(parse("x devices --quiet").unwrap().quiet);
    assert!(parse("x -q devices").unwrap().quiet);
}
