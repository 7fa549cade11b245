use burn_rsmamba_datasets::{LabelRule, read_label};
use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::support::{at, folder, label, message, read_mask};

#[test]
fn plainly_binary_labels_are_read() {
    let root = folder();
    let path = at(&root, "label.png");
    let cases: [(&[u8], [u8; 2]); 5] =
        [(&[0, 1], [0, 1]), (&[0, 255], [0, 1]), (&[0], [0, 0]), (&[1], [1, 1]), (&[255], [1, 1])];
    for (values, expected) in cases {
        label(2, 1, values).save(&path).unwrap();
        let mask = read_mask(&path).unwrap();
        assert_eq!((mask.width, mask.height, mask.data), (2, 1, expected.to_vec()), "{values:?}");
    }
}

#[test]
fn three_equal_bands_are_one() {
    let root = folder();
    let path = at(&root, "label.png");
    RgbImage::from_fn(2, 1, |x, _| Rgb([x as u8 * 255; 3])).save(&path).unwrap();
    assert_eq!(read_mask(&path).unwrap().data, [0, 1]);
    RgbaImage::from_fn(2, 1, |x, _| Rgba([x as u8, x as u8, x as u8, 255])).save(&path).unwrap();
    assert_eq!(read_mask(&path).unwrap().data, [0, 1]);
}

#[test]
fn other_values_are_listed() {
    let root = folder();
    let path = at(&root, "label.png");
    let cases: [(&[u8], &str); 6] = [
        (&[1, 2], "1, 2"),
        (&[1, 255], "1, 255"),
        (&[0, 1, 255], "0, 1, 255"),
        (&[128], "128"),
        (&[7, 6, 5, 4, 3, 2, 1, 0], "0, 1, 2, 3, 4, 5, 6, 7"),
        (&[8, 7, 6, 5, 4, 3, 2, 1, 0, 9], "0, 1, 2, 3, 4, 5, 6, 7 and more"),
    ];
    for (values, expected) in cases {
        label(20, 1, values).save(&path).unwrap();
        assert_eq!(
            message(read_mask(&path), &path),
            format!(
                "PATH is not a binary label: it holds the values {expected}; convert it to 0 (background) and 255 (target), \
                 or say which are target by a label rule, for instance nonzero, threshold:128 or map:2"
            )
        );
    }
}

#[test]
fn colours_are_refused() {
    let root = folder();
    let path = at(&root, "label.png");
    RgbImage::from_fn(3, 1, |x, _| Rgb([if x == 2 { 255 } else { 0 }, 0, 0])).save(&path).unwrap();
    assert_eq!(
        message(read_mask(&path), &path),
        "PATH is a coloured label (found 255/0/0); convert it to one grey band of 0 (background) and 255 (target), \
         or say which colours are target by a label rule, for instance nonzero or channel:0"
    );
}

#[test]
fn sixteen_bit_labels_follow_the_same_rule() {
    let root = folder();
    let path = at(&root, "label.png");
    let save = |largest: u16| {
        image::ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(2, 1, |x, _| Luma([x as u16 * largest]))
            .save(&path)
            .unwrap();
    };
    save(255);
    assert_eq!(read_mask(&path).unwrap().data, [0, 1]);
    save(65_535);
    assert!(message(read_mask(&path), &path).contains("the values 0, 65535; convert it"));
}

#[test]
fn jpeg_labels_are_caught_by_their_greys() {
    let root = folder();
    let path = at(&root, "label.jpg");
    GrayImage::from_fn(32, 32, |x, y| Luma([if x > y { 255 } else { 0 }])).save(&path).unwrap();
    assert!(message(read_mask(&path), &path).contains(" and more; convert it to 0 (background) and 255"));
}

#[test]
fn rules_say_which_pixels_are_target() {
    let root = folder();
    let (grey, red) = (at(&root, "grey.png"), at(&root, "red.png"));
    label(6, 1, &[0, 1, 2, 127, 128, 255]).save(&grey).unwrap();
    RgbImage::from_fn(3, 1, |x, _| Rgb([[0, 200, 0][x as usize], [0, 0, 90][x as usize], 0])).save(&red).unwrap();
    let read = |path, rule: &str| {
        let rule: LabelRule = rule.parse().unwrap();
        assert_eq!(rule.to_string().parse::<LabelRule>().unwrap(), rule);
        read_label(path, &rule).unwrap().data
    };
    assert_eq!(read(&grey, "nonzero"), [0, 1, 1, 1, 1, 1]);
    assert_eq!(read(&grey, "threshold:128"), [0, 0, 0, 0, 1, 1]);
    assert_eq!(read(&grey, "map:2,255"), [0, 0, 1, 0, 0, 1]);
    assert_eq!(read(&grey, "channel:0"), [0, 0, 0, 0, 1, 1]);
    assert_eq!(read(&red, "nonzero"), [0, 1, 1]);
    assert_eq!(read(&red, "channel:0"), [0, 1, 0]);
    assert_eq!(read(&red, "channel:1"), [0, 0, 0]);
    assert_eq!(read(&red, "threshold:90"), [0, 1, 1]);
    let refused = message(read_label(&red, &LabelRule::Channel(3)), &red);
    assert_eq!(refused, "PATH has 3 band(s), counted from 0, and the label rule asks for channel 3; choose another");
    assert!(message(read_label(&red, &LabelRule::Map(vec![2.0])), &red).contains("is a coloured label"));
    for wrong in ["", "map", "map:a", "threshold:", "channel:-1", "nonzero:1", "threshold:inf"] {
        assert!(wrong.parse::<LabelRule>().unwrap_err().contains("threshold:VALUE"), "{wrong}");
    }
}

#[test]
fn classes_keep_their_index_and_others_are_refused() {
    let root = folder();
    let path = at(&root, "label.png");
    let rule: LabelRule = "classes:4".parse().unwrap();
    assert_eq!((rule.classes(), rule.ignores()), (4, false));
    label(4, 1, &[3, 0, 2, 1]).save(&path).unwrap();
    let mask = read_label(&path, &rule).unwrap();
    assert_eq!((mask.data.clone(), mask.target()), (vec![3, 0, 2, 1], 3));
    label(4, 1, &[4, 0, 255, 1]).save(&path).unwrap();
    assert_eq!(
        message(read_label(&path, &rule), &path),
        "PATH holds the values 4, 255, but its classes are 0 to 3; change the number of classes, or name the value of pixels \
         that count nowhere by a label rule, for instance ignore:255:classes:4"
    );
}

#[test]
fn ignored_pixels_count_nowhere_and_are_not_checked() {
    let root = folder();
    let path = at(&root, "label.png");
    let cases: [(&str, &[u8], &[u8]); 4] = [
        ("ignore:255:classes:3", &[2, 0, 255, 1], &[2, 0, 255, 1]),
        ("ignore:7:auto", &[0, 7, 255, 7], &[0, 255, 1, 255]),
        ("ignore:7:auto", &[7, 7], &[255, 255]),
        ("ignore:0:threshold:128", &[0, 127, 128], &[255, 0, 1]),
    ];
    for (rule, values, expected) in cases {
        let parsed: LabelRule = rule.parse().unwrap();
        assert_eq!(parsed.to_string(), rule);
        assert!(parsed.ignores());
        label(values.len() as u32, 1, values).save(&path).unwrap();
        let mask = read_label(&path, &parsed).unwrap();
        assert_eq!(mask.data, expected, "{rule}");
        assert_eq!(mask.target(), expected.iter().filter(|value| (1..255).contains(*value)).count(), "{rule}");
    }
    // Of a colour only where every band has the value.
    RgbImage::from_fn(2, 1, |x, _| if x == 0 { Rgb([9; 3]) } else { Rgb([9, 9, 0]) }).save(&path).unwrap();
    assert_eq!(read_label(&path, &"ignore:9:nonzero".parse().unwrap()).unwrap().data, [255, 1]);
}

#[test]
fn half_a_rule_is_none() {
    for text in ["classes", "classes:1", "classes:300", "ignore:255", "ignore:x:auto", "ignore:255:", "ignore:255:huh"]
    {
        assert!(text.parse::<LabelRule>().is_err(), "{text}");
    }
}

#[test]
fn a_rule_ignores_one_value() {
    // deep enough for the stack of a thread, if each were a call
    for text in ["ignore:9:ignore:8:auto".to_string(), "ignore:0:".repeat(200_000)] {
        let error = text.parse::<LabelRule>().unwrap_err();
        assert!(error.contains("`ignore` names one value") && error.contains("; write ignore:VALUE:RULE"), "{error}");
        assert!(error.len() < 300, "{}", error.len());
    }
}
