//! `info`: what a weights file says of its model, and parameters and multiply-adds, stage by stage.

use burn_rsmamba::models::{Complexity, Task, complexity};
use burn_rsmamba::{ModelConfig, ModelMeta};
use serde::Serialize;

use crate::cli::InfoArgs;
use crate::config;
use crate::device;
use crate::error::{Failure, Outcome};
use crate::model_file;
use crate::output::{print_json, print_line};

/// What the JSON holds.
#[derive(Serialize)]
struct Info<'a> {
    /// What the weights file says, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a ModelMeta>,
    #[serde(flatten)]
    cost: &'a Complexity,
}

/// Prints a table, or JSON.
pub(super) fn run(args: &InfoArgs) -> Outcome {
    let meta = match &args.model {
        Some(path) => Some(model_file::load(path, &device::named(device::DEFAULT)?)?.1),
        None => None,
    };
    let config = match (&meta, args.task, &args.preset) {
        (Some(meta), ..) => meta.config.clone(),
        (None, Some(task), Some(name)) => config::preset(task, name)?,
        _ => return Err(Failure::usage("name a model: --task and --preset, or --model")),
    };
    let (height, width) = args.size;
    let found = complexity(&config, height, width);
    if args.json {
        print_json(&Info { model: meta.as_ref(), cost: &found })?;
    } else {
        if let Some(meta) = &meta {
            print_line(&described(meta))?;
        }
        print_line(&table(&found, config.task, args.size))?;
    }
    Ok(())
}

/// What a weights file says, in lines.
fn described(meta: &ModelMeta) -> String {
    let ModelConfig { task, classes, encoder } = &meta.config;
    let numbers = |values: &[f32]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(", ");
    let labels = meta.labels.as_ref().map_or_else(String::new, |rule| format!(", labels by {rule}"));
    [
        format!("task {task}, {} bands, {classes} classes; made by {}", encoder.bands, meta.provenance),
        format!(
            "dims {:?}, depths {:?}, {} states, {} directions",
            encoder.dims,
            encoder.depths,
            encoder.d_state,
            encoder.directions.count()
        ),
        format!("trained on crops of {} pixels, made smaller by {}{labels}", meta.crop, meta.downsample),
        format!("bands less {}, over {}", numbers(&meta.normalisation.mean), numbers(&meta.normalisation.std)),
        format!("threshold {}, {}", meta.threshold, meta.windows()),
        String::new(),
    ]
    .join("\n")
}

fn table(found: &Complexity, task: Task, (height, width): (usize, usize)) -> String {
    let sample = match task {
        Task::Ss => "one image",
        Task::Cd => "one pair of dates",
    };
    let line = |name: &str, parameters: u64, macs: u64, scan_flops: u64| {
        let (macs, scan_flops) = (format!("{:.3}", giga(macs)), format!("{:.3}", giga(scan_flops)));
        format!("{name:<16} {parameters:>12} {macs:>10} {scan_flops:>12}")
    };
    let mut lines = vec![
        format!("for {sample} of {height}x{width}"),
        format!("{:<16} {:>12} {:>10} {:>12}", "stage", "parameters", "GMAC", "scan GFLOP"),
    ];
    lines.extend(found.stages.iter().map(|stage| line(&stage.name, stage.parameters, stage.macs, stage.scan_flops)));
    lines.push(line("all", found.parameters, found.macs, found.scan_flops));
    lines.join("\n")
}

fn giga(count: u64) -> f64 {
    count as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_rsmamba::models::StageCost;

    #[test]
    fn the_table_ends_with_the_sum() {
        let stage =
            StageCost { name: "encoder 1".into(), parameters: 1234, macs: 2_000_000_000, scan_flops: 5_000_000 };
        let found = Complexity { parameters: 1234, macs: 2_000_000_000, scan_flops: 5_000_000, stages: vec![stage] };
        let text = table(&found, Task::Ss, (64, 96));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].ends_with("64x96"));
        assert!(lines[3].starts_with("all") && lines[3].contains("2.000") && lines[3].contains("0.005"));
    }
}
