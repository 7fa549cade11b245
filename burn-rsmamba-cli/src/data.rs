//! From what the user calls data to crops in memory.

use burn_rsmamba::Task;
use burn_rsmamba_datasets::{CropOptions, Crops, DatasetError, DatasetFolder, Dates, LabelRule, SceneSet, Split, demo};

use crate::config::DEMO;
use crate::progress::Progress;

/// The dates a task looks at.
pub(crate) fn dates(task: Task) -> Dates {
    match task {
        Task::Ss => Dates::One,
        Task::Cd => Dates::Two,
    }
}

/// The scenes of a split: generated ones for `demo`, else those of a folder.
pub(crate) fn scenes(data: &str, task: Task, split: Split, allow_unpaired: bool) -> Result<SceneSet, DatasetError> {
    if data == DEMO {
        Ok(demo::scenes(dates(task), split, &demo::DemoOptions::default()))
    } else {
        DatasetFolder::detect(data, dates(task)).allow_unpaired(allow_unpaired).open(split)
    }
}

/// A split in memory, cut into crops; what the reader ought to know goes to `progress`.
pub(crate) fn crops(
    data: &str,
    task: Task,
    split: Split,
    rule: &LabelRule,
    allow_unpaired: bool,
    options: CropOptions,
    progress: &Progress,
) -> Result<Crops, DatasetError> {
    let set = scenes(data, task, split, allow_unpaired)?.with_label_rule(rule);
    for warning in &set.warnings {
        progress.warn(warning.to_string());
    }
    let crops = Crops::new(&set, options)?;
    let skipped = match crops.skipped_blank() {
        0 => String::new(),
        count => format!(", {count} blank ones left out"),
    };
    progress.info(format!(
        "{split}: {} scenes ({}), {} crops of {} pixels{skipped}",
        crops.scenes().len(),
        set.layout,
        burn_dataset::Dataset::len(&crops),
        options.size,
    ));
    Ok(crops)
}
