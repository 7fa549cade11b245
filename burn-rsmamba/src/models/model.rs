use super::{Encoder, RsmCd, RsmSs, Task};
use crate::modules::BatchNorm2d;
use burn::{Tensor, module::Module};

/// Either model, behind one call: what a weights file holds and a command line runs.
#[derive(Module, Debug)]
pub enum RsmModel {
    /// Segmentation.
    Ss(RsmSs),
    /// Change detection.
    Cd(RsmCd),
}

impl RsmModel {
    /// What the model is for.
    pub fn task(&self) -> Task {
        match self {
            Self::Ss(_) => Task::Ss,
            Self::Cd(_) => Task::Cd,
        }
    }

    /// Channels of the logits.
    pub fn classes(&self) -> usize {
        let head = match self {
            Self::Ss(model) => &model.head,
            Self::Cd(model) => &model.head,
        };
        head.classify.weight.dims()[0]
    }

    /// The encoder, of both dates the same.
    pub fn encoder(&self) -> &Encoder {
        match self {
            Self::Ss(model) => &model.encoder,
            Self::Cd(model) => &model.encoder,
        }
    }

    /// Every batch normalisation.
    pub fn batch_norms(&self) -> Vec<&BatchNorm2d> {
        let (fuse, decoder, head) = match self {
            Self::Ss(model) => (&[][..], &model.decoder, &model.head),
            Self::Cd(model) => (&model.fuse[..], &model.decoder, &model.head),
        };
        let layers = fuse.iter().chain(&decoder.levels).chain([&head.reduce, &head.refine]);
        layers.map(|layer| &layer.norm).collect()
    }

    /// The model with an encoder that training leaves as it is: its parameters get no gradients.
    #[must_use]
    pub fn freeze_encoder(self) -> Self {
        match self {
            Self::Ss(model) => Self::Ss(RsmSs { encoder: model.encoder.no_grad(), ..model }),
            Self::Cd(model) => Self::Cd(RsmCd { encoder: model.encoder.no_grad(), ..model }),
        }
    }

    /// Logits `[B, classes, H, W]` of one image or of two dates, `[B, bands, H, W]` each, scaled to 0..1 and normalised as in the training
    /// ([`ModelMeta::normalisation`](crate::ModelMeta); [`Predictor`](crate::inference::Predictor) does that).
    ///
    /// # Panics
    ///
    /// When the number of dates is not the task's, or as [`RsmSs::forward`] and [`RsmCd::forward`].
    pub fn forward(&self, dates: &[Tensor<4>]) -> Tensor<4> {
        match (self, dates) {
            (Self::Ss(model), [image]) => model.forward(image.clone()),
            (Self::Cd(model), [before, after]) => model.forward(before.clone(), after.clone()),
            _ => panic!(
                "RsmModel: task {} takes {} image(s) a sample, got {}",
                self.task(),
                self.task().dates(),
                dates.len()
            ),
        }
    }
}
