//! The models under Burn's training engine: [`SupervisedTraining`](burn::train::SupervisedTraining) with its metrics, loggers and
//! renderers.
//!
//! [`Trainee`] is a model with its objective; it takes [`LabeledBatch`]es and gives [`SegmentationOutput`]s, which Burn's loss,
//! precision, recall and F-beta metrics understand. The example `burn_learner` trains one.

use crate::{losses::Loss, models::RsmModel, optim::clip_grad_norm};
use burn::{
    Tensor,
    module::Module,
    optim::{
        GradientsAccumulator, GradientsParams, ModuleOptimizer, MultiGradientsParams,
        lr_scheduler::module_lr_scheduler::ModuleLearningRate,
    },
    tensor::{
        ExecutionError,
        activation::{sigmoid, softmax},
    },
    train::{
        InferenceStep, ItemLazy, TrainOutput, TrainStep,
        metric::{Adaptor, ConfusionStatsInput, LossInput},
    },
};

/// What a step takes.
#[derive(Debug, Clone)]
pub struct LabeledBatch {
    /// One image a date, `[B, bands, H, W]` each, normalised.
    pub dates: Vec<Tensor<4>>,
    /// `[B, 1, H, W]`: 0 or 1 for one class, else the number of the class.
    pub labels: Tensor<4>,
}

/// What a step gives.
#[derive(Debug, Clone)]
pub struct SegmentationOutput {
    /// The objective, `[1]`.
    pub loss: Tensor<1>,
    /// `[B, K, H, W]`.
    pub logits: Tensor<4>,
    /// As in the batch.
    pub labels: Tensor<4>,
}

/// A model with what it is trained for.
#[derive(Module, Debug)]
pub struct Trainee {
    /// The model.
    pub model: RsmModel,
    #[module(skip)]
    objective: Loss,
    /// Largest norm of all gradients together.
    clip_norm: f64,
}

impl Trainee {
    /// A model, its objective, and the largest norm of all its gradients together (the recipe's is 1).
    pub fn new(model: RsmModel, objective: Loss, clip_norm: f64) -> Self {
        Self { model, objective, clip_norm }
    }

    fn output(&self, batch: LabeledBatch) -> SegmentationOutput {
        let logits = self.model.forward(&batch.dates);
        let loss = self.objective.forward(logits.clone(), batch.labels.clone(), None);
        SegmentationOutput { loss, logits, labels: batch.labels }
    }
}

impl TrainStep for Trainee {
    type Input = LabeledBatch;
    type Output = SegmentationOutput;

    fn step(&self, batch: LabeledBatch) -> TrainOutput<SegmentationOutput> {
        let output = self.output(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }

    fn optimize(self, optimizer: &mut ModuleOptimizer, lr: ModuleLearningRate, grads: GradientsParams) -> Self {
        let (grads, _) = clip_grad_norm(&self.model, grads, self.clip_norm);
        optimizer.step(lr, self, grads)
    }

    /// Burn's sharded strategy would step without clipping; here the devices' gradients, which Burn adds up, go to the model's own.
    fn optimize_multi(
        self,
        optimizer: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: MultiGradientsParams,
    ) -> Self {
        let Some(device) = self.devices().into_iter().next() else { return self };
        let mut sum = GradientsAccumulator::new();
        for (grads, _) in grads.grads {
            sum.accumulate(&self, grads.to_device(&device, &self));
        }
        let grads = sum.grads();
        self.optimize(optimizer, lr, grads)
    }
}

impl InferenceStep for Trainee {
    type Input = LabeledBatch;
    type Output = SegmentationOutput;

    fn step(&self, batch: LabeledBatch) -> SegmentationOutput {
        self.output(batch)
    }
}

impl ItemLazy for SegmentationOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        self.loss.device().flush()?;
        Ok(Self {
            loss: self.loss.without_autodiff(),
            logits: self.logits.without_autodiff(),
            labels: self.labels.without_autodiff(),
        })
    }
}

impl Adaptor<LossInput> for SegmentationOutput {
    fn adapt(&self) -> LossInput {
        LossInput::new(self.loss.clone())
    }
}

/// Every pixel is a sample.
impl Adaptor<ConfusionStatsInput> for SegmentationOutput {
    fn adapt(&self) -> ConfusionStatsInput {
        let [batch, classes, height, width] = self.logits.dims();
        let pixels = batch * height * width;
        let logits = self.logits.clone().permute([0, 2, 3, 1]).reshape([pixels, classes]);
        let labels = self.labels.clone().reshape([pixels]);
        if classes == 1 {
            return ConfusionStatsInput::new(sigmoid(logits), labels.greater_elem(0.5).reshape([pixels, 1]));
        }
        ConfusionStatsInput::new(softmax(logits, 1), labels.int().one_hot(classes).bool())
    }
}
