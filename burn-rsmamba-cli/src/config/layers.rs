//! Tables of settings, and how one is laid over another.

use std::path::{Path, PathBuf};

use anyhow::Context;
use toml::Table;

use crate::error::Failure;

/// A settings file as it was read, before anything is laid over it.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    table: Table,
}

impl ConfigFile {
    /// Reads a TOML file.
    ///
    /// # Errors
    ///
    /// A run error when there is no such file, a usage error when it is not TOML.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read the config {}", path.display()))?;
        let table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| line_of(&text, span.start));
            Failure::usage(format!("{}: line {line}: {}", path.display(), error.message()))
        })?;
        Ok(Self { path: path.to_owned(), table })
    }

    /// Where it was read.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says.
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// A file that was never on disk.
    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self { path: "c.toml".into(), table: text.parse().unwrap() }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// Puts `top` over `base`, table by table.
pub(super) fn overlay(base: &mut Table, top: Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => overlay(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// What unsets a key: TOML has no such value.
pub(super) const NONE: &str = "none";

/// Sets `a.b` to a TOML value; what is not TOML is taken as text, and `none` takes away what was set.
pub(super) fn assign(table: &mut Table, key: &str, value: &str) -> Result<(), Failure> {
    let unset = value == NONE;
    let value = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let (table, key) = match key.split_once('.') {
        None => (table, key),
        Some((section, key)) => {
            let section = table.entry(section).or_insert_with(|| toml::Value::Table(Table::new()));
            let section =
                section.as_table_mut().ok_or_else(|| Failure::usage(format!("--set {key}: not a section")))?;
            (section, key)
        }
    };
    if unset {
        table.remove(key);
    } else {
        table.insert(key.to_owned(), value);
    }
    Ok(())
}
