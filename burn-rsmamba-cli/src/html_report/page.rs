//! The page itself.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::Run;
use super::pictures::{Picture, Pictures};
use crate::scores::{ImageScores, Scores};

const STYLE: &str = "
:root { color-scheme: light dark }
body { font: 15px/1.5 sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .2rem .8rem; border-bottom: 1px solid #8884; text-align: right }
th:first-child, td:first-child { text-align: left }
svg { max-width: 60rem; width: 100% }
figure { margin: 1.5rem 0 }
img { max-width: 100%; image-rendering: pixelated }
pre { overflow-x: auto; background: #8881; padding: 1rem }
";

/// Keys of scores and metrics in the order of their rows or columns.
const FIRST: [&str; 16] = [
    "epoch",
    "split",
    "f1",
    "iou",
    "precision",
    "recall",
    "accuracy",
    "kappa",
    "threshold",
    "crop",
    "overlap",
    "images",
    "tp",
    "fp",
    "fn",
    "tn",
];

/// The whole page.
pub(super) fn lay_out(run: &Run, curves: &Markup, pictures: &Pictures<'_>) -> Markup {
    let body = html! {
        h2 { "Scores" }
        @match &run.scores {
            Some(scores) => (summary(scores)),
            None => p { "The run is not scored yet." },
        }
        h2 { "Curves" }
        (curves)
        (gallery("Worst cases", "most wrong pixels first", &pictures.worst))
        (gallery("More predictions", "by name", &pictures.samples))
        @if !run.images.is_empty() {
            details { summary { "Every image" } (images(&run.images)) }
        }
        details { summary { "Every epoch" } (epochs(&run.epochs)) }
        details { summary { "Settings" } pre { (run.config) } }
    };
    crate::html::page(&run.name, STYLE, &body)
}

/// Everything `train` printed at its end; lists and sections become tables of their own.
fn summary(scores: &Map<String, Value>) -> Markup {
    let nested = |value: &Value| value.is_object() || value.is_array();
    html! {
        table {
            @for (key, value) in in_order(scores).into_iter().filter(|(_, value)| !nested(value)) {
                tr { th { (key) } td { (written(value)) } }
            }
        }
        @for (key, value) in scores.iter().filter(|(_, value)| nested(value)) {
            h3 { (key) }
            (rows(value))
        }
    }
}

/// A section or a list, an entry a row.
fn rows(value: &Value) -> Markup {
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(entries) => entries.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let cells = |value: &Value| -> Vec<(String, String)> {
        match value {
            Value::Object(cells) => cells.iter().map(|(key, value)| (key.clone(), written(value))).collect(),
            Value::Array(cells) => cells.iter().enumerate().map(|(index, v)| (index.to_string(), written(v))).collect(),
            value => vec![("value".into(), written(value))],
        }
    };
    html! {
        table {
            @if let Some((_, first)) = entries.first() {
                tr { th {} @for (key, _) in cells(first) { th { (key) } } }
            }
            @for (name, entry) in &entries {
                tr { th { (name) } @for (_, cell) in cells(entry) { td { (cell) } } }
            }
        }
    }
}

fn gallery(title: &str, order: &str, pictures: &[Picture<'_>]) -> Markup {
    html! {
        @if !pictures.is_empty() {
            h2 { (title) }
            p { "Image (of each date), label and prediction; " (order) ". In the prediction white is rightly marked, red \
                 wrongly, blue is missed, orange is of another class, grey does not count." }
            @for Picture { scores, source } in pictures {
                @let Scores { f1, iou, .. } = scores.counts.scores();
                figure {
                    img src=(source) alt={ "prediction of " (scores.image) };
                    figcaption { (scores.image) ": F1 " (rounded(f1)) ", IoU " (rounded(iou)) }
                }
            }
        }
    }
}

fn images(images: &[ImageScores]) -> Markup {
    html! {
        table {
            tr { @for key in ["image", "precision", "recall", "F1", "IoU", "accuracy", "kappa", "pixels"] { th { (key) } } }
            @for ImageScores { image, counts } in images {
                @let Scores { precision, recall, f1, iou, accuracy, kappa } = counts.scores();
                tr {
                    td { (image) }
                    @for score in [precision, recall, f1, iou, accuracy, kappa] { td { (rounded(score)) } }
                    td { (counts.total()) }
                }
            }
        }
    }
}

fn epochs(epochs: &[Map<String, Value>]) -> Markup {
    // A row that was not validated has fewer keys.
    let most = epochs.iter().max_by_key(|row| row.len());
    let keys: Vec<&String> = most.into_iter().flat_map(in_order).map(|(key, _)| key).collect();
    html! {
        table {
            tr { @for key in &keys { th { (key) } } }
            @for row in epochs {
                tr { @for key in &keys { td { (row.get(*key).map(written).unwrap_or_default()) } } }
            }
        }
    }
}

/// Entries as people look for them; those that are not listed come last.
fn in_order(entries: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(key, _)| FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len()));
    entries
}

fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => rounded(number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}

/// Four digits, also of small numbers.
fn rounded(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 { format!("{value:.3e}") } else { format!("{value:.4}") }
}
