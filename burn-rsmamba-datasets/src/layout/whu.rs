//! WHU Building, and the layout of the official RS-Mamba code for segmentation: `{split}/{image,label}` (the mirror on
//! Hugging Face spells them `Image` and `Mask`); WHU-CD as the whole scenes that are published, or cut into tiles.

use super::counts::Counts;
use super::levir;
use super::template::{Cut, Form, Layout};
use crate::{Dates, Split};

pub(super) const SEGMENTATION: Layout = Layout {
    name: "WHU Building",
    shape: "{split}/{image,label}",
    dates: Dates::One,
    images: &["{split}/image|images"],
    label: "{split}/label|labels|mask|masks",
    form: Form::Folders,
    // Its three splits are one short of the 8189 tiles that it is said to have.
    known: &[Counts { name: "WHU Building", scenes: [4736, 1036, 2416], slack: 1 }],
};

pub(super) const SEGMENTATION_LISTED: Layout = Layout {
    name: "image/label with lists",
    shape: "{image,label} + list/{split}.txt",
    images: &["image|images"],
    label: "label|labels|mask|masks",
    form: Form::Listed("list|lists|/{split}.txt"),
    known: &[],
    ..SEGMENTATION
};

/// WHU Building, whatever its form.
pub(super) const WHU_BUILDING: [&Layout; 2] =
    [&SEGMENTATION, &Layout { name: SEGMENTATION.name, known: SEGMENTATION.known, ..SEGMENTATION_LISTED }];

/// A place in the archive, from one of its outer folders or from inside them.
macro_rules! archive {
    ($place:literal) => {
        concat!(
            "building change detection dataset|building change detection dataset_add|/1. the two-period image data|/",
            $place
        )
    };
}

/// The second edition: a scene to train on and one to test on. Neither is for validation: the last tenth of the first is
/// kept for it.
pub(super) const SCENES: Layout = Layout {
    name: "WHU-CD scenes",
    shape: "{2012,2016}/whole_image/{train,test}/image + change_label/{train,test}",
    dates: Dates::Two,
    images: &[
        archive!("2012/whole_image/{split}/image/2012_{split}"),
        archive!("2016/whole_image/{split}/image/2016_{split}"),
    ],
    label: archive!("change_label|change label/{split}/change_label"),
    form: Form::Whole([
        Cut { files: Split::Train, columns: [0, 90] },
        Cut { files: Split::Train, columns: [90, 100] },
        Cut { files: Split::Test, columns: [0, 100] },
    ]),
    known: &[],
};

/// The first edition: one scene. Its right 30 % are for the test, and of the rest the last tenth for validation, so that
/// validation lies between the two.
pub(super) const ONE_SCENE: Layout = Layout {
    name: "WHU-CD scene",
    shape: "before/before.tif + after/after.tif + change label/change_label.tif",
    images: &[archive!("before/before"), archive!("after/after")],
    label: archive!("change label|change_label/change_label"),
    form: Form::Whole([
        Cut { files: Split::Train, columns: [0, 63] },
        Cut { files: Split::Train, columns: [63, 70] },
        Cut { files: Split::Train, columns: [70, 100] },
    ]),
    ..SCENES
};

/// WHU-CD, whatever its form. Of its tiles no split is canonical, so there are no counts to compare with.
pub(super) const WHU_CD: [&Layout; 6] = [
    &SCENES,
    &ONE_SCENE,
    &Layout { name: "WHU-CD", known: &[], ..levir::NATIVE },
    &Layout { name: "WHU-CD", ..levir::SPLIT_INSIDE },
    &Layout { name: "WHU-CD", ..levir::LISTED },
    &Layout { name: "WHU-CD", ..levir::OFFICIAL },
];
