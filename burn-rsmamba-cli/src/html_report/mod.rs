//! A run as one page that opens anywhere: curves, scores, pictures and settings in one file, read back from the run folder.
//!
//! `curves` draws the metrics, `pictures` chooses and embeds the predictions, `page` lays everything out. `maud` escapes all
//! text on its way in.

mod curves;
mod page;
mod pictures;

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value};

use crate::aside::write_atomically;
use crate::run_folder::RunFolder;
use crate::scores::ImageScores;

pub(crate) use pictures::COUNT as PICTURES;

/// What a run folder tells.
struct Run {
    /// The name of the folder.
    name: String,
    /// The settings, as TOML.
    config: String,
    /// One object an epoch.
    epochs: Vec<Map<String, Value>>,
    /// The scores of the best weights, once the training is over.
    scores: Option<Map<String, Value>>,
    /// Those of every image.
    images: Vec<ImageScores>,
}

/// Writes `report.html` and `curves.svg` of a run; gives the page's path.
///
/// # Errors
///
/// When a file of the run cannot be read, or the page not be written.
pub(crate) fn write(run: &RunFolder) -> anyhow::Result<PathBuf> {
    let read = Run::read(run)?;
    let curves = curves::draw(&read.epochs);
    write_atomically(&run.curves(), curves.0.as_bytes())?;
    let pictures = pictures::choose(&read.images, run)?;
    let path = run.html_report();
    write_atomically(&path, page::lay_out(&read, &curves, &pictures).into_string().as_bytes())?;
    Ok(path)
}

impl Run {
    fn read(run: &RunFolder) -> anyhow::Result<Self> {
        let root = run.root();
        let name = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let name = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned();
        let metrics = run.metrics();
        let epochs = if metrics.is_file() { lines(&metrics)? } else { Vec::new() };
        let mut scores = if run.scores().is_file() { lines(&run.scores())?.pop() } else { None };
        let images = match scores.as_mut().and_then(|scores| scores.remove("images_scored")) {
            Some(images) => serde_json::from_value(images).with_context(|| run.scores().display().to_string())?,
            None => Vec::new(),
        };
        Ok(Self { name, config: text(&RunFolder::config_of(root))?, epochs, scores, images })
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The objects of a file of JSON lines; a last line that was cut off, as by a full disk, is left out.
fn lines(path: &Path) -> anyhow::Result<Vec<Map<String, Value>>> {
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{}: line {}", path.display(), number + 1))
    };
    let text = text(path)?;
    let whole = if text.ends_with('\n') { &text[..] } else { &text[..text.rfind('\n').map_or(0, |end| end + 1)] };
    whole.lines().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::Counts;
    use burn_rsmamba::metrics::Confusion;

    #[test]
    fn a_page_holds_everything_and_escapes_it() {
        let root = std::env::temp_dir().join(format!("burn-rsmamba-cli-report-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let run = RunFolder::make(&root).unwrap();
        run.write_config("data = '<script>alert(1)</script>'").unwrap();
        for epoch in 1..=3 {
            run.append_metrics(&serde_json::json!({"epoch": epoch, "train_loss": 1.0 / f64::from(epoch), "lr": 1e-3,
                "valid_loss": null}))
                .unwrap();
        }
        let early = std::fs::read_to_string(write(&run).unwrap()).unwrap();
        assert!(early.contains("not scored yet"), "{early}");

        let folder = run.predictions().unwrap();
        let name = "<b>&\"";
        image::RgbImage::new(3000, 10).save(folder.join(format!("{name}.png"))).unwrap();
        let counts = Counts::Mask(Confusion { tp: 5, fp: 1, fn_: 2, tn: 9 });
        let image = ImageScores { image: name.into(), counts };
        run.write_scores(&serde_json::json!({"f1": 0.75, "split": "test", "images_scored": [image]})).unwrap();
        let page = std::fs::read_to_string(write(&run).unwrap()).unwrap();
        assert!(page.contains("data:image/png;base64,"), "no picture");
        assert!(page.contains("0.75") && page.contains("<polyline"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<b>&\""), "not escaped: {page}");
        assert!(!page.contains("src=\"http") && !page.contains("href="), "it needs something from elsewhere");
        let svg = std::fs::read_to_string(run.curves()).unwrap();
        assert!(svg.starts_with("<svg xmlns="), "{svg}");

        std::fs::write(run.metrics(), "{\"epoch\": 1, \"train_loss\": 1.0, \"lr\": 1e-3, \"valid_loss\": null}\n{\"ep")
            .unwrap();
        write(&run).unwrap();
        std::fs::write(run.metrics(), "{}\nhuh\n").unwrap();
        let error = format!("{:#}", write(&run).unwrap_err());
        assert!(error.contains("metrics.jsonl: line 2"), "{error}");
        std::fs::remove_dir_all(&root).unwrap();
    }
}
