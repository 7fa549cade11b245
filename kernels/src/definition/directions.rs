/// The pixel orders that an omnidirectional scan follows.
///
/// A direction `k` visits the pixel `(i, j)` of an H×W map at sequence position `l`:
///
/// | k | order |
/// |---|---|
/// | 0 | rows: `i = l / W`, `j = l mod W` |
/// | 1 | columns: `j = l / H`, `i = l mod H` |
/// | 2, 3 | 0 and 1 from the far end (`l -> L - 1 - l`) |
/// | 4 | diagonals: `m = l / H`, `i = l mod H`, `j = (i + m) mod W` |
/// | 5 | anti-diagonals: `m = l / H`, `i = l mod H`, `j = (m - i) mod W` |
/// | 6, 7 | 4 and 5 from the far end |
///
/// Diagonals wrap around the map's right and left border: weights trained with the official code expect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "usize", into = "usize"))]
pub enum Directions {
    /// All eight orders: RS-Mamba's omnidirectional scan.
    #[default]
    Eight,
    /// Orders 0 to 3: `VMamba`'s cross scan.
    Four,
    /// Orders 0 and 2: rows, both ways.
    Two,
    /// Order 0: rows.
    One,
}

impl Directions {
    /// The orders of the set, in the order of the parameters' leading dimension.
    pub const fn orders(self) -> &'static [usize] {
        match self {
            Self::Eight => &[0, 1, 2, 3, 4, 5, 6, 7],
            Self::Four => &[0, 1, 2, 3],
            Self::Two => &[0, 2],
            Self::One => &[0],
        }
    }

    /// How many orders the set has (K).
    pub const fn count(self) -> usize {
        self.orders().len()
    }

    /// The set with `count` orders: 8, 4, 2 or 1.
    pub const fn from_count(count: usize) -> Option<Self> {
        match count {
            8 => Some(Self::Eight),
            4 => Some(Self::Four),
            2 => Some(Self::Two),
            1 => Some(Self::One),
            _ => None,
        }
    }

    /// Row-major index of the pixel that `order` visits at position `l` of an `height`×`width` map.
    ///
    /// # Panics
    ///
    /// When `order` is above 7 (see the table of this type).
    #[inline]
    pub const fn pixel(order: usize, l: usize, height: usize, width: usize) -> usize {
        let from_far_end = order % 4 >= 2;
        let l = if from_far_end { height * width - 1 - l } else { l };
        match order {
            0 | 2 => l,
            1 | 3 => (l % height) * width + l / height,
            4 | 6 => {
                let (m, i) = (l / height, l % height);
                i * width + (i + m) % width
            }
            5 | 7 => {
                let (m, i) = (l / height, l % height);
                // `m < width`, so adding one width per wrap keeps the difference non-negative.
                i * width + (m + width * (i / width + 1) - i) % width
            }
            _ => panic!("a scan order is one of 0 to 7"),
        }
    }

    /// Row-major pixel indices in the order in which `order` visits them.
    pub fn path(order: usize, height: usize, width: usize) -> Vec<u32> {
        (0..height * width).map(|l| Self::pixel(order, l, height, width) as u32).collect()
    }
}

impl From<Directions> for usize {
    fn from(directions: Directions) -> Self {
        directions.count()
    }
}

impl TryFrom<usize> for Directions {
    type Error = String;

    fn try_from(count: usize) -> Result<Self, String> {
        Self::from_count(count).ok_or_else(|| format!("a scan has 8, 4, 2 or 1 directions, not {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_visits_every_pixel_once() {
        for (height, width) in [(1, 1), (1, 7), (7, 1), (5, 8), (8, 5), (6, 6), (3, 11)] {
            for order in 0..8 {
                let mut path = Directions::path(order, height, width);
                path.sort_unstable();
                assert!(path.iter().copied().eq(0..(height * width) as u32), "order {order} on {height}x{width}");
            }
        }
    }

    #[test]
    fn orders_of_a_two_by_three_map() {
        let path = |order| Directions::path(order, 2, 3);
        assert_eq!(path(0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(path(1), [0, 3, 1, 4, 2, 5]);
        assert_eq!(path(2), [5, 4, 3, 2, 1, 0]);
        assert_eq!(path(3), [5, 2, 4, 1, 3, 0]);
        assert_eq!(path(4), [0, 4, 1, 5, 2, 3]);
        assert_eq!(path(5), [0, 5, 1, 3, 2, 4]);
        assert_eq!(path(6), [3, 2, 5, 1, 4, 0]);
        assert_eq!(path(7), [4, 2, 3, 1, 5, 0]);
    }
}
