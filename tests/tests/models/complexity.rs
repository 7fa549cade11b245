use burn_rsmamba::{ModelConfig, Task, complexity};
use burn_rsmamba_tests::{device, trainable};

#[test]
fn counted_parameters_are_those_of_a_model_that_was_made() {
    for task in [Task::Ss, Task::Cd] {
        for preset in ["small", "nano", "micro"] {
            let mut config = ModelConfig::preset(task, preset).expect("a preset");
            for (bands, classes) in [(3, 1), (5, 4)] {
                config.encoder.bands = bands;
                config.classes = classes;
                let made = trainable(&config.init(&device()));
                assert_eq!(complexity(&config, 64, 64).parameters, made, "{task} {preset}");
            }
        }
    }
}

#[test]
fn cost_of_the_papers_segmentation_model() {
    // From a closed form over the layers of the official code, the scan as its `flops_selective_scan_fn` counts it (9 operations
    // a pixel, channel and state, in every direction): 11.5 GMAC and 4.98 GFLOP of scan at 256x256.
    let cost = complexity(&ModelConfig::preset(Task::Ss, "tiny").expect("a preset"), 256, 256);
    assert!((cost.macs as f64 / 1e9 - 11.5).abs() < 0.1, "{} MAC", cost.macs);
    assert!((cost.scan_flops as f64 / 1e9 - 4.98).abs() < 0.01, "{} FLOP", cost.scan_flops);
    let sum: u64 = cost.stages.iter().map(|stage| stage.macs).sum();
    assert_eq!(sum, cost.macs);
}

#[test]
fn cost_grows_with_the_pixels_and_counts_the_padding() {
    let config = ModelConfig::preset(Task::Cd, "nano").expect("a preset");
    let at = |height, width| complexity(&config, height, width);
    assert_eq!(at(128, 128).macs * 4, at(256, 256).macs);
    assert_eq!(at(97, 128), at(128, 128));
}
