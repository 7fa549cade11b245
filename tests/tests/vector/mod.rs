mod geo_json;
mod mask;
mod polygons;
mod sieve;
