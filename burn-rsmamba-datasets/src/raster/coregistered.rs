//! The images of one place, read on one grid.

use std::path::Path;

use super::{AlignedFile, GeoReference, Raster, RasterFile, Resampling};
use crate::{DatasetError, DatasetWarning};

/// Images of one place, a file a date, read window by window on the grid of the first.
pub struct CoregisteredFiles {
    dates: Vec<Date>,
    first: Grid,
    warnings: Vec<DatasetWarning>,
}

enum Date {
    Same(RasterFile),
    Aligned(AlignedFile),
}

/// What the others have to fit.
struct Grid {
    height: usize,
    width: usize,
    bands: usize,
    georeference: Option<GeoReference>,
}

impl CoregisteredFiles {
    /// Opens the files. Those that lie on another grid than the first are refused, or resampled onto it, which needs
    /// georeferences with one coordinate reference system and parallel axes.
    ///
    /// # Errors
    /// A file that cannot be read; [`DatasetError::BandsDiffer`]; [`DatasetError::SizesDiffer`] where not both files are
    /// georeferenced; [`DatasetError::GridsDiffer`] with all that differs; [`DatasetError::NotAligned`].
    ///
    /// # Panics
    /// Without a path.
    pub fn open<P: AsRef<Path>>(paths: &[P], align: Option<Resampling>) -> Result<Self, DatasetError> {
        let mut dates: Vec<Date> = Vec::with_capacity(paths.len());
        let first = RasterFile::open(paths[0].as_ref())?;
        let grid = Grid {
            height: first.height(),
            width: first.width(),
            bands: first.bands(),
            georeference: first.georeference().cloned(),
        };
        let mut warnings = Vec::new();
        for path in &paths[1..] {
            let file = RasterFile::open(path.as_ref())?;
            dates.push(grid.place(first.path(), file, align, &mut warnings)?);
        }
        dates.insert(0, Date::Same(first));
        let lost = dates.iter().map(Date::file).filter(|file| file.has_no_transform());
        warnings.extend(lost.map(|file| DatasetWarning::NoTransform { path: file.path().into() }));
        let unplaced = dates.iter().map(Date::file).filter(|file| file.georeference().is_none());
        warnings.extend(unplaced.filter_map(|file| {
            let world = GeoReference::world_file_beside(file.path())?;
            Some(DatasetWarning::WorldFile { path: file.path().into(), world })
        }));
        let alpha = dates.iter().map(Date::file).filter(|file| file.has_alpha());
        warnings.extend(alpha.map(|file| DatasetWarning::Alpha { path: file.path().into(), bands: file.bands() }));
        Ok(Self { dates, first: grid, warnings })
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.first.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.first.height
    }

    /// Bands of every date, without alpha.
    pub fn bands(&self) -> usize {
        self.first.bands
    }

    /// Where the grid lies, if the first file says so.
    pub fn georeference(&self) -> Option<&GeoReference> {
        self.first.georeference.as_ref()
    }

    /// What a user should know but need not mend.
    pub fn warnings(&self) -> &[DatasetWarning] {
        &self.warnings
    }

    /// Whether pixels may have no data.
    pub fn has_nodata(&self) -> bool {
        // Nothing says that what is resampled covers the first date.
        self.dates.iter().any(|date| matches!(date, Date::Aligned(_)) || date.file().has_nodata())
    }

    /// Keeps the decoded blocks under so many rows of the grid, see [`RasterFile::keep_rows`].
    pub fn keep_rows(&mut self, rows: usize) {
        for date in &mut self.dates {
            match date {
                Date::Same(file) => file.keep_rows(rows),
                Date::Aligned(file) => file.keep_rows(rows),
            }
        }
    }

    /// Memory that the files take at most after [`keep_rows`](Self::keep_rows) of so many rows, in bytes.
    pub fn bytes_under(&self, rows: usize) -> u64 {
        let bytes = self.dates.iter().map(|date| match date {
            Date::Same(file) => file.bytes_under(rows),
            Date::Aligned(file) => file.bytes_under(rows),
        });
        bytes.sum()
    }

    /// Strips and tiles decoded so far, of all files.
    pub fn decoded_blocks(&self) -> usize {
        self.dates.iter().map(|date| date.file().decoded_blocks()).sum()
    }

    /// A window of one date, counted from 0, with 0 in every band of pixels without data, and for each pixel whether it is one:
    /// as [`RasterFile::window_and_nodata`] tells, or outside a file that is resampled.
    ///
    /// # Errors
    /// A block that is damaged or cut off, or compressed in a way that is not supported.
    ///
    /// # Panics
    /// When there is no such date; when the window is empty or reaches beyond the grid.
    pub fn window(
        &mut self,
        date: usize,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<(Raster, Vec<bool>), DatasetError> {
        match &mut self.dates[date] {
            Date::Same(file) => file.window_and_nodata(top, left, height, width),
            Date::Aligned(file) => file.window(top, left, height, width),
        }
    }
}

impl Date {
    fn file(&self) -> &RasterFile {
        match self {
            Self::Same(file) => file,
            Self::Aligned(file) => file.file(),
        }
    }
}

impl Grid {
    /// A file on this grid, which is that of `first`.
    fn place(
        &self,
        first: &Path,
        file: RasterFile,
        align: Option<Resampling>,
        warnings: &mut Vec<DatasetWarning>,
    ) -> Result<Date, DatasetError> {
        let (path, other) = (file.path().to_path_buf(), first.to_path_buf());
        if file.bands() != self.bands {
            return Err(DatasetError::BandsDiffer { path, bands: file.bands(), other, other_bands: self.bands });
        }
        let size = (file.height(), file.width());
        let sizes_differ = size != (self.height, self.width);
        let (Some(own), Some(onto)) = (file.georeference(), &self.georeference) else {
            if sizes_differ {
                let (width, height, other_width, other_height) = (size.1, size.0, self.width, self.height);
                return Err(DatasetError::SizesDiffer { path, width, height, other, other_width, other_height });
            }
            if file.georeference().is_some() || self.georeference.is_some() {
                let (with, without) = if file.georeference().is_some() { (path, other) } else { (other, path) };
                warnings.push(DatasetWarning::OneGeoreference { with, without });
            }
            return Ok(Date::Same(file));
        };
        let sizes = || format!("sizes {}x{} and {}x{} pixels", self.width, self.height, size.1, size.0);
        let difference = onto.difference(own, (self.height, self.width));
        let difference: Vec<String> = sizes_differ.then(sizes).into_iter().chain(difference).collect();
        match align {
            _ if difference.is_empty() => Ok(Date::Same(file)),
            None => Err(DatasetError::GridsDiffer { path, other, difference: difference.join("; ") }),
            Some(resampling) => {
                let size = (self.height, self.width);
                let onto = onto.clone();
                AlignedFile::new(file, &onto, size, resampling).map(Date::Aligned)
            }
        }
    }
}
