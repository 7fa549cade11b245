//! `data tile`: cuts scenes into tiles.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn_dataset::Dataset;
use burn_rsmamba_datasets::{
    CropOptions, Crops, GeoTags, Pixels, Raster, RasterFile, Scene, SceneOrigin, Storage, Tile,
};
use image::{ExtendedColorType, ImageFormat};
use rayon::prelude::*;

use super::place::{Placed, check_text, place, place_text};
use super::source::{Part, image_folders, parts};
use crate::cli::TileArgs;
use crate::error::{Failure, Outcome};
use crate::progress::Progress;

/// What says in the output folder how its tiles were cut.
const SETTINGS: &str = "tiles.toml";

/// Writes the tiles, or says how many there are.
pub(super) fn run(args: &TileArgs, progress: &mut Progress) -> Outcome {
    let stride = args.stride.unwrap_or(args.size);
    if stride > args.size {
        return Err(Failure::usage(format!(
            "--stride {stride} is larger than --size {}: pixels between the tiles would be lost",
            args.size
        )));
    }
    let options = CropOptions {
        size: args.size,
        overlap: args.size - stride,
        edge: args.edge,
        skip_blank: !args.keep_blank,
        ..CropOptions::default()
    };
    let (settings, path) = (settings(args, stride), args.write.out.join(SETTINGS));
    let mend = "give the same --size, --stride, --edge and source, or choose another --out";
    check_text(&path, &settings, mend)?;
    let mut placed = Placed { applied: args.write.apply, written: 0, present: 0, parts: BTreeMap::new() };
    if args.write.apply {
        place_text(&path, &settings, mend)?;
    }
    // Classes and pixels that count nowhere stay as they are; what is target or not is written as people look at it.
    let rule = args.write.source.label.rule();
    let mark = if rule.classes() > 2 || rule.ignores() { 1 } else { u8::MAX };
    for part in parts(&args.write.source, progress)? {
        let crops = Crops::with_storage(&part.set, options, Storage::default())?;
        let tags = part.set.scenes.iter().map(|scene| tags(scene, progress)).collect::<Result<Vec<_>, _>>()?;
        placed.parts.insert(part.name(), crops.len());
        progress.start(part.name(), crops.len());
        let counts = (0..crops.len()).into_par_iter().map(|index| {
            let (scene, _) = crops.counted(index);
            let files = files(&part, &crops, index, &args.write.out, &tags[scene]);
            let missing: Vec<usize> = (0..files.len()).filter(|&file| !files[file].exists()).collect();
            if args.write.apply && !missing.is_empty() {
                let tile = crops.tile(index)?;
                missing.iter().try_for_each(|&file| write(&files[file], file, &tile, &tags[scene], mark))?;
            }
            progress.advance("");
            Ok((missing.len(), files.len() - missing.len()))
        });
        let counts = counts.collect::<anyhow::Result<Vec<_>>>()?;
        progress.finish();
        for (written, present) in counts {
            placed.written += written;
            placed.present += present;
        }
    }
    placed.print(&args.write.out, progress)
}

/// What a second run has to have in common with the first.
fn settings(args: &TileArgs, stride: usize) -> String {
    let source = &args.write.source;
    let paths =
        [source.data.clone().map(PathBuf::from), source.images.clone(), source.images2.clone(), source.labels.clone()];
    let paths: Vec<String> = paths.into_iter().flatten().map(|path| path.display().to_string()).collect();
    format!(
        "# How `burn-rsmamba-cli data tile` cut these tiles.\nsource = {paths:?}\nlabel_rule = \"{}\"\nsize = {}\nstride = \
         {stride}\nedge = \"{:?}\"\nkeep_blank = {}\n",
        source.label.rule(),
        args.size,
        args.edge,
        args.keep_blank
    )
}

/// What the files of a scene say of their pixels, a date each.
fn tags(scene: &Scene, progress: &Progress) -> Result<Vec<GeoTags>, Failure> {
    let SceneOrigin::Files { images, region, .. } = &scene.source else {
        return Ok(vec![GeoTags::default(); scene.dates()]);
    };
    let (left, top) = region.map_or((0, 0), |region| (region.left, region.top));
    let tags = images.iter().map(|path| {
        let file = RasterFile::open(path)?;
        if file.has_alpha() {
            progress.warn(format!("{}: tiles have no alpha; where it is 0, they are 0 in every band", path.display()));
        }
        Ok(file.tags().cropped(left, top))
    });
    tags.collect()
}

/// The files of a tile: its images, then its label.
fn files(part: &Part, crops: &Crops, index: usize, out: &Path, tags: &[GeoTags]) -> Vec<PathBuf> {
    let (y, x) = crops.origin(index);
    let (scene, _) = crops.counted(index);
    let name = format!("{}_y{y:05}_x{x:05}", part.set.scenes[scene].name);
    let georeferenced = tags[0].georeference.is_some();
    // A PNG has no place for what the tags say.
    let plain =
        tags.iter().all(|tags| *tags == GeoTags::default()) && crops.is_eight_bit() && matches!(crops.bands(), 1 | 3);
    let folder = part.folder(out);
    let image = |folder: PathBuf| folder.join(format!("{name}.{}", if plain { "png" } else { "tif" }));
    let label = folder.join("label").join(format!("{name}.{}", if georeferenced { "tif" } else { "png" }));
    image_folders(crops.dates()).iter().map(|date| image(folder.join(date))).chain([label]).collect()
}

/// Writes a file of a tile; values of the label are multiplied by `mark`.
fn write(path: &Path, file: usize, tile: &Tile, tags: &[GeoTags], mark: u8) -> anyhow::Result<()> {
    let label;
    let (raster, tags) = if let (Some(image), Some(tags)) = (tile.images.get(file), tags.get(file)) {
        (image, tags.cropped(tile.x, tile.y))
    } else {
        let values = tile.label.data.iter().map(|&value| mark * value).collect();
        let (width, height) = (tile.label.width, tile.label.height);
        label = Raster { width, height, bands: 1, pixels: Pixels::U8(values) };
        let georeference = tags[0].cropped(tile.x, tile.y).georeference;
        (&label, GeoTags { georeference, ..GeoTags::default() })
    };
    place(path, |aside| {
        let context = || format!("cannot write {}", path.display());
        match &raster.pixels {
            Pixels::U8(values) if path.extension().is_some_and(|extension| extension == "png") => {
                let colour = if raster.bands == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
                let (width, height) = (raster.width as u32, raster.height as u32);
                image::save_buffer_with_format(aside, values, width, height, colour, ImageFormat::Png)
                    .with_context(context)
            }
            _ => {
                let mut out = BufWriter::new(File::create(aside).with_context(context)?);
                raster.write_geotiff(&mut out, &tags).with_context(context)?;
                std::io::Write::flush(&mut out).with_context(context)
            }
        }
    })
}
