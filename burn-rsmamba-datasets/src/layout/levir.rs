//! LEVIR-CD as published, `{split}/{A,B,label}` (WHU-CD is mostly shared in the same form), and the layout of the
//! official RS-Mamba code for change detection, `{split}/{t1,t2,label}`.

use super::template::Layout;

pub(super) const NATIVE: Layout = Layout {
    name: "LEVIR-CD",
    shape: "{split}/{A,B,label}",
    images: &["{split}/a", "{split}/b"],
    label: "{split}/label|labels|mask|masks",
};

pub(super) const OFFICIAL: Layout = Layout {
    name: "RS-Mamba change detection",
    shape: "{split}/{t1,t2,label}",
    images: &["{split}/t1", "{split}/t2"],
    label: "{split}/label|labels|mask|masks",
};
