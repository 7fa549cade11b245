use super::{EncoderConfig, STRIDE};
use crate::modules::{Downsample, DownsampleConfig, Draws, OssBlock, PatchEmbed, PatchEmbedConfig};
use burn::{Tensor, module::Module, tensor::Device};

/// One stage of the encoder: a downsampling (not in the first) and its blocks.
#[derive(Module, Debug)]
pub struct Stage {
    /// Halves the map; absent in the first stage.
    pub downsample: Option<Downsample>,
    /// The blocks.
    pub blocks: Vec<OssBlock>,
}

/// Four stages at 1/4, 1/8, 1/16 and 1/32 of the image.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The image at a quarter of its size.
    pub patch_embed: PatchEmbed,
    /// The stages.
    pub stages: Vec<Stage>,
}

impl EncoderConfig {
    /// An encoder with initial values.
    pub fn init(&self, device: &Device) -> Encoder {
        self.build(&mut Draws::of(device))
    }

    pub(super) fn build(&self, draws: &mut Draws) -> Encoder {
        // in the order of the data's way: it is the order of the draws
        let patch_embed = PatchEmbedConfig::new(self.bands, self.dims[0]).build(draws);
        let mut stage = |stage: usize| Stage {
            downsample: (stage > 0)
                .then(|| DownsampleConfig::new([self.dims[stage - 1], self.dims[stage]]).build(draws)),
            blocks: (0..self.depths[stage]).map(|index| self.block(stage, index).build(draws)).collect(),
        };
        Encoder { patch_embed, stages: (0..4).map(&mut stage).collect() }
    }
}

impl Encoder {
    /// `[B, bands, H, W]` to the four stages' maps, `[B, H / 2^(s + 2), W / 2^(s + 2), C_s]`. H and W are multiples of 32.
    ///
    /// # Panics
    ///
    /// When the image has another number of bands, or sides that are not.
    pub fn forward(&self, image: Tensor<4>) -> [Tensor<4>; 4] {
        let [_, _, height, width] = image.dims();
        assert!(
            height.is_multiple_of(STRIDE) && width.is_multiple_of(STRIDE),
            "Encoder: sides of {height} and {width} pixels are no multiples of {STRIDE}; pad the image, or use the whole model"
        );
        let mut x = self.patch_embed.forward(image);
        let mut maps = Vec::with_capacity(4);
        for stage in &self.stages {
            if let Some(downsample) = &stage.downsample {
                x = downsample.forward(x);
            }
            x = stage.blocks.iter().fold(x, |x, block| block.forward(x));
            maps.push(x.clone());
        }
        maps.try_into().expect("an encoder has four stages")
    }

    /// Bands of the images that the weights are for.
    pub fn bands(&self) -> usize {
        self.patch_embed.conv1.weight.dims()[1]
    }
}
