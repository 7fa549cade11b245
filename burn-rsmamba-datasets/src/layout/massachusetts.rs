//! Massachusetts Roads and Buildings: as published, `tiff/{split}` (`.tiff`) beside `tiff/{split}_labels` (`.tif`), from
//! above or from inside `tiff`, and as often repacked, `{split}/{sat,map}`.

use super::template::Layout;

pub(super) const SAT_MAP: Layout = Layout {
    name: "Massachusetts sat/map",
    shape: "{split}/{sat,map}",
    images: &["{split}/sat"],
    label: "{split}/map",
};

pub(super) const NATIVE: Layout = Layout {
    name: "Massachusetts",
    shape: "tiff/{split} + tiff/{split}_labels",
    images: &["tiff/{split}"],
    label: "tiff/{split}_labels",
};

pub(super) const NATIVE_INSIDE: Layout =
    Layout { name: "Massachusetts", shape: "{split} + {split}_labels", images: &["{split}"], label: "{split}_labels" };
