//! From masks to polygons: small things removed, outlines, GeoJSON.

#[path = "vector/mod.rs"]
mod vector;
