//! Which predictions a page shows, and their bytes.

use std::io::Cursor;
use std::path::Path;

use anyhow::Context;
use image::ImageFormat;

use crate::html;
use crate::run_folder::RunFolder;
use crate::scores::ImageScores;

/// Pictures of each kind.
pub(crate) const COUNT: usize = 4;
/// Columns of a picture; wider ones are made smaller.
const WIDEST: u32 = 1200;

/// A prediction as it stands in the page.
pub(super) struct Picture<'a> {
    pub(super) scores: &'a ImageScores,
    /// A `data:` address.
    pub(super) source: String,
}

/// The pictures of a page.
pub(super) struct Pictures<'a> {
    /// Those with the largest share of wrong pixels, the worst first.
    pub(super) worst: Vec<Picture<'a>>,
    /// The first of the others.
    pub(super) samples: Vec<Picture<'a>>,
}

/// Chooses among the images that were drawn.
pub(super) fn choose<'a>(images: &'a [ImageScores], run: &RunFolder) -> anyhow::Result<Pictures<'a>> {
    let folder = run.predictions()?;
    let path = |scores: &ImageScores| folder.join(format!("{}.png", scores.image));
    let mut drawn: Vec<&ImageScores> = images.iter().filter(|scores| path(scores).is_file()).collect();
    drawn.sort_by(|one, other| other.counts.wrong().total_cmp(&one.counts.wrong()));
    // Of few images half are samples.
    let mut samples = drawn.split_off(COUNT.min(drawn.len().div_ceil(2)));
    samples.sort_by(|one, other| one.image.cmp(&other.image));
    let embed = |scores: &'a ImageScores| -> anyhow::Result<Picture<'a>> {
        Ok(Picture { scores, source: embedded(&path(scores))? })
    };
    Ok(Pictures {
        worst: drawn.into_iter().map(embed).collect::<Result<_, _>>()?,
        samples: samples.into_iter().take(COUNT).map(embed).collect::<Result<_, _>>()?,
    })
}

/// The picture itself, made smaller where it is wide.
fn embedded(path: &Path) -> anyhow::Result<String> {
    let read = || -> image::ImageResult<Vec<u8>> {
        let picture = image::open(path)?;
        let picture = if picture.width() > WIDEST { picture.thumbnail(WIDEST, u32::MAX) } else { picture };
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
        Ok(bytes)
    };
    let bytes = read().with_context(|| format!("cannot read {}", path.display()))?;
    Ok(html::data_address("png", &bytes))
}
