//! Where the pixels of a scene come from.

use super::InferenceError;

/// Size of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SceneSize {
    /// Bands of every date.
    pub bands: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A rectangle of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A raster of one or more dates that is read area by area: a file, an array, a service.
pub trait SceneSource: Send {
    /// What can go wrong.
    type Error: From<InferenceError> + Send;

    /// Its size, the same at every date.
    fn size(&self) -> SceneSize;

    /// How many dates it has; `None` where it has as many as it is asked for.
    fn dates(&self) -> Option<usize> {
        None
    }

    /// The pixels of an area at a date.
    ///
    /// # Errors
    ///
    /// What the source says; mapping ends with it.
    fn read(&mut self, date: usize, area: Area) -> Result<Patch, Self::Error>;
}

/// The pixels of an area at one date.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Values of 0..1, not yet normalised: `[bands, height, width]` of the area, row-major. They must be finite; where there is no
    /// data, 0 is what the models of this crate know from training.
    pub values: Vec<f32>,
    /// Which pixels have no data, `[height, width]`; empty where all have.
    pub nodata: Vec<bool>,
}

/// Values of an area where every pixel has data.
impl From<Vec<f32>> for Patch {
    fn from(values: Vec<f32>) -> Self {
        Self { values, nodata: Vec::new() }
    }
}

/// An image in memory, as values of 0..1, not yet normalised: `[bands, height, width]`, row-major.
#[derive(Debug, Clone, Copy)]
pub struct ImageView<'a> {
    /// Bands.
    pub bands: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `bands * height * width` values.
    pub data: &'a [f32],
}

/// One view a date, of one size; [`Predictor::predict`](super::Predictor::predict) makes sure of that.
impl SceneSource for &[ImageView<'_>] {
    type Error = InferenceError;

    fn size(&self) -> SceneSize {
        let size = |&ImageView { bands, height, width, .. }: &ImageView<'_>| SceneSize { bands, height, width };
        self.first().map_or(SceneSize { bands: 0, height: 0, width: 0 }, size)
    }

    fn dates(&self) -> Option<usize> {
        Some(self.len())
    }

    fn read(&mut self, date: usize, area: Area) -> Result<Patch, InferenceError> {
        let view = &self[date];
        let mut values = Vec::with_capacity(view.bands * area.height * area.width);
        for band in 0..view.bands {
            for row in area.top..area.top + area.height {
                let start = (band * view.height + row) * view.width + area.left;
                values.extend_from_slice(&view.data[start..start + area.width]);
            }
        }
        Ok(values.into())
    }
}
