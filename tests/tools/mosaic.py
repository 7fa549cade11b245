"""Joins the pairs of a LEVIR-CD folder into one scene of 12 x 6 of them (GeoTIFF, tiles of 256, Deflate), as train, val and test.

python3 tests/tools/mosaic.py LEVIR-CD OUT, with rasterio and numpy.
"""

import shutil
import sys
from pathlib import Path

import rasterio
from rasterio.windows import Window

source, out = Path(sys.argv[1]) / "train", Path(sys.argv[2])
for folder in ["A", "B", "label"]:
    (out / "train" / folder).mkdir(parents=True)
    tiles = []
    for path in sorted((source / folder).iterdir()):
        with rasterio.open(path) as file:
            tiles.append(file.read())
    profile = dict(driver="GTiff", width=12 * 1024, height=6 * 1024, count=len(tiles[0]), dtype="uint8", tiled=True,
                   blockxsize=256, blockysize=256, compress="deflate", interleave="pixel")
    with rasterio.open(out / "train" / folder / "scene.tif", "w", **profile) as file:
        for index in range(72):
            file.write(tiles[index % len(tiles)], window=Window(index % 12 * 1024, index // 12 * 1024, 1024, 1024))
for split in ["val", "test"]:
    shutil.copytree(out / "train", out / split)
