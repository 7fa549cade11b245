//! Where a mask is right and wrong, in colour.

use image::{Rgb, RgbImage};

/// What a pixel of a mask is beside its label. Class 0 is what is not marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// Marked, and so in the label.
    Hit,
    /// Marked without reason.
    FalseAlarm,
    /// Wrongly left out.
    Miss,
    /// Taken for another class.
    Confused,
    /// Rightly left out.
    Rest,
    /// Does not count.
    Uncounted,
}

impl Agreement {
    /// Of a pixel that counts or not, by the class that was found and the true one.
    pub(crate) fn of(counted: bool, found: u8, truth: u8) -> Self {
        match (counted, found, truth) {
            (false, ..) => Self::Uncounted,
            (_, 0, 0) => Self::Rest,
            (_, _, 0) => Self::FalseAlarm,
            (_, 0, _) => Self::Miss,
            (_, found, truth) if found == truth => Self::Hit,
            _ => Self::Confused,
        }
    }

    pub(super) fn colour(self) -> [u8; 3] {
        match self {
            Self::Hit => [255, 255, 255],
            Self::FalseAlarm => [230, 50, 50],
            Self::Miss => [60, 110, 255],
            Self::Confused => [240, 170, 40],
            Self::Rest => [0, 0, 0],
            Self::Uncounted => [70, 70, 70],
        }
    }
}

/// A picture of a mask's errors, made row by row; each cell is the mean colour of a square of pixels.
#[derive(Debug)]
pub(crate) struct ErrorMap {
    width: usize,
    step: usize,
    /// Sums of the cells of the row of cells that is not finished, and the rows in it.
    sums: Vec<[u32; 3]>,
    rows: usize,
    cells: Vec<[u8; 3]>,
}

impl ErrorMap {
    /// Of a mask of this size, reduced to at most `side` pixels a side.
    pub(crate) fn new(width: usize, height: usize, side: usize) -> Self {
        let step = width.max(height).div_ceil(side).max(1);
        Self { width, step, sums: vec![[0; 3]; width.div_ceil(step)], rows: 0, cells: Vec::new() }
    }

    /// Takes the next row.
    pub(crate) fn push(&mut self, row: impl Iterator<Item = Agreement>) {
        for (column, pixel) in row.enumerate() {
            let sums = &mut self.sums[column / self.step];
            sums.iter_mut().zip(pixel.colour()).for_each(|(sum, value)| *sum += u32::from(value));
        }
        self.rows += 1;
        if self.rows == self.step {
            self.end_cells();
        }
    }

    /// The picture of all rows.
    pub(crate) fn finish(mut self) -> RgbImage {
        if self.rows > 0 {
            self.end_cells();
        }
        let columns = self.sums.len();
        let cell = |x: u32, y: u32| Rgb(self.cells[y as usize * columns + x as usize]);
        RgbImage::from_fn(columns as u32, (self.cells.len() / columns) as u32, cell)
    }

    fn end_cells(&mut self) {
        for (column, sums) in self.sums.iter_mut().enumerate() {
            let count = self.rows * self.step.min(self.width - column * self.step);
            self.cells.push(sums.map(|sum| (sum / count as u32) as u8));
            *sums = [0; 3];
        }
        self.rows = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_mean_colours_to_the_last_row_and_column() {
        let mut map = ErrorMap::new(3, 3, 2);
        let rows = [
            [Agreement::Hit, Agreement::Rest, Agreement::Miss],
            [Agreement::Rest, Agreement::Hit, Agreement::Miss],
            [Agreement::FalseAlarm, Agreement::FalseAlarm, Agreement::Uncounted],
        ];
        for row in rows {
            map.push(row.into_iter());
        }
        let picture = map.finish();
        assert_eq!(picture.dimensions(), (2, 2));
        let colours: Vec<_> = picture.pixels().map(|pixel| pixel.0).collect();
        assert_eq!(colours[0], [127; 3]);
        assert_eq!(colours[1..], [Agreement::Miss, Agreement::FalseAlarm, Agreement::Uncounted].map(Agreement::colour));
    }
}
