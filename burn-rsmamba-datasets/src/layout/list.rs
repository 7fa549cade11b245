//! List files: a line of text a scene.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::pair::Gathered;
use crate::{DatasetError, DatasetWarning, Dates, LabelRule, Names, Scene, SceneOrigin, Unpaired};

/// No list is larger.
const LARGEST_BYTES: u64 = 64 << 20;

/// A line that is neither empty nor a remark (`#`): its number, counted from 1, and its fields.
pub(super) struct Line {
    number: usize,
    pub(super) fields: Vec<String>,
}

/// Reads a list; fields are separated by tabs, else by commas, else by blanks.
pub(super) fn read(list: &Path) -> Result<Vec<Line>, DatasetError> {
    let io = |cause| DatasetError::Io { path: list.into(), cause };
    let mut bytes = Vec::new();
    File::open(list).map_err(io)?.take(LARGEST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(wrong(list, 1, "the list is larger than 64 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let sound = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        wrong(list, sound.split(|&byte| byte == b'\n').count(), "it is not UTF-8 text")
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<Line> = lines.map(|(number, line)| Line { number, fields: fields(line) }).collect();
    if lines.is_empty() { Err(wrong(list, 1, "it names no files")) } else { Ok(lines) }
}

fn fields(line: &str) -> Vec<String> {
    let separator = ['\t', ','].into_iter().find(|&separator| line.contains(separator));
    match separator {
        Some(separator) => line.split(separator).map(|field| field.trim().to_owned()).collect(),
        None => line.split_whitespace().map(str::to_owned).collect(),
    }
}

/// Whether a list may be one of scenes of this many dates: only one that is plainly of the other number is not.
pub(super) fn fits(list: &Path, dates: Dates) -> Result<bool, DatasetError> {
    let other = match dates {
        Dates::One => Dates::Two,
        Dates::Two => Dates::One,
    };
    Ok(read(list)?[0].fields.len() != other.count() + 1)
}

/// The scenes of a list of paths: the image of each date, then the label, relative to the list.
pub(super) fn scenes(list: &Path, dates: Dates, allow_unpaired: bool) -> Result<Gathered, DatasetError> {
    let folder = list.parent().unwrap_or(Path::new(""));
    let mut seen: BTreeMap<Vec<PathBuf>, usize> = BTreeMap::new();
    let mut names = BTreeSet::new();
    let (mut scenes, mut missing) = (Vec::new(), Vec::new());
    for Line { number, fields } in read(list)? {
        if fields.len() != dates.count() + 1 {
            return Err(wrong(list, number, &format!("it has {} fields", fields.len())));
        }
        if fields.iter().any(String::is_empty) {
            return Err(wrong(list, number, "it has an empty field"));
        }
        let mut paths: Vec<PathBuf> = fields.iter().map(|field| folder.join(field)).collect();
        if let Some(first) = seen.insert(paths.clone(), number) {
            return Err(wrong(list, number, &format!("it repeats line {first}")));
        }
        let absent = fields.into_iter().zip(&paths).filter(|(_, path)| !path.is_file()).map(|(field, _)| field);
        let absent: Vec<String> = absent.collect();
        if !absent.is_empty() {
            missing.extend(absent);
            continue;
        }
        let label = paths.pop();
        let name = unused(&names, &paths[0], number);
        names.insert(name.clone());
        let source = SceneOrigin::Files { images: paths, label, rule: LabelRule::Auto, region: None };
        scenes.push(Scene { name, source });
    }
    scenes.sort_by(|first, second| first.name.cmp(&second.name));
    let missing = match Names(missing) {
        names if names.0.is_empty() => Vec::new(),
        names => vec![Unpaired { place: list.into(), what: "file", names }],
    };
    if scenes.is_empty() || !(allow_unpaired || missing.is_empty()) {
        return Err(DatasetError::Unpaired(missing));
    }
    Ok(Gathered { scenes, warnings: missing.into_iter().map(DatasetWarning::Unpaired).collect() })
}

/// The name of a file without extension, or, where another scene has it, with its line.
fn unused(names: &BTreeSet<String>, path: &Path, number: usize) -> String {
    let mut name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    while names.contains(&name) {
        name = format!("{name}-{number}");
    }
    name
}

fn wrong(list: &Path, line: usize, reason: &str) -> DatasetError {
    DatasetError::List { path: list.into(), line, reason: reason.into() }
}
