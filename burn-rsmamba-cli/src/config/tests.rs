use super::*;

fn flags(data: &str) -> Flags {
    Flags { data: Some(data.into()), ..Flags::default() }
}

fn file(text: &str) -> ConfigFile {
    ConfigFile::of(text)
}

fn usage(result: Result<RunConfig, Failure>) -> String {
    match result {
        Err(failure @ Failure::Usage(_)) => failure.to_string(),
        other => panic!("a usage error expected, got {other:?}"),
    }
}

#[test]
fn a_folder_gets_the_official_recipe() {
    let config = RunConfig::resolve(None, &[], &Flags { task: Some(Task::Cd), ..flags("folder") }).unwrap();
    let mut expected = RunConfig::recipe(Task::Cd, "folder");
    expected.data = "folder".into();
    assert_eq!(config, expected);
}

#[test]
fn the_demo_needs_nothing_else_and_flags_win_over_it() {
    let config = RunConfig::resolve(None, &[], &flags(DEMO)).unwrap();
    assert_eq!(config.task, Task::Ss);
    assert_ne!(config.epochs, 300);
    let config =
        RunConfig::resolve(None, &[], &Flags { task: Some(Task::Cd), epochs: Some(3), ..flags(DEMO) }).unwrap();
    assert_eq!((config.task, config.epochs), (Task::Cd, 3));
}

#[test]
fn flags_win_over_set_and_set_over_the_file() {
    let file = file("task = 'ss'\ndata = 'd'\nlr = 0.5\nseed = 1\nbatch = 4\n[model]\nd_state = 4\n");
    let set = [("seed".into(), "2".into()), ("batch".into(), "5".into())];
    let flags = Flags { batch: Some(6), ..Flags::default() };
    let config = RunConfig::resolve(Some(&file), &set, &flags).unwrap();
    assert_eq!((config.lr, config.seed, config.batch), (0.5, 2, 6));
    assert_eq!(config.model_config().unwrap().encoder.d_state, 4);
}

#[test]
fn a_resolved_config_resolves_to_itself() {
    let mut config = RunConfig::resolve(None, &[], &flags(DEMO)).unwrap();
    config.max_minutes = Some(1.5);
    let model = config.model_config().unwrap();
    config.pin_model(&model);
    let file = file(&config.to_toml().unwrap());
    let again = RunConfig::resolve(Some(&file), &[], &Flags::default()).unwrap();
    assert_eq!(again, config);
    assert_eq!(again.model_config().unwrap(), model);
}

#[test]
fn settings_that_nothing_would_heed_are_refused() {
    let refused = |text: &str, wanted: &str| {
        let file = file(&format!("task = 'ss'\ndata = 'd'\n{text}"));
        let error = match RunConfig::resolve(Some(&file), &[], &Flags::default()).and_then(|config| config.objective())
        {
            Err(error @ Failure::Usage(_)) => error.to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert!(error.contains(wanted), "{text}: {error}");
    };
    refused("focal_gamma = 1.0", "loss focal");
    refused("loss = 'ce-dice'\nthreshold = 0.3\n[model]\nclasses = 3", "the likeliest");
    refused("label_rule = 'ignore:255:nonzero'\nignore_index = 254", "give one of them");
    refused("warmup_from = 0.1", "must not be above lr");
}

#[test]
fn none_takes_away_what_was_set() {
    let file = file("task = 'ss'\ndata = 'd'\nmax_minutes = 5.0\nlr = 0.5\n[model]\nd_state = 4\n");
    let set = ["max_minutes", "lr", "model.d_state"].map(|key| (key.into(), "none".into()));
    let config = RunConfig::resolve(Some(&file), &set, &Flags::default()).unwrap();
    assert_eq!((config.max_minutes, config.lr), (None, 1e-3));
    assert_eq!(config.model_config().unwrap().encoder.d_state, 16);
}

#[test]
fn only_what_is_a_setting_is_taken_away() {
    for key in ["max_minuts", "model.direction", "nothing"] {
        let message = usage(RunConfig::resolve(None, &[(key.into(), "none".into())], &flags("demo")));
        assert!(message.starts_with(&format!("--set {key}=none: unknown field")), "{message}");
    }
}

#[test]
fn a_preset_is_told_where_the_model_is_another() {
    let file = file("task = 'ss'\ndata = 'd'\npreset = 'micro'\n[model]\ndims = [24, 48, 96, 192]\n");
    let config = RunConfig::resolve(Some(&file), &[], &Flags::default()).unwrap();
    assert!(config.overridden_preset().unwrap().is_some_and(|told| told.contains("sizes of preset nano")));
    let set = [("preset".into(), "micro".into())];
    let config = RunConfig::resolve(Some(&file), &set, &Flags::default()).unwrap();
    assert_eq!(config.overridden_preset().unwrap(), None);
    assert_eq!(config.model_config().unwrap().encoder.dims, [16, 32, 64, 128]);
}

#[test]
fn a_preset_flag_drops_the_architecture_of_the_file() {
    let file = file("task = 'ss'\ndata = 'd'\npreset = 'tiny'\n[model]\nd_state = 4\n");
    let flags = Flags { preset: Some("tiny".into()), ..Flags::default() };
    let config = RunConfig::resolve(Some(&file), &[], &flags).unwrap();
    assert_eq!(config.model, ModelSection::default());
}

#[test]
fn section_keys_can_be_set() {
    let set = [("model.drop_path".into(), "0".into()), ("preset".into(), "tiny".into())];
    // An integer is not a float in TOML, but a user means the number.
    let config = RunConfig::resolve(None, &set, &flags(DEMO)).unwrap();
    assert_eq!(config.model.drop_path, Some(0.0));
    assert_eq!(config.preset, "tiny");
}

#[test]
fn mistakes_name_the_key() {
    let unknown = file("task = 'ss'\ndata = 'd'\nlearning_rate = 1.0\n");
    let message = usage(RunConfig::resolve(Some(&unknown), &[], &Flags::default()));
    assert!(message.contains("c.toml") && message.contains("learning_rate"), "{message}");
    let message = usage(RunConfig::resolve(None, &[("model.widths".into(), "3".into())], &flags(DEMO)));
    assert!(message.contains("widths"), "{message}");
    assert!(usage(RunConfig::resolve(None, &[], &Flags::default())).contains("--data"));
    assert!(usage(RunConfig::resolve(None, &[], &flags("d"))).contains("--task"));
    let none = Flags { epochs: Some(0), ..flags(DEMO) };
    assert!(usage(RunConfig::resolve(None, &[], &none)).contains("epochs"));
}

#[test]
fn numbers_beyond_all_use_name_the_key() {
    for (key, value) in [
        ("epochs", "1000000001"),
        ("batch", "9223372036854775807"),
        ("accumulate", "1000000001"),
        ("crop", "32769"),
        ("downsample", "40000"),
        ("workers", "257"),
    ] {
        let message = usage(RunConfig::resolve(None, &[(key.into(), value.into())], &flags(DEMO)));
        assert!(message.contains(key) && message.contains("at most"), "{message}");
    }
    let set = [("batch".into(), "1000000".into()), ("accumulate".into(), "1000000".into())];
    let message = usage(RunConfig::resolve(None, &set, &flags(DEMO)));
    assert!(message.contains("batch times accumulate"), "{message}");
    let seed = [("seed".into(), "9223372036854775808".into())];
    let message = usage(RunConfig::resolve(None, &seed, &flags(DEMO)));
    assert!(message.contains("seed"), "{message}");
    let largest = Flags { seed: Some(i64::MAX as u64), ..flags(DEMO) };
    assert_eq!(RunConfig::resolve(None, &[], &largest).unwrap().seed, i64::MAX as u64);
}

#[test]
fn training_in_f16_is_refused() {
    let half = Flags { precision: Some(Precision::F16), ..flags(DEMO) };
    assert!(usage(RunConfig::resolve(None, &[], &half)).contains("bf16"));
    let brain = [("precision".into(), "bf16".into())];
    assert_eq!(RunConfig::resolve(None, &brain, &flags(DEMO)).unwrap().precision, Precision::Bf16);
    let unknown = [("precision".into(), "f8".into())];
    assert!(usage(RunConfig::resolve(None, &unknown, &flags(DEMO))).contains("f8"));
}

#[test]
fn an_unknown_preset_lists_the_known_ones() {
    let flags = Flags { preset: Some("huge".into()), ..flags(DEMO) };
    let config = RunConfig::resolve(None, &[], &flags).unwrap();
    let message = config.model_config().unwrap_err().to_string();
    assert!(message.contains("huge") && message.contains("tiny"), "{message}");
}

#[test]
fn the_help_tells_the_defaults_there_are() {
    let recipe = Table::try_from(RunConfig::recipe(Task::Ss, "d")).unwrap();
    let command = <Flags as clap::Args>::augment_args(clap::Command::new("x"));
    let text = |value: &toml::Value| match value {
        toml::Value::String(text) => text.clone(),
        // As people write it: 1, not 1.0.
        toml::Value::Float(number) => number.to_string(),
        other => other.to_string(),
    };
    let mut told = 0;
    for flag in command.get_arguments() {
        let help = flag.get_help().unwrap().to_string();
        let Some((_, default)) = help.split_once("[default: ") else { continue };
        let default = default.split([']', ';']).next().unwrap();
        assert_eq!(default, text(&recipe[flag.get_id().as_str()]), "{}", flag.get_id());
        told += 1;
    }
    assert!(told > 10);
    // The sizes of the demo's model are told by its preset.
    let numbers = demo_settings().into_iter().filter(|(key, _)| !matches!(key.as_str(), "preset" | "model"));
    for (key, value) in numbers {
        let flag = command.get_arguments().find(|flag| flag.get_id() == key.as_str()).unwrap();
        let help = flag.get_help().unwrap().to_string();
        assert!(help.ends_with(&format!("; demo: {}]", text(&value))), "{key}: {help}");
    }
}
