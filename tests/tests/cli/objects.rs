//! What `predict` makes of marked pixels: polygons, small objects taken away, pictures, the page about a folder.

use super::fixture::{Fixture, Ran, halving_threshold, scene, trained, utm, write, write_geotiff};
use super::page;
use base64::{Engine, prelude::BASE64_STANDARD};
use burn_rsmamba_datasets::{GeoTags, Pixels, RasterFile};
use geojson::FeatureCollection;
use image::{Rgb, RgbImage, imageops};
use serde_json::Value;
use std::fs;

/// A georeferenced scene of 100 × 70 pixels of half a unit.
fn write_scene(fixture: &Fixture, name: &str) {
    let picture = imageops::resize(&scene(1).0, 100, 70, imageops::FilterType::Nearest);
    let tags = GeoTags { georeference: Some(utm(400_000.0, 32633)), ..GeoTags::default() };
    write_geotiff(&fixture.path(name), &picture, &tags);
}

fn pixels(fixture: &Fixture, name: &str) -> Pixels {
    let mut file = RasterFile::open(&fixture.path(name)).expect("a map");
    let (height, width) = (file.height(), file.width());
    file.window(0, 0, height, width).expect("its pixels").pixels
}

/// Predicts the scene with a threshold at which half of the pixels are marked, and more flags.
fn predict(fixture: &Fixture, input: &str, out: &str, more: &[&str]) -> Ran {
    let base = ["predict", "--model", "run", "--input", input, "--out"];
    fixture.json(&[&base[..], &["first", "--prob", "--force"]].concat());
    let threshold = halving_threshold(&fixture.path("first/scene_prob.tif"));
    fixture.run(&[&base[..], &[out, "--threshold", &threshold], more].concat())
}

#[test]
fn polygons_have_the_pixels_of_the_mask_and_small_things_are_gone() {
    let fixture = trained();
    write_scene(&fixture, "scene.tif");
    let objects = |out: &str, more: &[&str]| {
        let ran = predict(&fixture, "scene.tif", out, &[&["--polygons"], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let text = fs::read_to_string(fixture.path(out).join("scene_polygons.geojson")).expect("polygons");
        let found: FeatureCollection = text.parse().expect("GeoJSON");
        assert_eq!(report["objects"], found.features.len(), "{report}");
        assert!(text.contains("urn:ogc:def:crs:EPSG::32633"), "{text}");
        let Pixels::U8(mask) = pixels(&fixture, &format!("{out}/scene_mask.tif")) else { panic!("bytes") };
        let property = |name: &str| -> Vec<f64> {
            found.features.iter().map(|f| f.property(name).and_then(Value::as_f64).expect("a number")).collect()
        };
        let areas = property("area");
        let marked = mask.iter().map(|&value| f64::from(value / 255)).sum::<f64>();
        assert!((property("pixels").iter().sum::<f64>() - marked).abs() < 1e-9);
        assert!((areas.iter().sum::<f64>() - marked * 0.25).abs() < 1e-9);
        assert_eq!(report["marked"], marked / 7000.0);
        (areas, mask)
    };
    let (all, mask) = objects("all", &[]);
    assert!(all.iter().any(|&area| area < 3.0), "something is small: {all:?}");
    let (large, units) = objects("units", &["--min-area", "3u2"]);
    let expected: Vec<f64> = all.iter().copied().filter(|&area| area >= 3.0).collect();
    assert_eq!(large.len(), expected.len(), "{large:?}, {expected:?}");
    let (_, same) = objects("pixels", &["--min-area", "12"]);
    assert_eq!(units, same);
    let (_, filled) = objects("filled", &["--min-area", "100000", "--fill-holes"]);
    assert!(filled.iter().all(|&value| value == 0) && mask != units);
}

#[test]
fn units_need_a_georeference_and_filling_an_area() {
    let fixture = trained();
    write(&fixture.path("scene.png"), &scene(0).0);
    let base = ["predict", "--model", "run", "--input", "scene.png", "--out", "maps"];
    let error = fixture.error(1, &[&base[..], &["--min-area", "25u2"]].concat());
    assert!(error.contains("scene.png") && error.contains("--min-area"), "{error}");
    let ran = fixture.run(&[&base[..], &["--fill-holes"]].concat());
    assert_eq!(ran.code, 2, "{}", ran.stderr);

    let report = fixture.json(&[&base[..], &["--polygons"]].concat());
    let text = fs::read_to_string(fixture.path("maps/scene_polygons.geojson")).expect("polygons");
    assert!(text.contains("Pixel coordinates") && !text.contains("crs"), "{text}");
    assert_eq!(report["objects"], text.parse::<FeatureCollection>().expect("GeoJSON").features.len());
    // no overwriting
    let error = fixture.error(2, &[&base[..], &["--polygons"]].concat());
    assert!(error.contains("--force"), "{error}");
}

#[test]
fn overlays_of_wide_scenes_are_reduced() {
    let fixture = trained();
    write(&fixture.path("wide.png"), &imageops::resize(&scene(1).0, 2100, 33, imageops::FilterType::Nearest));
    fixture.json(&["predict", "--model", "run", "--input", "wide.png", "--out", "maps", "--overlay"]);
    let overlay = image::open(fixture.path("maps/wide_overlay.png")).expect("an overlay");
    assert_eq!((overlay.width(), overlay.height()), (1050, 17));
}

#[test]
fn the_page_about_a_folder_holds_everything_and_escapes_names() {
    let fixture = trained();
    let awkward = r#"a <b>&"c' #1%.png"#;
    write(&fixture.path("input").join(awkward), &scene(0).0);
    write(&fixture.path("input/wide.png"), &RgbImage::from_pixel(900, 40, Rgb([70, 80, 90])));
    fs::write(fixture.path("input/bad.png"), "no image").expect("written");
    let arguments = ["predict", "--model", "run", "--input", "input", "--out", "maps", "--html", "--polygons"];
    assert_eq!(fixture.run(&arguments).code, 1, "one cannot be read");
    let text = fs::read_to_string(fixture.path("maps/index.html")).expect("the page");
    let elements = page::elements(&text);
    let texts = |name: &str| -> Vec<&str> {
        elements.iter().filter(|element| element.name == name).map(|element| element.text.as_str()).collect()
    };
    let attributes = |name: &str, key: &str| -> Vec<&str> {
        let named = elements.iter().filter(|element| element.name == name);
        named.filter_map(|element| element.attributes.get(key).map(String::as_str)).collect()
    };
    assert_eq!(texts("title"), ["2 of 3 scenes mapped"]);
    assert_eq!(texts("h2"), [awkward, "wide.png", "bad.png"]);
    let known =
        ["html", "head", "meta", "title", "style", "body", "h1", "h2", "table", "tr", "th", "td", "article", "div"];
    let known = [&known[..], &["figure", "img", "figcaption", "a", "p"]].concat();
    let other: Vec<_> = elements.iter().filter(|element| !known.contains(&element.name.as_str())).collect();
    assert!(other.is_empty(), "names of files are no elements, and nothing is loaded: {other:?}");
    assert!(texts("p").len() == 1 && texts("p")[0].contains("bad.png"), "{:?}", texts("p"));
    let sizes: Vec<(u32, u32)> = attributes("img", "src")
        .iter()
        .map(|source| {
            let data = source.strip_prefix("data:image/jpeg;base64,").expect("a picture within the page");
            let picture = image::load_from_memory(&BASE64_STANDARD.decode(data).expect("base64")).expect("a JPEG");
            (picture.width(), picture.height())
        })
        .collect();
    assert_eq!(sizes, [(64, 64), (64, 64), (300, 14), (300, 14)]);
    assert_eq!(attributes("img", "alt")[0], awkward);
    // links lead to the files beside the page
    let links = attributes("a", "href");
    assert_eq!(links.len(), 4);
    assert!(links[0].starts_with("a%20%3Cb%3E%26%22c%27%20%231%25%5Fmask%2Epng"), "{links:?}");

    let error =
        fixture.error(2, &["predict", "--model", "run", "--input", "seg/test/image", "--out", "maps", "--html"]);
    assert!(error.contains("index.html") && error.contains("--force"), "{error}");
}
