//! What single values may be.

use std::str::FromStr;

use burn_rsmamba::inference::Blend;
use burn_rsmamba::{Directions, Task};
use burn_rsmamba_datasets::{Edge, LabelRule, Resampling, Split};
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Accepts `ss` and `cd`.
pub(crate) fn task_parser() -> impl TypedValueParser<Value = Task> {
    PossibleValuesParser::new(["ss", "cd"]).try_map(|name| name.parse::<Task>())
}

pub(super) fn split_parser() -> impl TypedValueParser<Value = Split> {
    PossibleValuesParser::new(["train", "val", "test"]).try_map(|name| name.parse::<Split>())
}

/// Accepts the sizes of the direction sets.
pub(super) fn directions_parser() -> impl TypedValueParser<Value = Directions> {
    PossibleValuesParser::new(["8", "4", "2", "1"]).try_map(|count| {
        count.parse().ok().and_then(Directions::from_count).ok_or_else(|| format!("no set of {count} directions"))
    })
}

/// The largest side of a crop, a window, a tile or an image that is counted for, in pixels.
pub(crate) const LARGEST_SIDE: usize = 1 << 15;
/// More threads than this decode nothing faster.
pub(crate) const MOST_WORKERS: usize = 256;
/// The largest number of things: more than anybody has, and products of two of them fit.
pub(crate) const MOST: usize = 1_000_000_000;
/// The largest seed of a run, since its config is a TOML file.
const LARGEST_SEED: u64 = i64::MAX as u64;

/// A side of a crop: at least one pixel.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("a zero-sized crop holds nothing; use 32 or more".into()),
        Ok(size) if size > LARGEST_SIDE => Err(too_large()),
        Ok(size) => Ok(size),
        Err(_) => Err("expected a number of pixels".into()),
    }
}

fn too_large() -> String {
    format!("expected at most {LARGEST_SIDE} pixels a side")
}

/// A side of a crop that the encoder's deepest map divides.
pub(super) fn parse_patches(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if size > LARGEST_SIDE => Err(too_large()),
        Ok(size) if size > 0 && size % 32 == 0 => Ok(size),
        _ => Err("expected a multiple of 32".into()),
    }
}

/// A number of things: at least one.
pub(crate) fn parse_count(text: &str) -> Result<usize, String> {
    let within = |count: &usize| (1..=MOST).contains(count);
    text.parse().ok().filter(within).ok_or_else(|| format!("expected a number from 1 to {MOST}"))
}

/// A number of things, or none.
pub(crate) fn parse_number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number <= MOST).ok_or_else(|| format!("expected a number up to {MOST}"))
}

/// A number of threads that decode.
pub(crate) fn parse_workers(text: &str) -> Result<usize, String> {
    let expected = || format!("expected a number of threads, at most {MOST_WORKERS}");
    text.parse().ok().filter(|&workers| workers <= MOST_WORKERS).ok_or_else(expected)
}

/// The seed of a run.
pub(crate) fn parse_seed(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|&seed| seed <= LARGEST_SEED)
        .ok_or_else(|| format!("expected a number up to {LARGEST_SEED}"))
}

/// A rule for labels, checked and left as text.
pub(crate) fn parse_label_rule(text: &str) -> Result<String, String> {
    text.parse::<LabelRule>().map(|rule| rule.to_string())
}

/// What happens at a border, by its name.
pub(super) fn parse_edge(text: &str) -> Result<Edge, String> {
    match text {
        "shift" => Ok(Edge::Shift),
        "pad" => Ok(Edge::Pad),
        "drop" => Ok(Edge::Drop),
        _ => Err("expected shift, pad or drop".into()),
    }
}

/// One number each for train, val and test.
pub(super) fn parse_three<T: FromStr>(text: &str) -> Result<[T; 3], String> {
    let numbers: Option<Vec<T>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| "expected three numbers, for train,val,test".into())
}

/// A way to blend, by its name.
pub(super) fn parse_blend(text: &str) -> Result<Blend, String> {
    let found = Blend::ALL.into_iter().find(|(_, name)| *name == text);
    found.map(|(blend, _)| blend).ok_or_else(|| "expected none, linear or cosine".into())
}

/// A way to resample, by its name.
pub(super) fn parse_resampling(text: &str) -> Result<Resampling, String> {
    [Resampling::Nearest, Resampling::Bilinear]
        .into_iter()
        .find(|how| how.to_string() == text)
        .ok_or_else(|| "expected nearest or bilinear".into())
}

/// An amount of memory in bytes: `800MB`, `1.5GB`.
pub(super) fn parse_memory(text: &str) -> Result<u64, String> {
    let amount = |unit: &str, bytes: f64| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * bytes);
    match amount("GB", 1e9).or_else(|| amount("MB", 1e6)) {
        Some(bytes) if bytes >= 1.0 => Ok(bytes as u64),
        _ => Err("expected an amount of memory, for instance 800MB or 1.5GB".into()),
    }
}

/// A probability strictly between 0 and 1.
pub(crate) fn parse_threshold<T: FromStr + Copy + Into<f64>>(text: &str) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(value) if value.into() > 0.0 && value.into() < 1.0 => Ok(value),
        _ => Err("expected a probability between 0 and 1".into()),
    }
}

pub(super) fn parse_image_size(text: &str) -> Result<(usize, usize), String> {
    let sides: Option<(usize, usize)> =
        text.split_once(['x', 'X']).and_then(|(height, width)| Some((height.parse().ok()?, width.parse().ok()?)));
    match sides {
        Some((height, width)) if height < 32 || width < 32 => Err("images start at 32x32".into()),
        Some((height, width)) if height.max(width) > LARGEST_SIDE => Err(too_large()),
        Some(size) => Ok(size),
        None => Err("expected height x width, e.g. 256x256".into()),
    }
}

pub(super) fn parse_assignment(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| "expected KEY=VALUE".into())
}
