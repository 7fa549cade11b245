//! The bare op in a block of one's own: a Mamba that reads a sequence in both directions, in one scan of two groups.
//!
//! It learns to mark what lies between the first and the last pulse of a sequence, which no single direction can tell.
//!
//! `cargo run --release -p burn-rsmamba --example custom_block`
#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

use burn::Tensor;
use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Distribution, Int};
use burn_rsmamba::{ScanOptions, selective_scan};

/// D channels with N states each, in two directions.
#[derive(Module, Debug)]
struct TwoWayBlock {
    input: Linear,           // 1 -> D
    delta: [Linear; 2],      // D -> D, a direction each
    b_and_c: [Linear; 2],    // D -> 2 N
    a_log: Param<Tensor<2>>, // [2 D, N]
    skip: Param<Tensor<1>>,  // [2 D]
    output: Linear,          // 2 D -> 1
}

impl TwoWayBlock {
    fn new(channels: usize, states: usize, device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        // a = -1, -2, .. -N in every channel: memories of different length
        let decays = Tensor::<1, Int>::arange(1..states as i64 + 1, device).float().log();
        Self {
            input: linear(1, channels),
            delta: [linear(channels, channels), linear(channels, channels)],
            b_and_c: [linear(channels, 2 * states), linear(channels, 2 * states)],
            a_log: Param::from_tensor(decays.unsqueeze::<2>().repeat_dim(0, 2 * channels)),
            skip: Initializer::Ones.init([2 * channels], device),
            output: linear(2 * channels, 1),
        }
    }

    /// `[B, L, 1]` to logits `[B, L, 1]`.
    fn forward(&self, sequence: Tensor<3>) -> Tensor<3> {
        let forwards = silu(self.input.forward(sequence)); // [B, L, D]
        let directions = [forwards.clone(), forwards.flip([1])];
        let [_, states] = self.a_log.dims();

        // Each direction is a group of the scan, with steps, inputs and outputs of its own.
        let (mut u, mut delta, mut b, mut c) = (vec![], vec![], vec![], vec![]);
        for (direction, x) in directions.into_iter().enumerate() {
            let projected = self.b_and_c[direction].forward(x.clone()).swap_dims(1, 2); // [B, 2 N, L]
            b.push(projected.clone().narrow(1, 0, states));
            c.push(projected.narrow(1, states, states));
            delta.push(self.delta[direction].forward(x.clone()).swap_dims(1, 2)); // [B, D, L]
            u.push(x.swap_dims(1, 2));
        }
        let y = selective_scan(
            Tensor::cat(u, 1),       // [B, 2 D, L]
            Tensor::cat(delta, 1),   // [B, 2 D, L]
            -self.a_log.val().exp(), // [2 D, N], negative
            Tensor::stack(b, 1),     // [B, 2, N, L]
            Tensor::stack(c, 1),     // [B, 2, N, L]
            Some(self.skip.val()),
            None, // the linear layer has added its bias already
            ScanOptions { delta_softplus: true },
        );
        // the second direction back into the order of the first
        let [_, channels, _] = y.dims();
        let halves = y.split(channels / 2, 1);
        let both = Tensor::cat(vec![halves[0].clone(), halves[1].clone().flip([2])], 1);
        self.output.forward(both.swap_dims(1, 2))
    }
}

/// Sequences with a few pulses, and what lies between the first and the last.
fn pulses(batch: usize, length: usize, device: &Device) -> (Tensor<3>, Tensor<3>) {
    let pulses = Tensor::<3>::random([batch, length, 1], Distribution::Bernoulli(0.06), device);
    let seen = |pulses: Tensor<3>| pulses.cumsum(1).clamp_max(1.0);
    let between = seen(pulses.clone()) * seen(pulses.clone().flip([1])).flip([1]);
    (pulses, between)
}

fn main() {
    let device = Device::flex();
    device.seed(7);
    let tracked = device.clone().autodiff();
    let mut block = TwoWayBlock::new(16, 8, &tracked);
    let mut optimizer = AdamWConfig::new().init();

    for step in 1..=200 {
        let (sequence, between) = pulses(32, 48, &tracked);
        let logits = block.forward(sequence);
        // binary cross-entropy on logits
        let loss = (logits.clone().clamp_min(0.0) - logits.clone() * between + (-logits.abs()).exp().log1p()).mean();
        if step % 40 == 0 {
            println!("step {step}: loss {:.4}", loss.clone().into_scalar::<f32>());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &block);
        block = optimizer.step(1e-2, block, gradients);
    }

    let (sequence, between) = pulses(64, 48, &device);
    let marked = block.valid().forward(sequence).greater_equal_elem(0.0).float();
    let right = marked.equal(between).float().mean().into_scalar::<f32>();
    println!("{:.1} % of new positions are right", 100.0 * right);
}
