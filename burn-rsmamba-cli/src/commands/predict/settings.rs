//! What the maps of a run over several places are made with: kept beside them until all are there, so that `--resume` never adds maps
//! that were made in another way.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::aside::write_atomically;
use crate::cli::PredictArgs;
use crate::error::Failure;
use crate::mapping::Mapper;
use crate::model_file;

/// Hidden, like all that is not an output.
const NAME: &str = ".burn-rsmamba-predict.json";

/// Settings by name.
#[derive(Debug, PartialEq)]
pub(super) struct Settings(BTreeMap<String, String>);

impl Settings {
    pub(super) fn of(args: &PredictArgs, mapper: &Mapper<'_>) -> Result<Self, Failure> {
        let model = model_file::find(&args.model)?;
        let bytes = fs::read(&model).with_context(|| format!("cannot read {}", model.display()))?;
        let none = || "none".to_owned();
        let settings = [
            ("program", env!("CARGO_PKG_VERSION").to_owned()),
            ("model", format!("{} ({:08x})", model.display(), crc32fast::hash(&bytes))),
            ("windows", mapper.windows.to_string()),
            ("--tta", mapper.augmented.to_string()),
            ("threshold", mapper.threshold.to_string()),
            ("--min-area", args.objects.min_area.map_or_else(none, |area| format!("{area:?}"))),
            ("--fill-holes", args.objects.fill_holes.to_string()),
            ("--align", args.align.map_or_else(none, |how| how.to_string())),
            ("--device", args.device.clone()),
            ("--precision", args.precision.to_string()),
        ];
        Ok(Self(settings.map(|(name, value)| (name.to_owned(), value)).into()))
    }

    /// Refuses to go on where the maps that are there were made with others.
    pub(super) fn check(&self, out: &Path) -> Result<(), Failure> {
        let path = path(out);
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let then: BTreeMap<String, String> = serde_json::from_str(&text).unwrap_or_default();
        let unknown = "unknown".to_owned();
        let differ = self.0.iter().filter_map(|(name, now)| {
            let then = then.get(name).unwrap_or(&unknown);
            (then != now).then(|| format!("{name} {then}, now {now}"))
        });
        let differ: Vec<String> = differ.collect();
        if differ.is_empty() {
            return Ok(());
        }
        Err(Failure::run(format!(
            "the maps in {} were begun with {}; ask for what they were begun with, begin anew with --force, or name another --out",
            out.display(),
            differ.join("; ")
        )))
    }

    pub(super) fn write(&self, out: &Path) -> anyhow::Result<()> {
        write_atomically(&path(out), serde_json::to_string(&self.0)?.as_bytes())
    }

    /// All maps are there.
    pub(super) fn remove(out: &Path) {
        // There may be none.
        let _ = fs::remove_file(path(out));
    }
}

fn path(out: &Path) -> PathBuf {
    out.join(NAME)
}
