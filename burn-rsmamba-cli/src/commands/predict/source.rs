//! The images of a place as one source of pixels, and where they have none.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use burn_rsmamba::inference::{Area, SceneSize, SceneSource};
use burn_rsmamba_datasets::{AlignedFile, RasterFile};

use super::Job;
use crate::cli::PredictArgs;
use crate::error::Failure;
use crate::mapping::Mapper;
use crate::model_file;

/// The images of a place, one a date, on the grid of the first.
pub(super) struct Source<'a> {
    dates: Vec<Date>,
    size: SceneSize,
    nodata: &'a Nodata,
}

enum Date {
    Same(RasterFile),
    Aligned(AlignedFile),
}

impl<'a> Source<'a> {
    /// Opens the images, and refuses those that do not fit the model or each other.
    pub(super) fn open(
        job: &Job,
        mapper: &Mapper<'_>,
        args: &PredictArgs,
        nodata: &'a Nodata,
    ) -> Result<Self, Failure> {
        let mut files =
            job.images.iter().map(|path| RasterFile::open(path)).collect::<Result<Vec<_>, _>>()?.into_iter();
        let first = files.next().ok_or_else(|| Failure::run("a place without images"))?;
        expect_bands(&first, mapper, args)?;
        let size = SceneSize { bands: first.bands(), height: first.height(), width: first.width() };
        let mut dates = Vec::with_capacity(job.images.len());
        for file in files {
            expect_bands(&file, mapper, args)?;
            let Err(difference) = same_grid(&first, &file) else {
                dates.push(Date::Same(file));
                continue;
            };
            let (Some(resampling), Some(onto)) = (args.align, first.georeference()) else {
                return Err(difference);
            };
            dates.push(Date::Aligned(AlignedFile::new(file, onto, (size.height, size.width), resampling)?));
        }
        dates.insert(0, Date::Same(first));
        Ok(Self { dates, size, nodata })
    }

    /// Whether pixels of the place may have no data.
    pub(super) fn has_nodata(&self) -> bool {
        self.dates.iter().any(|date| match date {
            Date::Same(file) => file.nodata().is_some(),
            // Nothing says that it covers the first date.
            Date::Aligned(_) => true,
        })
    }
}

impl SceneSource for Source<'_> {
    type Error = anyhow::Error;

    fn size(&self) -> SceneSize {
        self.size
    }

    fn read(&mut self, date: usize, area: Area) -> anyhow::Result<Vec<f32>> {
        let Area { top, left, height, width } = area;
        let raster = match &mut self.dates[date] {
            Date::Same(file) => {
                let raster = file.window(top, left, height, width)?;
                if let Some(value) = file.nodata() {
                    let is_blank = |row, column| raster.is_nodata(row, column, value);
                    self.nodata.note(area, self.size.width, is_blank);
                }
                raster
            }
            Date::Aligned(file) => {
                let (raster, blank) = file.window(top, left, height, width)?;
                self.nodata.note(area, self.size.width, |row, column| blank[row * width + column]);
                raster
            }
        };
        Ok(raster.to_chw_f32())
    }
}

fn expect_bands(file: &RasterFile, mapper: &Mapper<'_>, args: &PredictArgs) -> Result<(), Failure> {
    model_file::expect_bands(&args.model, mapper.meta, file.bands())
        .map_err(|failure| Failure::run(format!("{}: {failure}", file.path().display())))
}

/// Whether two dates have one size and, where both are georeferenced, lie on one grid.
fn same_grid(first: &RasterFile, file: &RasterFile) -> Result<(), Failure> {
    let (name, other) = (first.path().display(), file.path().display());
    let both = first.georeference().zip(file.georeference());
    let align = if both.is_some() { ", or resample the second onto the first with --align" } else { "" };
    if (file.width(), file.height()) != (first.width(), first.height()) {
        return Err(Failure::run(format!(
            "{other} is {}x{} pixels but {name} is {}x{}; give both dates the same size{align}",
            file.width(),
            file.height(),
            first.width(),
            first.height()
        )));
    }
    match both.and_then(|(first, other)| first.difference(other)) {
        None => Ok(()),
        Some(why) => Err(Failure::run(format!(
            "{name} and {other} do not lie on one grid: {why}; bring them onto one, for instance with gdalwarp{align}"
        ))),
    }
}

/// Which pixels have no data, of rows that are read and not yet written.
#[derive(Default)]
pub(super) struct Nodata {
    rows: Mutex<BTreeMap<usize, Vec<bool>>>,
}

impl Nodata {
    /// Notes the pixels of an area, given by row and column in it, that have no data.
    fn note(&self, area: Area, width: usize, is_blank: impl Fn(usize, usize) -> bool) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for row in 0..area.height {
            let blank = rows.entry(area.top + row).or_insert_with(|| vec![false; width]);
            for column in 0..area.width {
                // No date takes back what the other lacks.
                blank[area.left + column] |= is_blank(row, column);
            }
        }
    }

    /// Rows that are finished; pixels that nobody noted have data.
    pub(super) fn take(&self, top: usize, count: usize, width: usize) -> Vec<bool> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        (top..top + count).flat_map(|row| rows.remove(&row).unwrap_or_else(|| vec![false; width])).collect()
    }
}
