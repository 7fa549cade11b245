//! Settings of a run that goes on: from another folder, and with others than it began with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use toml::Table;

use super::{DEMO, RunConfig};

/// A setting that a run goes on with in place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) key: String,
    pub(crate) then: String,
    pub(crate) now: String,
}

impl RunConfig {
    /// The same settings wherever the program is started: paths from the root on.
    ///
    /// # Errors
    ///
    /// When the working folder is gone.
    pub(crate) fn anywhere(&self) -> anyhow::Result<Self> {
        let absolute = |path: &Path| {
            std::path::absolute(path).with_context(|| format!("cannot find the folder that {} is in", path.display()))
        };
        let data = match &self.data[..] {
            DEMO => DEMO.into(),
            folder => absolute(Path::new(folder))?.to_string_lossy().into_owned(),
        };
        let init_from = self.init_from.as_deref().map(absolute).transpose()?;
        let decoded = self.decoded.as_deref().map(absolute).transpose()?;
        Ok(Self { data, init_from, decoded, ..self.clone() })
    }

    /// Settings that are not as they were.
    ///
    /// # Errors
    ///
    /// When a value has no TOML form.
    pub(crate) fn changes_since(&self, before: &Self) -> anyhow::Result<Vec<Change>> {
        let flat = |config: &Self| -> anyhow::Result<BTreeMap<String, String>> {
            let mut flat = BTreeMap::new();
            for (key, value) in Table::try_from(config).context("cannot represent the settings as TOML")? {
                match value {
                    toml::Value::Table(table) => {
                        flat.extend(
                            table.into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value.to_string())),
                        );
                    }
                    value => {
                        flat.insert(key, value.to_string());
                    }
                }
            }
            Ok(flat)
        };
        let (then, now) = (flat(before)?, flat(self)?);
        let keys: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let value = |of: &BTreeMap<String, String>, key| of.get(key).cloned().unwrap_or_else(|| "unset".into());
        let changes =
            keys.into_iter().map(|key| Change { key: key.clone(), then: value(&then, key), now: value(&now, key) });
        Ok(changes.filter(|change| change.then != change.now).collect())
    }
}
