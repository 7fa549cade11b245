//! From what the user calls data to crops.

use burn_rsmamba::Task;
use burn_rsmamba_datasets::{
    CropOptions, Crops, DatasetError, DatasetFolder, Dates, LabelRule, SceneSet, Split, Storage, demo,
};

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

/// The scenes that are trained on or scored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// A dataset folder, or `demo`.
    pub(crate) data: &'a str,
    /// What is looked for.
    pub(crate) task: Task,
    /// What the pixels of a label mean.
    pub(crate) rule: &'a LabelRule,
    /// Whether files without partners are left out in place of refused.
    pub(crate) allow_unpaired: bool,
}

impl Source<'_> {
    /// A split cut into crops; what the reader ought to know goes to `progress`.
    pub(crate) fn crops(
        &self,
        split: Split,
        options: CropOptions,
        storage: Storage,
        progress: &Progress,
    ) -> Result<Crops, DatasetError> {
        let set = scenes(self.data, self.task, split, self.allow_unpaired)?.with_label_rule(self.rule);
        for warning in &set.warnings {
            progress.warn(warning.to_string());
        }
        let crops = Crops::with_storage(&set, options, storage)?;
        let skipped = match crops.skipped_blank() {
            0 => String::new(),
            count => format!(", {count} blank ones left out"),
        };
        progress.info(format!(
            "{split}: {} scenes ({}), {} crops of {} pixels{skipped}",
            crops.scene_count(),
            set.layout,
            burn_dataset::Dataset::len(&crops),
            options.size,
        ));
        Ok(crops)
    }
}
