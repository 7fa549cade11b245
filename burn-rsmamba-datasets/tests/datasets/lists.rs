//! List files: of names beside shared folders, and of paths.

use std::fs;

use burn_rsmamba_datasets::{DatasetFolder, Dates, SceneOrigin, Split, open};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::support::{at, fill, folder, message};

#[test]
fn names_in_folders_that_splits_share() {
    let root = folder();
    let files = ["A/1.png", "A/2.png", "A/3.png", "B/1.png", "B/2.png", "B/3.png"];
    fill(&root, &files, &["label/1.png", "label/2.png", "label/3.png"]);
    fs::write(at(&root, "list/train.txt"), "\u{feff}2.jpg\r\n\r\n# a remark\r\nA/1.png").unwrap();
    fs::write(at(&root, "list/test.txt"), "3\n").unwrap();
    let names = |split| {
        let set = open(root.path(), Dates::Two, split).unwrap();
        assert_eq!(set.layout, "A/B/label with lists");
        set.scenes.iter().map(|scene| scene.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(Split::Train), ["1", "2"]);
    assert_eq!(names(Split::Test), ["3"]);
    let text = message(open(root.path(), Dates::Two, Split::Val), root.path());
    assert!(text.contains("no val split (A/B/label with lists layout, found train, test)"), "{text}");
    fs::write(at(&root, "list/val.txt"), "4.png\n").unwrap();
    let text = message(open(root.path(), Dates::Two, Split::Val), &root.path().join("label"));
    assert!(text.contains("PATH has no label for 4; add what is missing"), "{text}");
    assert_eq!(DatasetFolder::levir_cd(root.path()).open(Split::Train).unwrap().layout, "LEVIR-CD");
}

#[test]
fn paths_relative_to_the_list() {
    let root = folder();
    fill(&root, &["x/1.png", "y/1.png", "with blanks/2.png"], &["l/1.png", "l/2.png"]);
    fs::write(at(&root, "train.txt"), "x/1.png l/1.png\nwith blanks/2.png, l/2.png\ny/1.png\tl/1.png\n").unwrap();
    let set = DatasetFolder::lists(root.path(), Dates::One).open(Split::Train).unwrap();
    let names: Vec<_> = set.scenes.iter().map(|scene| scene.name.as_str()).collect();
    assert_eq!((names, set.layout), (vec!["1", "1-3", "2"], "list of files"));
    let SceneOrigin::Files { images, label, .. } = &set.scenes[2].source else { panic!("files") };
    assert_eq!(images[0], root.path().join("with blanks/2.png"));
    assert_eq!(label.as_deref(), Some(root.path().join("l/2.png").as_path()));
    assert!(set.scenes.iter().all(|scene| scene.load().is_ok()));

    let text = message(open(root.path(), Dates::Two, Split::Train), root.path());
    assert!(text.starts_with("PATH has the list of files layout of segmentation (one date)"), "{text}");
}

#[test]
fn files_that_are_not_there() {
    let root = folder();
    fill(&root, &["1.png", "2.png"], &["3.png"]);
    let list = at(&root, "val.txt");
    fs::write(&list, "1.png 2.png 3.png\n1.png 4.png 3.png\n").unwrap();
    let folder = DatasetFolder::detect(root.path(), Dates::Two);
    let text = message(folder.open(Split::Val), &list);
    assert!(text.starts_with("PATH has no file for 4.png; add what is missing"), "{text}");
    let set = folder.allow_unpaired(true).open(Split::Val).unwrap();
    assert_eq!((set.scenes.len(), set.warnings.len()), (1, 1));
}

#[test]
fn lines_that_cannot_be_understood() {
    let root = folder();
    fill(&root, &["1.png"], &["2.png"]);
    let list = at(&root, "test.txt");
    let cases: [(&[u8], &str); 7] = [
        (b"", "line 1: it names no files"),
        (b"# nothing\n", "line 1: it names no files"),
        (b"1.png\n", "line 1: it has 1 fields"),
        (b"1.png 2.png\n\n1.png\n", "line 3: it has 1 fields"),
        (b"1.png,\n", "line 1: it has an empty field"),
        (b"1.png 2.png\n1.png\t2.png\n", "line 2: it repeats line 1"),
        (b"1.png 2.png\n\xff\xfe\n", "line 2: it is not UTF-8 text"),
    ];
    for (content, expected) in cases {
        fs::write(&list, content).unwrap();
        let text = message(DatasetFolder::lists(root.path(), Dates::One).open(Split::Test), &list);
        assert!(text.starts_with(&format!("PATH: {expected}; write a line a scene")), "{text}");
    }
}

#[test]
fn damaged_lists_give_an_error_or_scenes() {
    let root = folder();
    fill(&root, &["A/1.png", "B/1.png", "1.png"], &["label/1.png"]);
    let list = at(&root, "train.txt");
    let seed = 20_261_125;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sound: [&[u8]; 4] =
        [b"1.png\n2\n", b"1.png A/1.png\n", b"A/1.png,B/1.png,label/1.png\r\n", b"# x\n1.png\t1.png\t1.png"];
    for _ in 0..2000 {
        let mut bytes = sound[rng.random_range(0..sound.len())].to_vec();
        for _ in 0..rng.random_range(1..5) {
            let index = rng.random_range(0..bytes.len());
            bytes[index] = *b"\n\r\t, #./\xff\xef\x00A1".get(rng.random_range(0..16)).unwrap_or(&b'x');
        }
        fs::write(&list, &bytes).unwrap();
        let open = || {
            let sets = [Dates::One, Dates::Two].map(|dates| open(root.path(), dates, Split::Train));
            sets.into_iter().flatten().all(|set| !set.scenes.is_empty())
        };
        assert!(std::panic::catch_unwind(open).is_ok_and(|sound| sound), "seed {seed}: {bytes:?}");
    }
}
