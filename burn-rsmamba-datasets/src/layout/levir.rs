//! Change detection in tiles: LEVIR-CD as published, `{split}/{A,B,label}`, the forms that other code brings it and WHU-CD
//! into, and the layout of the official RS-Mamba code, `{split}/{t1,t2,label}`.

use super::counts::Counts;
use super::template::{Form, Layout};
use crate::Dates;

/// As published, and cut into tiles of 256 pixels without overlap.
const COUNTS: &[Counts] = &[
    Counts { name: "LEVIR-CD", scenes: [445, 64, 128], slack: 0 },
    Counts { name: "LEVIR-CD in tiles of 256 pixels", scenes: [7120, 1024, 2048], slack: 0 },
];

pub(super) const NATIVE: Layout = Layout {
    name: "LEVIR-CD",
    shape: "{split}/{A,B,label}",
    dates: Dates::Two,
    images: &["{split}/a", "{split}/b"],
    label: "{split}/label|labels|mask|masks",
    form: Form::Folders,
    known: COUNTS,
};

pub(super) const SPLIT_INSIDE: Layout = Layout {
    name: "A/B/label with splits inside",
    shape: "{A,B,label}/{split}",
    images: &["a/{split}", "b/{split}"],
    label: "label|labels|mask|masks/{split}",
    known: &[],
    ..NATIVE
};

pub(super) const LISTED: Layout = Layout {
    name: "A/B/label with lists",
    shape: "{A,B,label} + list/{split}.txt",
    images: &["a", "b"],
    label: "label|labels|mask|masks",
    form: Form::Listed("list|lists|/{split}.txt"),
    known: &[],
    ..NATIVE
};

pub(super) const OFFICIAL: Layout = Layout {
    name: "RS-Mamba change detection",
    shape: "{split}/{t1,t2,label}",
    images: &["{split}/t1", "{split}/t2"],
    known: &[],
    ..NATIVE
};

/// LEVIR-CD, whatever its form.
pub(super) const LEVIR_CD: [&Layout; 4] = [
    &NATIVE,
    &Layout { name: NATIVE.name, known: COUNTS, ..SPLIT_INSIDE },
    &Layout { name: NATIVE.name, known: COUNTS, ..LISTED },
    &Layout { name: NATIVE.name, known: COUNTS, ..OFFICIAL },
];
