"""GDAL's side of `datasets/gdal.rs`: judges `ours.tif` in a folder, and writes files of many kinds into `gdal` there."""

import itertools
import sys
from pathlib import Path

import numpy
import rasterio
import rasterio.windows
from rasterio.crs import CRS
from rasterio.transform import Affine

folder = Path(sys.argv[1])
transform = Affine(0.5, 0, 399960, 0, -0.5, 5900040)

with rasterio.open(folder / "ours.tif") as ours:
    assert (ours.width, ours.height, ours.count) == (300, 270, 1), ours.profile
    assert ours.dtypes == ("float32",) and ours.nodata == -1, ours.profile
    assert ours.crs == CRS.from_epsg(32633) and ours.transform == transform, (ours.crs, ours.transform)
    assert ours.profile["tiled"] and ours.profile["compress"] == "deflate", ours.profile
    expected = (numpy.arange(300 * 270, dtype="float32") * 0.25).reshape(270, 300)
    assert (ours.read(1) == expected).all()

(folder / "gdal").mkdir()
row, column = numpy.mgrid[0:97, 0:131]
bands = numpy.stack([(row * 7 + column * 3 + band * 11) % 100 for band in range(3)])


def write(name, dtype, **options):
    profile = dict(driver="GTiff", width=131, height=97, count=3, dtype=dtype, crs=CRS.from_epsg(32633),
                   transform=transform, nodata=7, **options)
    with rasterio.open(folder / "gdal" / f"{name}.tif", "w", **profile) as file:
        file.write(bands.astype(dtype))


tiles = dict(tiled=True, blockxsize=32, blockysize=16)
for dtype, layout, interleave in itertools.product(
        ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"], [("strips", {}), ("tiles", tiles)], ["pixel", "band"]):
    write(f"{dtype}-{layout[0]}-{interleave}", dtype, interleave=interleave, **layout[1])
for compress in ["lzw", "deflate", "packbits"]:
    write(f"{compress}", "uint8", compress=compress, **tiles)
    write(f"{compress}-strips", "uint16", compress=compress)
write("lzw-predictor", "uint16", compress="lzw", predictor=2, **tiles)
write("deflate-predictor-band", "uint8", compress="deflate", predictor=2, interleave="band")
write("deflate-float-predictor", "float32", compress="deflate", predictor=3, **tiles)
write("big", "uint8", BIGTIFF="YES", compress="deflate", **tiles)
write("big-endian", "uint16", ENDIANNESS="BIG", compress="lzw")
write("big-endian-float", "float32", ENDIANNESS="BIG", **tiles)

(folder / "kinds").mkdir()


def write_kind(name, values, **options):
    profile = dict(driver="GTiff", width=131, height=97, count=len(values), dtype=values.dtype, crs=CRS.from_epsg(32633),
                   transform=transform, **options)
    with rasterio.open(folder / "kinds" / f"{name}.tif", "w", **profile) as file:
        file.write(values)
        file.set_band_description(1, "first")
        file.scales = [0.5] * len(values)


four = numpy.concatenate([bands, 200 - bands[:1]]).astype("uint8")
write_kind("rgba", four, photometric="RGB", ALPHA="YES")
write_kind("rgbn", four, photometric="MINISBLACK", ALPHA="NO")
write_kind("rgb-and-one", four, photometric="RGB", ALPHA="NO")
write_kind("rgb-and-one-planar", four, photometric="RGB", ALPHA="NO", interleave="band")
write_kind("grey-alpha", four[:2], photometric="MINISBLACK", ALPHA="YES")
smooth = numpy.stack([128 + 100 * numpy.sin(row / 17 + band) * numpy.cos(column / 23) for band in range(3)]).astype("uint8")
for name, options in {"jpeg-ycbcr": dict(photometric="YCBCR"), "jpeg-ycbcr-tiles": dict(photometric="YCBCR", **tiles),
                      "jpeg-rgb": dict(photometric="RGB")}.items():
    write_kind(name, smooth, compress="jpeg", JPEG_QUALITY=90, interleave="pixel", **options)
    with rasterio.open(folder / "kinds" / f"{name}.tif") as file:
        write_kind(f"{name}-decoded", file.read())

# Tiles that are cut off at the border end their LZW stream early.
random = numpy.random.default_rng(3)
for height, width, tile in [(300, 300, 256), (1000, 1000, 256), (300, 512, 256), (512, 300, 256), (150, 210, 64)]:
    y, x = numpy.mgrid[0:height, 0:width]
    contents = {
        "constant": numpy.full((1, height, width), 7),
        "mask": ((numpy.sin(x / 17) * numpy.cos(y / 13)) > 0.3)[None] * 255,
        "noise": random.integers(0, 256, (3, height, width)),
        "photo": 128 + 50 * numpy.stack([numpy.sin(x / 37 + b) + numpy.cos(y / 43 - b) for b in range(3)]) +
                 random.integers(-8, 8, (3, height, width)),
    }
    for content, values in contents.items():
        for predictor, interleave in itertools.product([1, 2], ["pixel", "band"]):
            name = f"lzw-{height}-{width}-{content}-{predictor}-{interleave}"
            values = values.clip(0, 255).astype("uint8")
            for suffix, compress in [("", dict(compress="lzw", predictor=predictor)), ("-decoded", dict(compress="deflate"))]:
                profile = dict(driver="GTiff", width=width, height=height, count=len(values), dtype="uint8", tiled=True,
                               blockxsize=tile, blockysize=tile, interleave=interleave, **compress)
                with rasterio.open(folder / "kinds" / f"{name}{suffix}.tif", "w", **profile) as file:
                    file.write(values)

# Grey in which white is 0 keeps its values; blocks that were never written hold no data.
for dtype in ["uint8", "uint16", "int16", "float32"]:
    for count, layout in itertools.product([1, 2], [{}, tiles]):
        values = bands[:count].astype(dtype)
        name = f"miniswhite-{dtype}-{count}-{'tiles' if layout else 'strips'}"
        for suffix, colour in [("", "MINISWHITE"), ("-decoded", "MINISBLACK")]:
            write_kind(name + suffix, values, photometric=colour, compress="lzw", **layout)
write_kind("miniswhite-bits", (bands[:1] > 50).astype("uint8"), photometric="MINISWHITE", nbits=1)
write_kind("miniswhite-bits-decoded", 255 * (bands[:1] > 50).astype("uint8"))
for suffix, options in [("", dict(SPARSE_OK="TRUE")), ("-decoded", {})]:
    profile = dict(driver="GTiff", width=131, height=97, count=3, dtype="uint8", nodata=9, compress="deflate", **tiles, **options)
    with rasterio.open(folder / "kinds" / f"sparse{suffix}.tif", "w", **profile) as file:
        if suffix:
            file.write(numpy.full((3, 97, 131), 9, dtype="uint8"))
        file.write(bands[:, 16:48, 32:96].astype("uint8"), window=rasterio.windows.Window(32, 16, 64, 32))

# Masks of valid pixels, inside the file and beside it.
valid = numpy.where((row < 20) & (column > 90), 0, 255).astype("uint8")
for name, inside in [("mask-inside", True), ("mask-beside", False)]:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside):
        profile = dict(driver="GTiff", width=131, height=97, count=3, dtype="uint8", compress="deflate", **tiles)
        with rasterio.open(folder / "kinds" / f"{name}.tif", "w", **profile) as file:
            file.write(bands.astype("uint8"))
            file.write_mask(valid)
assert (folder / "kinds" / "mask-beside.tif.msk").exists()

if "zstd" in sys.argv[2:]:
    write("zstd", "uint8", compress="zstd", **tiles)
    write("zstd-predictor", "uint16", compress="zstd", predictor=2)
