//! A temporary folder, small datasets in it, and runs of the program.

use burn_rsmamba_datasets::{GeoReference, GeoTags, Pixels, Raster, RasterFile};
use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A folder for one test.
pub(crate) struct Fixture {
    folder: TempDir,
}

/// A threshold at which half of the pixels of a map of probabilities are marked.
pub(crate) fn halving_threshold(map: &Path) -> String {
    let mut file = RasterFile::open(map).expect("a map");
    let (height, width) = (file.height(), file.width());
    let pixels = file.window(0, 0, height, width).expect("its pixels").pixels;
    let Pixels::F32(mut values) = pixels else { panic!("floats") };
    values.sort_by(f32::total_cmp);
    values[values.len() / 2].to_string()
}

/// A picture of many rows of windows of 32.
pub(crate) fn tall() -> RgbImage {
    let scenes: Vec<RgbImage> = (0..4).map(|index| scene(index).0).collect();
    RgbImage::from_fn(64, 1600, |x, y| *scenes[y as usize / 64 % 4].get_pixel(x, y % 64))
}

/// Files of two folders that have to be alike.
pub(crate) fn same_files(left: &Path, right: &Path, names: &[&str]) {
    for name in names {
        let read = |folder: &Path| fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(read(left) == read(right), "{name} differs");
    }
}

/// The files of a folder but for the hidden record, in order.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("there").map(|entry| entry.expect("readable").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name != ".burn-rsmamba-predict.jsonl");
    names.sort();
    names
}

/// What a run left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, in the folder, without the caller's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_burn-rsmamba-cli-under-test"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("NO_COLOR", "1");
        // Graphics libraries complain on stderr where it is not set.
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        // Where LibTorch is found, in builds with it.
        command.envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("the program starts");
        Ran {
            code: status.code().expect("no signal"),
            stdout: String::from_utf8(stdout).expect("text"),
            stderr: String::from_utf8(stderr).expect("text"),
        }
    }

    /// Runs and expects success; the last line of stdout as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}\n{}", ran.stderr);
        serde_json::from_str(ran.stdout.lines().last().expect("a line")).expect("JSON on the last line of stdout")
    }

    /// Runs and expects one line of error with this code; returns it.
    pub(crate) fn error(&self, code: i32, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}\n{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{arguments:?}: one line of error\n{}", ran.stderr);
        errors[0].to_owned()
    }

    /// A segmentation dataset in the official layout: bright squares on dark ground.
    pub(crate) fn segmentation(&self, name: &str) -> PathBuf {
        let root = self.path(name);
        for (split, count) in [("train", 4), ("val", 2), ("test", 2)] {
            for index in 0..count {
                let (image, label) = scene(index);
                write(&root.join(split).join("image").join(format!("s{index}.png")), &image);
                write_label(&root.join(split).join("label").join(format!("s{index}.png")), &label);
            }
        }
        root
    }

    /// A change-detection dataset in LEVIR's layout: squares appear.
    pub(crate) fn change(&self, name: &str) -> PathBuf {
        let root = self.path(name);
        for (split, count) in [("train", 4), ("val", 2), ("test", 2)] {
            for index in 0..count {
                let (image, label) = scene(index);
                let before = RgbImage::from_fn(64, 64, |x, y| ground(x, y, index));
                write(&root.join(split).join("A").join(format!("s{index}.png")), &before);
                write(&root.join(split).join("B").join(format!("s{index}.png")), &image);
                write_label(&root.join(split).join("label").join(format!("s{index}.png")), &label);
            }
        }
        root
    }
}

/// A folder with a segmentation dataset in `seg` and a model that was trained on it for one epoch in `run`.
pub(crate) fn trained() -> Fixture {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    fixture.json(&train("ss", data.to_str().expect("text"), "run", &["--epochs", "1"]));
    fixture
}

/// How long a run may take to come to the moment that a test waits for: a hang is told from a slow machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// Starts a command and waits until `reached` holds; the child runs on. Where that never comes the test fails, says what was
/// awaited, and leaves no child behind.
pub(crate) fn start_until(command: &mut Command, awaited: &str, reached: impl Fn() -> bool) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        if child.try_wait().expect("a child").is_some() {
            // between the last look and its end it may have come there
            if reached() {
                break;
            }
            let Output { status, stderr, .. } = child.wait_with_output().expect("it ended");
            panic!("it ended ({status}) before there was {awaited}: {}", String::from_utf8_lossy(&stderr));
        }
        if Instant::now() > deadline {
            child.kill().expect("killed");
            child.wait().expect("gone");
            panic!("after {PATIENCE:?} there was not yet {awaited}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

/// Starts a command and kills it as soon as `reached` holds.
pub(crate) fn kill_when(command: &mut Command, awaited: &str, reached: impl Fn() -> bool) {
    let mut child = start_until(command, awaited, reached);
    child.kill().expect("killed");
    child.wait().expect("gone");
}

/// Whether a file is there and holds at least so many bytes.
pub(crate) fn holds(file: &Path, bytes: u64) -> bool {
    fs::metadata(file).is_ok_and(|file| file.len() >= bytes)
}

/// Flags of a training that takes seconds in an unoptimised build.
pub(crate) const SMALL: &[&str] = &[
    "--preset",
    "micro",
    "--set",
    "model.dims=[4, 8, 16, 32]",
    "--set",
    "model.depths=[1, 1, 1, 1]",
    "--crop",
    "32",
    "--batch",
    "4",
    "--warmup-steps",
    "1",
    "--validate-from",
    "1",
    "--validate-every",
    "1",
];

/// `train` on a dataset with the small settings and more flags, which win.
pub(crate) fn train<'a>(task: &'a str, data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["train", "--task", task, "--data", data, "--out", out];
    arguments.extend(merged(SMALL, more));
    arguments
}

/// Pairs of flag and value that no other flag replaces, then the others.
pub(crate) fn merged<'a>(defaults: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let kept = defaults.chunks(2).filter(|pair| pair[0] == "--set" || !more.contains(&pair[0]));
    kept.flatten().chain(more).copied().collect()
}

fn ground(x: u32, y: u32, index: u32) -> Rgb<u8> {
    let value = (40 + (x * 7 + y * 13 + index * 29) % 40) as u8;
    Rgb([value, value / 2 + 20, value / 3 + 10])
}

/// A 64×64 image and its label.
pub(crate) fn scene(index: u32) -> (RgbImage, GrayImage) {
    let inside = |x: u32, y: u32| {
        let (left, top) = (8 + index * 5, 10 + index * 3);
        (left..left + 24).contains(&x) && (top..top + 20).contains(&y)
    };
    let image = RgbImage::from_fn(64, 64, |x, y| if inside(x, y) { Rgb([200, 180, 170]) } else { ground(x, y, index) });
    let label = GrayImage::from_fn(64, 64, |x, y| Luma([if inside(x, y) { 255 } else { 0 }]));
    (image, label)
}

/// Writes a picture and the folders above it.
pub(crate) fn write(path: &Path, image: &RgbImage) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    image.save(path).expect("written");
}

/// Writes a label and the folders above it.
pub(crate) fn write_label(path: &Path, label: &GrayImage) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    label.save(path).expect("written");
}

/// Pixels of half a metre from (`x`, 5,900,000) on, in a zone of UTM by its EPSG code.
pub(crate) fn utm(x: f64, epsg: u16) -> GeoReference {
    GeoReference {
        transform: [x, 0.5, 0.0, 5_900_000.0, 0.0, -0.5],
        keys: vec![1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, epsg],
        doubles: Vec::new(),
        ascii: String::new(),
    }
}

/// Writes a raster as a GeoTIFF, and the folders above it.
pub(crate) fn write_raster(path: &Path, raster: &Raster, tags: &GeoTags) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    raster.write_geotiff(fs::File::create(path).expect("made"), tags).expect("written");
}

/// Writes a picture as a GeoTIFF of bytes, and the folders above it.
pub(crate) fn write_geotiff(path: &Path, picture: &RgbImage, tags: &GeoTags) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = Pixels::U8(picture.as_raw().clone());
    write_raster(path, &Raster { width, height, bands: 3, pixels }, tags);
}
