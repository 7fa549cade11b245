//! Scores of single images.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{Counts, Scores, Scoring};
use crate::aside::write_with;

/// The mask of one image against its label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImageScores {
    /// The name of the scene.
    pub(crate) image: String,
    /// The pixels that count, by kind.
    #[serde(flatten)]
    pub(crate) counts: Counts,
}

/// Writes a table: an image a line, or each of its several classes, with its scores, its counts, and how they came about.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_csv(path: &Path, images: &[ImageScores], scoring: &Scoring) -> anyhow::Result<()> {
    let write = |path: &Path| -> csv::Result<()> {
        let mut table = csv::Writer::from_path(path)?;
        table.write_record([
            "image",
            "class",
            "precision",
            "recall",
            "f1",
            "iou",
            "accuracy",
            "kappa",
            "tp",
            "fp",
            "fn",
            "tn",
            "threshold",
            "crop",
            "overlap",
            "blend",
            "tta",
            "min_area",
            "fill_holes",
            "downsample",
            "skip_blank",
        ])?;
        for ImageScores { image, counts } in images {
            // Of a mask, what is target.
            let first = usize::from(matches!(counts, Counts::Mask(_)));
            for (class, counts) in counts.classes().iter().enumerate().skip(first) {
                let Scores { precision, recall, f1, iou, accuracy, kappa } = counts.into();
                let Scoring { threshold, crop, overlap, blend, tta, .. } = scoring;
                let Scoring { min_area, fill_holes, downsample, skip_blank, .. } = scoring;
                table.serialize((
                    (image, class, precision, recall, f1, iou, accuracy, kappa),
                    (counts.tp, counts.fp, counts.fn_, counts.tn),
                    (threshold, crop, overlap, blend, tta),
                    (min_area, fill_holes, downsample, skip_blank),
                ))?;
            }
        }
        Ok(table.flush()?)
    };
    write_with(path, |aside| write(aside).with_context(|| format!("cannot write {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::SCORING;
    use burn_rsmamba::metrics::Confusion;

    #[test]
    fn an_image_is_a_line_and_its_name_stays_whole() {
        let counts = Counts::Mask(Confusion { tp: 3, fp: 1, fn_: 1, tn: 3 });
        let lines = table("mask", ImageScores { image: "a, \"b\"".into(), counts });
        assert_eq!(lines[0].split(',').count(), 21);
        assert_eq!(
            lines[1..],
            ["\"a, \"\"b\"\"\",1,0.75,0.75,0.75,0.6,0.75,0.5,3,1,1,3,0.5,,8,cosine,false,,false,1,true"]
        );
    }

    #[test]
    fn of_several_classes_each_is_a_line() {
        let mut counts = Counts::new(3);
        counts.count([(0, 0), (1, 0), (2, 2), (2, 2)].into_iter());
        let lines = table("classes", ImageScores { image: "a".into(), counts });
        assert_eq!(lines.len(), 4);
        assert!(lines[3].starts_with("a,2,1.0,1.0,1.0,1.0,1.0,1.0,2,0,0,2,"), "{}", lines[3]);
    }

    fn table(name: &str, image: ImageScores) -> Vec<String> {
        let path = std::env::temp_dir().join(format!("burn-rsmamba-cli-images-{name}-{}.csv", std::process::id()));
        let scoring = Scoring { threshold: Some(0.5), crop: None, ..SCORING };
        write_csv(&path, &[image], &scoring).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}
