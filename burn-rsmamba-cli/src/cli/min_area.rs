//! The minimum mapping unit.

use std::str::FromStr;

use burn_rsmamba_datasets::GeoReference;

/// The least area of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MinArea {
    /// In pixels.
    Pixels(u64),
    /// In square units of the scene's reference system.
    Units(f64),
}

impl MinArea {
    /// As a number of pixels; nothing where a scene without a georeference is measured in units.
    pub(crate) fn pixels(self, georeference: Option<&GeoReference>) -> Option<u64> {
        match self {
            Self::Pixels(pixels) => Some(pixels),
            // 25 units of 0.1 are 250 pixels, whatever the last digit says.
            Self::Units(area) => georeference.map(|place| (area / place.pixel_area() - 1e-6).ceil().max(1.0) as u64),
        }
    }
}

impl FromStr for MinArea {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let area = match text.strip_suffix("u2") {
            None => text.parse().ok().filter(|&pixels| pixels > 0).map(Self::Pixels),
            Some(area) => area.parse().ok().filter(|area: &f64| *area > 0.0 && area.is_finite()).map(Self::Units),
        };
        area.ok_or(
            "expected pixels, for instance 40, or square units of the scene's reference system, for instance 25u2",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_pixels_or_square_units() {
        let place = GeoReference {
            transform: [0.0, 0.1, 0.0, 0.0, 0.0, -0.1],
            keys: Vec::new(),
            doubles: Vec::new(),
            ascii: String::new(),
        };
        let pixels = |text: &str, place| text.parse::<MinArea>().expect("an area").pixels(place);
        assert_eq!(pixels("40", None), Some(40));
        assert_eq!(pixels("2.5u2", Some(&place)), Some(250));
        assert_eq!(pixels("2.501u2", Some(&place)), Some(251));
        assert_eq!(pixels("1e-9u2", Some(&place)), Some(1));
        assert_eq!(pixels("25u2", None), None);
        for text in ["0", "-1", "2.5", "u2", "0u2", "infu2", "NaNu2", "25m2", ""] {
            assert!(text.parse::<MinArea>().is_err(), "{text}");
        }
    }
}
