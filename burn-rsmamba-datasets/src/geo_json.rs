//! Writing polygons as GeoJSON, one by one.

use std::io::{self, Write};

use geojson::{Feature, Geometry, GeometryValue, JsonObject, JsonValue, Position, feature::Id};
use serde_json::json;

use crate::GeoReference;

/// The reference system that GeoJSON has where it names none.
const WGS84: u16 = 4326;

/// A GeoJSON file (RFC 7946) of polygons, written one by one.
///
/// Coordinates are those of the raster's reference system, in full precision. Where that is not WGS 84 a member `crs` names it, as
/// GDAL does and reads; without a georeference they are pixels. The member `description` says what `crs` cannot.
#[derive(Debug)]
pub struct GeoJson<W> {
    writer: W,
    transform: [f64; 6],
    written: u64,
}

impl<W: Write> GeoJson<W> {
    /// Begins a file of polygons of a raster that lies here.
    ///
    /// # Errors
    /// What the destination says.
    pub fn new(mut writer: W, georeference: Option<&GeoReference>) -> io::Result<Self> {
        let head = match georeference {
            None => json!({ "description": "Pixel coordinates: column and row, from the upper left corner" }),
            Some(place) => match (place.epsg(), place.crs_urn()) {
                (Some(WGS84), _) => json!({}),
                (_, Some(urn)) => json!({ "crs": { "type": "name", "properties": { "name": urn } } }),
                (_, None) => {
                    json!({ "description": "Coordinates of the scene's reference system, which has no EPSG code" })
                }
            },
        };
        writer.write_all(b"{\n\"type\": \"FeatureCollection\",\n")?;
        // geojson's FeatureWriter leaves an unfinished file where such members stand and no feature follows.
        for (key, value) in head.as_object().into_iter().flatten() {
            writeln!(writer, "\"{key}\": {value},")?;
        }
        writer.write_all(b"\"features\": [")?;
        let pixels = [0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        Ok(Self { writer, transform: georeference.map_or(pixels, GeoReference::corner_transform), written: 0 })
    }

    /// Writes a polygon: its rings of pixel corners `[column, row]`, each with its first corner again at the end, the exterior first
    /// and counterclockwise on the screen, holes clockwise; its pixels; the mean of their probabilities, of which six digits are kept;
    /// its class, the property `class`, if there are several.
    ///
    /// Polygons are numbered from 1 in the property `id`. The property `area` is in square units of the reference system.
    ///
    /// # Errors
    /// What the destination says.
    pub fn write(
        &mut self,
        rings: &[Vec<[u32; 2]>],
        pixels: u64,
        mean_probability: f64,
        class: Option<usize>,
    ) -> io::Result<()> {
        let [_, xc, xr, _, yc, yr] = self.transform;
        let determinant = xc * yr - xr * yc;
        let coordinates = rings.iter().map(|ring| {
            let mut positions: Vec<Position> = ring.iter().map(|&corner| self.position(corner)).collect();
            // Exteriors are counterclockwise where y goes up.
            if determinant > 0.0 {
                positions.reverse();
            }
            positions
        });
        let geometry = Geometry::new(GeometryValue::Polygon { coordinates: coordinates.collect() });
        let id = self.written + 1;
        let properties: [(&str, JsonValue); 4] = [
            ("id", id.into()),
            ("pixels", pixels.into()),
            ("area", (pixels as f64 * determinant.abs()).into()),
            ("mean_probability", ((mean_probability * 1e6).round() / 1e6).into()),
        ];
        let class = class.map(|class| ("class", class.into()));
        let properties: JsonObject =
            properties.into_iter().chain(class).map(|(key, value)| (key.to_owned(), value)).collect();
        let feature = Feature {
            geometry: Some(geometry),
            id: Some(Id::Number(id.into())),
            properties: Some(properties),
            ..Feature::default()
        };
        self.writer.write_all(if self.written == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut self.writer, &feature)?;
        self.written = id;
        Ok(())
    }

    /// Ends the file; how many polygons it has.
    ///
    /// # Errors
    /// What the destination says.
    pub fn finish(mut self) -> io::Result<u64> {
        self.writer.write_all(b"\n]\n}\n")?;
        self.writer.flush()?;
        Ok(self.written)
    }

    fn position(&self, [column, row]: [u32; 2]) -> Position {
        let [x, xc, xr, y, yc, yr] = self.transform;
        let (column, row) = (f64::from(column), f64::from(row));
        Position::from([x + column * xc + row * xr, y + column * yc + row * yr])
    }
}
