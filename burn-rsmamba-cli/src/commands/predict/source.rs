//! The images of a place as one source of pixels.

use burn_rsmamba::inference::{Area, Patch, SceneSize, SceneSource};
use burn_rsmamba_datasets::CoregisteredFiles;

use super::Job;
use crate::cli::PredictArgs;
use crate::error::Failure;
use crate::mapping::Mapper;
use crate::model_file;
use crate::progress::Progress;

/// The images of a place, one a date, on the grid of the first.
pub(super) struct Source(CoregisteredFiles);

impl Source {
    /// Opens the images, and refuses those that do not fit the model or each other.
    pub(super) fn open(
        job: &Job,
        mapper: &Mapper<'_>,
        args: &PredictArgs,
        progress: &mut Progress,
    ) -> Result<Self, Failure> {
        let mut files = CoregisteredFiles::open(&job.images, args.align)?;
        files.warnings().iter().for_each(|warning| progress.warn(warning.to_string()));
        model_file::expect_bands(&args.model, mapper.meta, files.bands())
            .map_err(|failure| Failure::run(format!("{}: {failure}", job.images[0].display())))?;
        // Of a whole image each block is needed once.
        files.keep_rows(mapper.windows.size.map_or(0, |size| size.min(files.height())));
        Ok(Self(files))
    }

    /// Whether pixels of the place may have no data.
    pub(super) fn has_nodata(&self) -> bool {
        self.0.has_nodata()
    }
}

impl SceneSource for Source {
    type Error = anyhow::Error;

    fn size(&self) -> SceneSize {
        SceneSize { bands: self.0.bands(), height: self.0.height(), width: self.0.width() }
    }

    fn read(&mut self, date: usize, Area { top, left, height, width }: Area) -> anyhow::Result<Patch> {
        let (raster, nodata) = self.0.window(date, top, left, height, width)?;
        Ok(Patch { values: raster.to_chw_f32(), nodata })
    }
}
