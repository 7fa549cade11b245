use super::{Decoder, DecoderConfig, Encoder, EncoderConfig, Head, HeadConfig, check_image, with_padding};
use crate::modules::{ConvNormRelu, ConvNormReluConfig, Draws};
use burn::{Tensor, config::Config, module::Module, tensor::Device};

/// Configuration of [`RsmCd`].
///
/// ```
/// use burn_rsmamba::RsmCdConfig;
///
/// let model = RsmCdConfig::micro().init(&Default::default());
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct RsmCdConfig {
    /// The encoder.
    pub encoder: EncoderConfig,
    /// Classes; 1 is a binary change mask.
    #[config(default = 1)]
    pub classes: usize,
}

/// RS-Mamba for change detection: one encoder for both dates.
#[derive(Module, Debug)]
pub struct RsmCd {
    /// The encoder.
    pub encoder: Encoder,
    /// Fusion of the two dates, one a stage.
    pub fuse: Vec<ConvNormRelu>,
    /// The decoder.
    pub decoder: Decoder,
    /// The head.
    pub head: Head,
}

impl RsmCdConfig {
    /// The paper's model: 51,948,657 parameters with three bands and one class.
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
        let config = super::ModelConfig::preset(super::Task::Cd, name).expect("a preset of this name");
        Self::new(config.encoder)
    }

    /// A model with initial values, by a seed drawn from the device's generator (`device.seed`).
    ///
    /// # Panics
    ///
    /// When the configuration is not valid (see [`ModelConfig::validate`](super::ModelConfig::validate)).
    pub fn init(&self, device: &Device) -> RsmCd {
        self.build(&mut Draws::of(device))
    }

    /// A model with initial values that depend on the seed alone: the same on every device and platform.
    ///
    /// # Panics
    ///
    /// As [`init`](Self::init).
    pub fn init_seeded(&self, seed: u64, device: &Device) -> RsmCd {
        self.build(&mut Draws::seeded(seed, device))
    }

    fn build(&self, draws: &mut Draws) -> RsmCd {
        let config = super::ModelConfig { task: super::Task::Cd, classes: self.classes, encoder: self.encoder.clone() };
        config.validate().unwrap_or_else(|error| panic!("{error}"));
        let dims = self.encoder.dims;
        RsmCd {
            encoder: self.encoder.build(draws),
            fuse: dims.iter().map(|&dim| ConvNormReluConfig::new([2 * dim, dim]).build(draws)).collect(),
            decoder: DecoderConfig::new(dims).build(draws),
            head: HeadConfig::new(dims[0], self.classes).build(draws),
        }
    }
}

impl RsmCd {
    /// Change logits of two dates of one place, of any size, scaled to 0..1 and normalised: `[B, bands, H, W]` each to `[B, classes, H, W]`.
    ///
    /// Padding and training mode as in [`RsmSs::forward`](super::RsmSs::forward).
    ///
    /// # Panics
    ///
    /// When the dates differ in size, have another number of bands or no pixels.
    pub fn forward(&self, before: Tensor<4>, after: Tensor<4>) -> Tensor<4> {
        check_image("RsmCd", "before", self.encoder.bands(), &before);
        assert!(
            before.dims() == after.dims(),
            "RsmCd: `before` and `after` must have one shape, got {:?} and {:?}",
            before.dims(),
            after.dims()
        );
        with_padding([before, after], |[before, after]| {
            // Nothing in the encoder mixes samples, so both dates go through it as one batch.
            let batch = before.dims()[0];
            let maps = self.encoder.forward(Tensor::cat(vec![before, after], 0));
            let mut fused = maps.into_iter().zip(&self.fuse).map(|(map, fuse)| {
                let (before, after) = (map.clone().narrow(0, 0, batch), map.narrow(0, batch, batch));
                fuse.fuse(before, after)
            });
            let maps = std::array::from_fn(|_| fused.next().expect("four stages"));
            self.head.forward(self.decoder.forward(maps))
        })
    }
}
