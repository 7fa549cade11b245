//! Massachusetts Roads and Buildings: as published, `tiff/{split}` (`.tiff`) beside `tiff/{split}_labels` (`.tif`), from
//! above or from inside `tiff`, and as often repacked, `{split}/{sat,map}`.

use super::counts::Counts;
use super::template::{Form, Layout};
use super::whu;
use crate::Dates;

const ROADS: Counts = Counts { name: "Massachusetts Roads", scenes: [1108, 14, 49], slack: 0 };
const BUILDINGS: Counts = Counts { name: "Massachusetts Buildings", scenes: [137, 4, 10], slack: 0 };

pub(super) const SAT_MAP: Layout = Layout {
    name: "Massachusetts sat/map",
    shape: "{split}/{sat,map}",
    dates: Dates::One,
    images: &["{split}/sat"],
    label: "{split}/map",
    form: Form::Folders,
    known: &[ROADS, BUILDINGS],
};

pub(super) const NATIVE: Layout = Layout {
    name: "Massachusetts",
    shape: "tiff/{split} + tiff/{split}_labels",
    images: &["tiff/{split}"],
    label: "tiff/{split}_labels",
    ..SAT_MAP
};

pub(super) const NATIVE_INSIDE: Layout =
    Layout { shape: "{split} + {split}_labels", images: &["{split}"], label: "{split}_labels", ..NATIVE };

/// Massachusetts Roads, whatever its form.
pub(super) const MASSACHUSETTS_ROADS: [&Layout; 4] = [
    &Layout { known: &[ROADS], ..SAT_MAP },
    &Layout { known: &[ROADS], ..NATIVE },
    &Layout { known: &[ROADS], ..NATIVE_INSIDE },
    &Layout { name: NATIVE.name, known: &[ROADS], ..whu::SEGMENTATION },
];
