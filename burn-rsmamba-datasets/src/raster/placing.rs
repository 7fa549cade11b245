//! Decoded blocks put into a window.

use super::Pixels;

/// A decoded block: where it lies, how many samples a pixel it has, and its band where it holds one alone.
pub(super) struct Part {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) samples: usize,
    pub(super) plane: usize,
}

/// The window that is filled, with so many samples of each pixel from the first on.
pub(super) struct Target {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) first: usize,
    pub(super) bands: usize,
}

impl Target {
    /// Copies what both share; `false` where the block is too short or of another type.
    pub(super) fn copy(&self, part: &Part, block: &Pixels, into: &mut Pixels) -> bool {
        match (block, into) {
            (Pixels::U8(from), Pixels::U8(into)) => self.copy_values(part, from, into),
            (Pixels::U16(from), Pixels::U16(into)) => self.copy_values(part, from, into),
            (Pixels::F32(from), Pixels::F32(into)) => self.copy_values(part, from, into),
            _ => false,
        }
    }

    fn copy_values<T: Copy>(&self, part: &Part, from: &[T], into: &mut [T]) -> bool {
        if from.len() < part.height * part.width * part.samples {
            return false;
        }
        let rows = part.row.max(self.top)..(part.row + part.height).min(self.top + self.height);
        let columns = part.column.max(self.left)..(part.column + part.width).min(self.left + self.width);
        for row in rows {
            let source = ((row - part.row) * part.width + columns.start - part.column) * part.samples;
            let source = &from[source..source + columns.len() * part.samples];
            let start = ((row - self.top) * self.width + columns.start - self.left) * self.bands;
            let target = &mut into[start..start + columns.len() * self.bands];
            if part.samples == self.bands {
                target.copy_from_slice(source);
            } else if part.samples == 1 {
                let planes = target.iter_mut().skip(part.plane.saturating_sub(self.first)).step_by(self.bands);
                planes.zip(source).for_each(|(target, &value)| *target = value);
            } else {
                let pixels = target.chunks_exact_mut(self.bands).zip(source.chunks_exact(part.samples));
                let kept = self.first..self.first + self.bands;
                pixels.for_each(|(target, pixel)| target.copy_from_slice(&pixel[kept.clone()]));
            }
        }
        true
    }
}
