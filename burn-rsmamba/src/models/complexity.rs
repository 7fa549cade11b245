use super::ModelConfig;
use super::{EncoderConfig, STRIDE, Task};
use crate::modules::OssBlockConfig;
use serde::Serialize;

/// Cost of one part of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageCost {
    /// Name of the part.
    pub name: String,
    /// Parameters.
    pub parameters: u64,
    /// Multiply-adds of convolutions and matrix products (not of the scan, the upsamplings or elementwise operations).
    pub macs: u64,
    /// Floating-point operations of the scans: 9·B·L·(K·D)·N.
    pub scan_flops: u64,
}

/// Cost of a model for one sample (both dates of a change-detection sample).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Complexity {
    /// Parameters.
    pub parameters: u64,
    /// Multiply-adds, scans excepted.
    pub macs: u64,
    /// Floating-point operations of the scans, counted separately.
    pub scan_flops: u64,
    /// The parts, in the order of the data.
    pub stages: Vec<StageCost>,
}

/// Counts a model's parameters and operations from its configuration, without making it, for images of `height`×`width`
/// (padded to a multiple of 32 as the model does).
pub fn complexity(config: &ModelConfig, height: usize, width: usize) -> Complexity {
    let (height, width) = (height.next_multiple_of(STRIDE) as u64, width.next_multiple_of(STRIDE) as u64);
    let pixels = |stage: usize| (height >> (stage + 2)) * (width >> (stage + 2));
    let encoder = &config.encoder;
    let dims = encoder.dims.map(|dim| dim as u64);
    let dates = config.task.dates() as u64;
    let mut stages = Vec::new();

    let mut embed = Counter::new("patch_embed");
    embed.conv(encoder.bands as u64, dims[0] / 2, 3, true, dates * (height / 2) * (width / 2));
    embed.norm(dims[0] / 2);
    embed.conv(dims[0] / 2, dims[0], 3, true, dates * pixels(0));
    embed.norm(dims[0]);
    stages.push(embed.cost);
    for stage in 0..4 {
        stages.push(encoder_stage(encoder, stage, dates * pixels(stage)));
    }
    if config.task == Task::Cd {
        let mut fuse = Counter::new("date_fusion");
        for stage in 0..4 {
            fuse.conv(2 * dims[stage], dims[stage], 1, false, pixels(stage));
            fuse.norm(dims[stage]);
        }
        stages.push(fuse.cost);
    }
    let mut decoder = Counter::new("decoder");
    for level in 0..3 {
        decoder.conv(dims[level + 1] + dims[level], dims[level], 1, false, pixels(level));
        decoder.norm(dims[level]);
    }
    stages.push(decoder.cost);
    let mut head = Counter::new("head");
    head.conv(dims[0], dims[0] / 2, 3, true, pixels(0));
    head.norm(dims[0] / 2);
    head.conv(dims[0] / 2, 8, 3, true, 4 * pixels(0));
    head.norm(8);
    head.conv(8, config.classes as u64, 7, true, height * width);
    stages.push(head.cost);

    let sum = |of: fn(&StageCost) -> u64| stages.iter().map(of).sum();
    Complexity {
        parameters: sum(|stage| stage.parameters),
        macs: sum(|stage| stage.macs),
        scan_flops: sum(|stage| stage.scan_flops),
        stages,
    }
}

fn encoder_stage(encoder: &EncoderConfig, stage: usize, pixels: u64) -> StageCost {
    let mut counter = Counter::new(&format!("stage{}", stage + 1));
    if stage > 0 {
        counter.conv(encoder.dims[stage - 1] as u64, encoder.dims[stage] as u64, 3, true, pixels);
        counter.norm(encoder.dims[stage] as u64);
    }
    for index in 0..encoder.depths[stage] {
        counter.block(&encoder.block(stage, index), pixels);
    }
    counter.cost
}

struct Counter {
    cost: StageCost,
}

impl Counter {
    fn new(name: &str) -> Self {
        Self { cost: StageCost { name: name.to_owned(), parameters: 0, macs: 0, scan_flops: 0 } }
    }

    fn conv(&mut self, inputs: u64, outputs: u64, kernel: u64, bias: bool, pixels: u64) {
        let weights = inputs * outputs * kernel * kernel;
        self.cost.parameters += weights + if bias { outputs } else { 0 };
        self.cost.macs += weights * pixels;
    }

    /// Scale and shift.
    fn norm(&mut self, channels: u64) {
        self.cost.parameters += 2 * channels;
    }

    fn block(&mut self, block: &OssBlockConfig, pixels: u64) {
        let ossm = &block.ossm;
        let (channels, inner, rank) = (ossm.channels as u64, ossm.inner() as u64, ossm.rank() as u64);
        let (states, k, hidden) = (ossm.states as u64, ossm.directions as u64, block.hidden() as u64);
        self.norm(channels);
        self.conv(channels, 2 * inner, 1, false, pixels);
        self.conv(1, inner, 3, true, pixels); // depthwise
        self.conv(inner, k * (rank + 2 * states), 1, false, pixels);
        self.conv(rank, k * inner, 1, true, pixels); // expansion of the step, with its bias
        self.cost.parameters += k * inner * (states + 1); // A_logs and Ds
        self.cost.scan_flops += 9 * pixels * k * inner * states;
        self.norm(inner);
        self.conv(inner, channels, 1, false, pixels);
        self.norm(channels);
        self.conv(channels, hidden, 1, true, pixels);
        self.conv(hidden, channels, 1, true, pixels);
    }
}
