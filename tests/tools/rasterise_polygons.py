"""GDAL's side of `vector/geo_json.rs`: the polygons of each NAME.geojson in a folder, rasterised, are the mask NAME.tif."""

import json
import sys
import warnings
from pathlib import Path

import rasterio
from rasterio.crs import CRS
from rasterio.features import rasterize

warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
masks = sorted(Path(sys.argv[1]).glob("*.tif"))
for path in masks:
    collection = json.loads(path.with_suffix(".geojson").read_text())
    with rasterio.open(path) as mask:
        expected, transform, crs = mask.read(1), mask.transform, mask.crs
    if crs is not None:
        assert CRS.from_string(collection["crs"]["properties"]["name"]) == crs, (path, collection["crs"], crs)
    geometries = [feature["geometry"] for feature in collection["features"]]
    found = rasterize(geometries, out_shape=expected.shape, transform=transform, default_value=255, dtype="uint8")
    assert (found == expected).all(), f"{path}: {(found != expected).sum()} pixels differ"
    # each pixel belongs to one polygon
    shares = sum(rasterize([geometry], out_shape=expected.shape, transform=transform).astype("uint32") for geometry in geometries)
    assert shares.max() == 1, path
print(len(masks), "masks")
