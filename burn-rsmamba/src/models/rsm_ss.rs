use super::{Decoder, DecoderConfig, Encoder, EncoderConfig, Head, HeadConfig, check_image, with_padding};
use crate::modules::Draws;
use burn::{Tensor, config::Config, module::Module, tensor::Device};

/// Configuration of [`RsmSs`].
///
/// ```
/// use burn_rsmamba::RsmSsConfig;
///
/// let model = RsmSsConfig::micro().init(&Default::default());
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct RsmSsConfig {
    /// The encoder.
    pub encoder: EncoderConfig,
    /// Classes; 1 is a binary mask.
    #[config(default = 1)]
    pub classes: usize,
}

/// RS-Mamba for semantic segmentation.
#[derive(Module, Debug)]
pub struct RsmSs {
    /// The encoder.
    pub encoder: Encoder,
    /// The decoder.
    pub decoder: Decoder,
    /// The head.
    pub head: Head,
}

impl RsmSsConfig {
    /// The paper's model: 50,379,057 parameters with three bands and one class.
    pub fn tiny() -> Self {
        Self::preset("tiny")
    }

    /// Half the width and two thirds of the depth, for a patient CPU.
    pub fn small() -> Self {
        Self::preset("small")
    }

    /// A quarter of the width, five blocks, four states: trains on a CPU.
    pub fn nano() -> Self {
        Self::preset("nano")
    }

    /// The smallest, for tests: a sixth of the width.
    pub fn micro() -> Self {
        Self::preset("micro")
    }

    fn preset(name: &str) -> Self {
        let config = super::ModelConfig::preset(super::Task::Ss, name).expect("a preset of this name");
        Self::new(config.encoder)
    }

    /// A model with initial values, by a seed drawn from the device's generator (`device.seed`).
    ///
    /// # Panics
    ///
    /// When the configuration is not valid (see [`ModelConfig::validate`](super::ModelConfig::validate)).
    pub fn init(&self, device: &Device) -> RsmSs {
        self.build(&mut Draws::of(device))
    }

    /// A model with initial values that depend on the seed alone: the same on every device and platform.
    ///
    /// # Panics
    ///
    /// As [`init`](Self::init).
    pub fn init_seeded(&self, seed: u64, device: &Device) -> RsmSs {
        self.build(&mut Draws::seeded(seed, device))
    }

    fn build(&self, draws: &mut Draws) -> RsmSs {
        let config = super::ModelConfig { task: super::Task::Ss, classes: self.classes, encoder: self.encoder.clone() };
        config.validate().unwrap_or_else(|error| panic!("{error}"));
        let dims = self.encoder.dims;
        RsmSs {
            encoder: self.encoder.build(draws),
            decoder: DecoderConfig::new(dims).build(draws),
            head: HeadConfig::new(dims[0], self.classes).build(draws),
        }
    }
}

impl RsmSs {
    /// Logits of an image of any size, scaled to 0..1 and normalised: `[B, bands, H, W]` to `[B, classes, H, W]`.
    ///
    /// The image is padded at the bottom and right by edge replication to a multiple of 32 and the result cropped back.
    /// On an autodiff device batch normalisation and stochastic depth are in training mode.
    ///
    /// # Panics
    ///
    /// When the image has another number of bands or no pixels.
    pub fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        check_image("RsmSs", "image", self.encoder.bands(), &image);
        with_padding([image], |[image]| self.head.forward(self.decoder.forward(self.encoder.forward(image))))
    }
}
