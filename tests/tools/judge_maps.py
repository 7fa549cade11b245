"""GDAL's side of `cli/scenes.rs`: the maps that `predict` made of a scene lie where it lies and agree with each other.

    python tests/tools/judge_maps.py SCENE.tif MASK.tif PROB.tif POLYGONS.geojson THRESHOLD
"""

import json
import sys

import numpy
import rasterio
from rasterio.crs import CRS
from rasterio.features import rasterize

scene, mask, probability, polygons, threshold = sys.argv[1:]
with rasterio.open(scene) as scene, rasterio.open(mask) as mask, rasterio.open(probability) as probability:
    for file in (mask, probability):
        assert (file.width, file.height, file.count) == (scene.width, scene.height, 1), file.profile
        assert file.crs == scene.crs and file.transform == scene.transform, (file.crs, file.transform)
        assert file.profile["tiled"] and file.profile["compress"] == "deflate", file.profile
    assert mask.dtypes == ("uint8",) and probability.dtypes == ("float32",)
    assert mask.nodata == 127 and numpy.isnan(probability.nodata), (mask.nodata, probability.nodata)
    marked, values = mask.read(1), probability.read(1)
    # of either, GDAL's own masks say the same
    assert (mask.read_masks(1) == probability.read_masks(1)).all()
    blank = scene.read_masks(1) == 0
    assert blank.any() and (blank == (marked == 127)).all() and (blank == numpy.isnan(values)).all()
    expected = numpy.where(values >= numpy.float32(threshold), 255, 0)
    assert (marked[~blank] == expected[~blank]).all()
    collection = json.load(open(polygons))
    assert CRS.from_string(collection["crs"]["properties"]["name"]) == scene.crs
    geometries = [feature["geometry"] for feature in collection["features"]]
    found = rasterize(geometries, out_shape=marked.shape, transform=mask.transform, default_value=255, dtype="uint8")
    assert (found == numpy.where(marked == 255, 255, 0)).all()
    area = sum(feature["properties"]["area"] for feature in collection["features"])
    assert abs(area - (marked == 255).sum() * abs(mask.transform.determinant)) < 1e-6 * area, area
print(len(geometries), "polygons")
