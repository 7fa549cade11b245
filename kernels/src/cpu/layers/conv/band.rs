use super::MapShape;

/// Where a band lies in a map, in pixels; what lies outside the map is zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) sample: usize,
    pub(super) top: isize,
    pub(super) left: isize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Band {
    /// Copies the band out of `map`: `[rows, columns, channels]`.
    pub(super) fn copy(&self, shape: MapShape, map: &[f32], out: &mut Vec<f32>) {
        let MapShape { height, width, channels, .. } = shape;
        out.clear();
        out.reserve(self.rows * self.columns * channels);
        // Columns of the band that lie in the map, and those before them.
        let first = self.left.clamp(0, width as isize) as usize;
        let end = (self.left + self.columns as isize).clamp(first as isize, width as isize) as usize;
        let before = self.columns.min((first as isize - self.left) as usize);
        for row in 0..self.rows {
            let (start, y) = (out.len(), self.top + row as isize);
            if (0..height as isize).contains(&y) {
                out.resize(start + before * channels, 0.0);
                let line = &map[(self.sample * height + y as usize) * width * channels..][..width * channels];
                out.extend_from_slice(&line[first * channels..end * channels]);
            }
            out.resize(start + self.columns * channels, 0.0);
        }
    }
}
