//! WHU Building, and the layout of the official RS-Mamba code for segmentation: `{split}/{image,label}`.
//!
//! The mirror of WHU Building on Hugging Face spells them `Image` and `Mask`.

use super::template::Layout;

pub(super) const SEGMENTATION: Layout = Layout {
    name: "WHU Building",
    shape: "{split}/{image,label}",
    images: &["{split}/image|images"],
    label: "{split}/label|labels|mask|masks",
};
