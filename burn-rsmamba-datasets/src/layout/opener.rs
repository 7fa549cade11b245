//! A dataset folder, and which dataset it is taken for.

use std::path::PathBuf;

use super::template::Layout;
use super::{LAYOUTS, LISTS, OFFICIAL, find, levir, massachusetts, whu};
use crate::{DatasetError, Dates, SceneSet, Split};

/// A dataset folder, before anything in it is looked at.
#[doc = include_str!("layouts.md")]
#[derive(Clone)]
pub struct DatasetFolder {
    root: PathBuf,
    layouts: &'static [&'static Layout],
    dates: Dates,
    allow_unpaired: bool,
}

impl DatasetFolder {
    fn new(root: impl Into<PathBuf>, layouts: &'static [&'static Layout], dates: Dates) -> Self {
        Self { root: root.into(), layouts, dates, allow_unpaired: false }
    }

    /// Whatever layout the folder has.
    ///
    /// ```
    /// # use burn_rsmamba_datasets::{DatasetFolder, Dates, Split};
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let image = image::RgbImage::new(64, 64);
    /// for place in ["train/sat", "train/map"] {
    ///     std::fs::create_dir_all(root.join(place))?;
    ///     image.save(root.join(place).join("10078660_15.png"))?;
    /// }
    /// let set = DatasetFolder::detect(root, Dates::One).open(Split::Train)?;
    /// assert_eq!((set.layout, set.scenes[0].name.as_str()), ("Massachusetts sat/map", "10078660_15"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detect(root: impl Into<PathBuf>, dates: Dates) -> Self {
        Self::new(root, &LAYOUTS, dates)
    }

    /// The layouts of the official RS-Mamba code.
    ///
    /// ```
    /// # use burn_rsmamba_datasets::{DatasetFolder, Dates, Split};
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let image = image::RgbImage::new(64, 64);
    /// for place in ["test/t1", "test/t2", "test/label"] {
    ///     std::fs::create_dir_all(root.join(place))?;
    ///     image.save(root.join(place).join("1.png"))?;
    /// }
    /// let set = DatasetFolder::official(root, Dates::Two).open(Split::Test)?;
    /// assert_eq!(set.scenes[0].load()?.images.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn official(root: impl Into<PathBuf>, dates: Dates) -> Self {
        Self::new(root, &OFFICIAL, dates)
    }

    /// LEVIR-CD.
    ///
    /// ```
    /// # use burn_rsmamba_datasets::{DatasetFolder, Split};
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let image = image::RgbImage::new(64, 64);
    /// for place in ["test/A", "test/B", "test/label"] {
    ///     std::fs::create_dir_all(root.join(place))?;
    ///     image.save(root.join(place).join("test_1.png"))?;
    /// }
    /// let set = DatasetFolder::levir_cd(root).open(Split::Test)?;
    /// // it lacks 127 of the published pairs
    /// assert!(set.warnings[0].to_string().starts_with("test: 1 scenes, where LEVIR-CD has 128"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn levir_cd(root: impl Into<PathBuf>) -> Self {
        Self::new(root, &levir::LEVIR_CD, Dates::Two)
    }

    /// WHU-CD: the published scenes, or tiles of them.
    ///
    /// ```
    /// # use burn_rsmamba_datasets::{DatasetFolder, Split};
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let image = image::RgbImage::new(1000, 200);
    /// for file in ["before/before.tif", "after/after.tif", "change label/change_label.tif"] {
    ///     std::fs::create_dir_all(root.join(file).parent().unwrap())?;
    ///     let file = std::fs::File::create(root.join(file))?;
    ///     tiff::encoder::TiffEncoder::new(file)?.write_image::<tiff::encoder::colortype::RGB8>(1000, 200, &image)?;
    /// }
    /// let set = DatasetFolder::whu_cd(root).open(Split::Val)?;
    /// let mut reader = set.scenes[0].reader()?;
    /// assert_eq!((reader.height(), reader.width()), (200, 70));
    /// let part = reader.window(0, 0, 32, 32)?;
    /// assert_eq!(part.images.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn whu_cd(root: impl Into<PathBuf>) -> Self {
        Self::new(root, &whu::WHU_CD, Dates::Two)
    }

    /// WHU Building.
    ///
    /// ```
    /// # use burn_rsmamba_datasets::{DatasetFolder, Split};
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let image = image::RgbImage::new(64, 64);
    /// for place in ["val/Image", "val/Mask"] {
    ///     std::fs::create_dir_all(root.join(place))?;
    ///     image.save(root.join(place).join("1.png"))?;
    /// }
    /// let set = DatasetFolder::whu_building(root).open(Split::Val)?;
    /// assert_eq!(set.scenes.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn whu_building(root: impl Into<PathBuf>) -> Self {
        Self::new(root, &whu::WHU_BUILDING, Dates::One)
    }

    /// Massachusetts Roads.
    ///
    /// ```
    /// # use burn_rsmamba_datasets::{DatasetFolder, Split};
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let image = image::RgbImage::new(64, 64);
    /// for file in ["tiff/val/10228690_15.tiff", "tiff/val_labels/10228690_15.tif"] {
    ///     std::fs::create_dir_all(root.join(file).parent().unwrap())?;
    ///     let file = std::fs::File::create(root.join(file))?;
    ///     tiff::encoder::TiffEncoder::new(file)?.write_image::<tiff::encoder::colortype::RGB8>(64, 64, &image)?;
    /// }
    /// let set = DatasetFolder::massachusetts_roads(root).open(Split::Val)?;
    /// assert_eq!(set.scenes[0].load()?.images[0].bands, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn massachusetts_roads(root: impl Into<PathBuf>) -> Self {
        Self::new(root, &massachusetts::MASSACHUSETTS_ROADS, Dates::One)
    }

    /// Any files, named by `train.txt`, `val.txt` and `test.txt`.
    ///
    /// ```
    /// # use burn_rsmamba_datasets::{DatasetFolder, Dates, Split};
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let image = image::RgbImage::new(64, 64);
    /// for file in ["2019.png", "2023.png", "new.png"] {
    ///     image.save(root.join(file))?;
    /// }
    /// std::fs::write(root.join("train.txt"), "# before after label\n2019.png 2023.png new.png\n")?;
    /// let set = DatasetFolder::lists(root, Dates::Two).open(Split::Train)?;
    /// assert_eq!(set.scenes[0].name, "2019");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lists(root: impl Into<PathBuf>, dates: Dates) -> Self {
        Self::new(root, &LISTS, dates)
    }

    /// Whether files without partners are left out with a warning; by default they are an error.
    #[must_use]
    pub fn allow_unpaired(self, allow: bool) -> Self {
        Self { allow_unpaired: allow, ..self }
    }

    /// Finds the scenes of a split. Nothing is decoded yet, but for the size of a whole scene that splits share.
    ///
    /// # Errors
    /// A folder that is missing, empty, of no known layout or of one for the other number of dates; a split that is not
    /// there; files without partners, unless they are allowed; a list file that cannot be understood.
    pub fn open(&self, split: Split) -> Result<SceneSet, DatasetError> {
        find(&self.root, self.layouts, self.dates, split, self.allow_unpaired)
    }
}
