//! The effective receptive field of an encoder: which pixels of an image move the middle of its deepest map.

use crate::models::{Encoder, STRIDE};
use burn::Tensor;

/// Gradient energy by pixel (Luo et al. 2016, arXiv 1701.04128): for the sum of all channels of the middle pixel of the
/// deepest map, the squared gradient by the image, summed over bands, mean over images.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceptiveField {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `height * width` energies, row-major.
    pub energy: Vec<f64>,
}

impl ReceptiveField {
    /// Measures it on images `[B, bands, H, W]`, normalised as in training, on an autodiff device with the encoder. No branch is
    /// dropped.
    ///
    /// # Panics
    ///
    /// When the images are not on an autodiff device, have other bands than the encoder reads, or sides that are no multiples
    /// of 32.
    pub fn of(encoder: &Encoder, images: Tensor<4>) -> Self {
        let [batch, bands, height, width] = images.dims();
        assert!(images.device().is_autodiff(), "ReceptiveField: images must be on an autodiff device");
        assert!(
            bands == encoder.bands() && height % STRIDE == 0 && width % STRIDE == 0 && batch * height * width > 0,
            "ReceptiveField: images must be [batch, {}, multiple of 32, multiple of 32], got {:?}",
            encoder.bands(),
            images.dims()
        );
        let mut encoder = encoder.clone();
        for block in encoder.stages.iter_mut().flat_map(|stage| &mut stage.blocks) {
            block.drop_path.probability = 0.0;
        }
        let images = images.require_grad();
        let [.., deepest] = encoder.forward(images.clone());
        let [_, rows, columns, _] = deepest.dims();
        let middle = deepest.narrow(1, rows / 2, 1).narrow(2, columns / 2, 1).sum();
        let gradient = images.grad(&middle.backward()).expect("every pixel is in the graph");
        let energy = gradient.square().sum_dim(1).mean_dim(0).into_data().convert::<f64>();
        Self { height, width, energy: energy.try_into_vec().expect("floats") }
    }

    /// The share of the energy at most `radius` pixels (Euclidean) from the middle of the field.
    pub fn share_within(&self, radius: f64) -> f64 {
        let (mut inside, mut all) = (0.0, 0.0);
        for (index, energy) in self.energy.iter().enumerate() {
            let (row, column) = ((index / self.width) as f64, (index % self.width) as f64);
            let (down, across) = (row + 0.5 - middle(self.height), column + 0.5 - middle(self.width));
            all += energy;
            inside += if down.hypot(across) <= radius { *energy } else { 0.0 };
        }
        if all > 0.0 { inside / all } else { 0.0 }
    }
}

/// The middle of the patch of 32 pixels that the middle pixel of the deepest map stands for.
fn middle(side: usize) -> f64 {
    (side / STRIDE / 2 * STRIDE + STRIDE / 2) as f64
}
