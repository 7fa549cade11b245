//! What goes to stdout or into a file for programs: JSON, one object a line. Tables for people are lines too.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::aside::write_with;

/// Prints one JSON line on stdout.
///
/// # Errors
///
/// When stdout cannot be written.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Prints one line on stdout.
///
/// # Errors
///
/// When stdout cannot be written.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

/// Writes one JSON line to a file.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    write_with(path, |aside| std::fs::write(aside, text).with_context(|| format!("cannot write {}", path.display())))
}
