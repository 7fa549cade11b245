//! Mask files: their values and their names, as `predict` writes them.

/// What a pixel holds that is marked.
const MARKED: u8 = 255;
/// What one holds that is not.
const BACKGROUND: u8 = 0;
/// What one holds where the image has no data.
const NODATA: u8 = 127;

/// What the values of a mask stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// One class: [`MARKED`], [`BACKGROUND`] or [`NODATA`].
    Mask,
    /// Several: their indices, and 255 for no data.
    Classes,
}

impl Coding {
    /// That of a model with so many logits a pixel.
    pub(crate) fn of(logits: usize) -> Self {
        if logits == 1 { Self::Mask } else { Self::Classes }
    }

    /// What a pixel of this class holds; of one class, 1 is what is marked.
    pub(crate) fn value(self, class: u8) -> u8 {
        match (self, class) {
            (Self::Mask, 0) => BACKGROUND,
            (Self::Mask, _) => MARKED,
            (Self::Classes, class) => class,
        }
    }

    /// What a pixel without data holds.
    pub(crate) fn nodata(self) -> u8 {
        match self {
            Self::Mask => NODATA,
            Self::Classes => u8::MAX,
        }
    }

    /// The class of a pixel that holds this; nothing where it has no data.
    pub(crate) fn class(self, value: u8) -> Option<u8> {
        match self {
            _ if value == self.nodata() => None,
            Self::Mask => Some(u8::from(value == MARKED)),
            Self::Classes => Some(value),
        }
    }
}

/// The end of a mask's name, before the extension.
pub(crate) const SUFFIX: &str = "_mask";

/// How a mask is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Opens everywhere, but is only read whole.
    Png,
    /// With the georeference of the scene, or for a scene that is too large for the other.
    GeoTiff,
}

/// The file of a mask.
pub(crate) fn name(stem: &str, format: Format) -> String {
    let extension = match format {
        Format::Png => "png",
        Format::GeoTiff => "tif",
    };
    format!("{stem}{SUFFIX}.{extension}")
}

/// The picture of a mask's errors.
pub(crate) fn errors(stem: &str) -> String {
    format!("{stem}_errors.png")
}

/// What the pixels of a file say, part by part: [`MARKED`] or, in masks of other programs, 1 is marked.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Whether 1 and [`MARKED`] were seen; a file has one of them.
    seen: [bool; 2],
}

impl Values {
    /// Whether a pixel is marked, from the values of its bands; nothing where it has no data.
    ///
    /// # Errors
    ///
    /// The values, where they are not those of a mask.
    pub(crate) fn is_marked(&mut self, bands: &[f32]) -> Result<Option<bool>, String> {
        let written = || bands.iter().map(ToString::to_string).collect::<Vec<_>>().join("/");
        let first = bands.first().copied().unwrap_or(f32::NAN);
        if bands.iter().any(|value| value.to_bits() != first.to_bits()) {
            return Err(format!("the colour {}", written()));
        }
        let is = |value: u8| first.to_bits() == f32::from(value).to_bits();
        if is(BACKGROUND) {
            return Ok(Some(false));
        }
        if is(NODATA) {
            return Ok(None);
        }
        if !(is(1) || is(MARKED)) {
            return Err(format!("the value {}", written()));
        }
        self.seen[usize::from(is(MARKED))] = true;
        if self.seen == [true; 2] { Err(format!("both 1 and {MARKED}")) } else { Ok(Some(true)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_marks_by_255_or_by_1() {
        for marked in [1.0, 255.0] {
            let mut values = Values::default();
            let found = [0.0, marked, 127.0].map(|value| values.is_marked(&[value; 3]));
            assert_eq!(found, [Ok(Some(false)), Ok(Some(true)), Ok(None)]);
        }
    }

    #[test]
    fn what_is_no_mask_is_named() {
        let mut values = Values::default();
        for (bands, part) in
            [(&[2.0][..], "value 2"), (&[0.5][..], "value 0.5"), (&[255.0, 0.0, 0.0][..], "colour 255/0/0")]
        {
            let reason = values.is_marked(bands).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        }
        assert_eq!(values.is_marked(&[1.0]), Ok(Some(true)));
        assert_eq!(values.is_marked(&[255.0]), Err("both 1 and 255".into()));
    }

    #[test]
    fn values_of_classes_are_read_back() {
        for (coding, classes) in [(Coding::of(1), 2), (Coding::of(7), 7), (Coding::of(255), 255)] {
            for class in 0..classes {
                assert_eq!(coding.class(coding.value(class)), Some(class), "{coding:?}");
            }
            assert_eq!(coding.class(coding.nodata()), None, "{coding:?}");
        }
    }

    #[test]
    fn names_end_alike() {
        assert_eq!([Format::Png, Format::GeoTiff].map(|format| name("a", format)), ["a_mask.png", "a_mask.tif"]);
        assert_eq!(errors("a"), "a_errors.png");
    }
}
