//! Scores of single images.

use std::path::Path;

use anyhow::Context;
use burn_rsmamba::metrics::Confusion;
use serde::{Deserialize, Serialize};

use super::{Scores, Scoring};
use crate::aside::write_with;

/// The mask of one image against its label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImageScores {
    /// The name of the scene.
    pub(crate) image: String,
    /// The pixels that count, by kind.
    #[serde(flatten)]
    pub(crate) counts: Confusion,
}

/// Writes a table: an image a line, with its scores, its counts, and how they came about.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_csv(path: &Path, images: &[ImageScores], scoring: &Scoring) -> anyhow::Result<()> {
    let write = |path: &Path| -> csv::Result<()> {
        let mut table = csv::Writer::from_path(path)?;
        table.write_record([
            "image",
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
        ])?;
        for ImageScores { image, counts } in images {
            let Scores { precision, recall, f1, iou, accuracy, kappa } = counts.into();
            let Scoring { threshold, crop, overlap, .. } = scoring;
            table.serialize((
                (image, precision, recall, f1, iou, accuracy, kappa),
                (counts.tp, counts.fp, counts.fn_, counts.tn),
                (threshold, crop, overlap),
            ))?;
        }
        Ok(table.flush()?)
    };
    write_with(path, |aside| write(aside).with_context(|| format!("cannot write {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_rsmamba::Precision;

    #[test]
    fn an_image_is_a_line_and_its_name_stays_whole() {
        let path = std::env::temp_dir().join(format!("burn-rsmamba-cli-images-{}.csv", std::process::id()));
        let counts = Confusion { tp: 3, fp: 1, fn_: 1, tn: 3 };
        let images = [ImageScores { image: "a, \"b\"".into(), counts }];
        let scoring = Scoring { threshold: Some(0.5), crop: None, overlap: 0, images: 1, arithmetic: Precision::F32 };
        write_csv(&path, &images, &scoring).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].split(',').count(), 14);
        assert_eq!(lines[1..], ["\"a, \"\"b\"\"\",0.75,0.75,0.75,0.6,0.75,0.5,3,1,1,3,0.5,,0"]);
    }
}
