//! What a GeoTIFF says of its pixels beside their values.

use super::GeoReference;

/// Where the pixels of a GeoTIFF lie, which of them have no data, and what GDAL notes of its bands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeoTags {
    /// Where they lie, if that is known.
    pub georeference: Option<GeoReference>,
    /// The value of pixels without data, if there is one.
    pub nodata: Option<f64>,
    /// GDAL's tag 42112, an XML text: descriptions, scales and units of bands, and whatever users set.
    pub metadata: Option<String>,
}

impl GeoTags {
    /// The tags of a part that begins at this pixel: with the origin moved, without the statistics of the whole.
    #[must_use]
    pub fn cropped(&self, column: usize, row: usize) -> Self {
        Self {
            georeference: self.georeference.as_ref().map(|whole| whole.shifted(column, row)),
            nodata: self.nodata,
            metadata: self.metadata.as_deref().and_then(without_statistics),
        }
    }
}

/// The text without the items that GDAL names `STATISTICS_*`; nothing where no other item is left.
fn without_statistics(metadata: &str) -> Option<String> {
    const END: &str = "</Item>";
    let (mut kept, mut items) = (String::new(), 0);
    let mut rest = metadata;
    while let Some(start) = rest.find("<Item ") {
        let length = rest[start..].find(END).map_or(rest.len() - start, |end| end + END.len());
        let (before, item) = (&rest[..start], &rest[start..start + length]);
        if item.contains("name=\"STATISTICS_") {
            kept.push_str(before.trim_end());
        } else {
            kept.push_str(before);
            kept.push_str(item);
            items += 1;
        }
        rest = &rest[start + length..];
    }
    kept.push_str(rest);
    (items > 0).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_the_whole_are_not_those_of_a_part() {
        let tags = |metadata: &str| GeoTags { metadata: Some(metadata.into()), ..GeoTags::default() };
        let scale = "<GDALMetadata>\n  <Item name=\"SCALE\" sample=\"0\" role=\"scale\">0.1</Item>";
        let mean = "\n  <Item name=\"STATISTICS_MEAN\" sample=\"0\">17</Item>";
        let end = "\n</GDALMetadata>";
        let both = tags(&format!("{scale}{mean}{mean}{end}")).cropped(0, 0);
        assert_eq!(both.metadata, Some(format!("{scale}{end}")));
        assert_eq!(tags(&format!("<GDALMetadata>{mean}{end}")).cropped(0, 0).metadata, None);
        for odd in ["", "no XML", "<Item name=\"STATISTICS_MEAN\">never ended"] {
            assert_eq!(tags(odd).cropped(0, 0).metadata, None, "{odd}");
        }
    }
}
