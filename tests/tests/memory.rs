//! Peak memory by a counting allocator: how much the op and the branches made of it hold at once. Bytes are counted, not
//! time: the limits lie closely above what is used, and one more tensor `[B, 8 D, L]` breaks them.

#![expect(clippy::print_stdout, reason = "the figures of a run belong into its output")]

use burn::{
    Tensor,
    tensor::{Device, Distribution},
};
use burn_rsmamba::{
    Directions, ScanOptions,
    modules::{OssBlock, OssBlockConfig, OssmConfig},
    omni_selective_scan, selective_scan,
};
use burn_rsmamba_kernels::{
    OmniInputs, OmniNeeds, OmniShape,
    cpu::{
        self,
        branches::{MlpInputs, mlp},
        layers::Affine,
    },
};
use burn_rsmamba_tests::{
    allocator::{Counting, peak},
    autodiff_devices, device,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device).require_grad()
}

/// Sides and channels of a map whose eight-fold copy is far larger than all else.
const SIZE: usize = 48;
const INNER: usize = 192;
/// Bytes of one `[B, D, L]` map; `[B, 8 D, L]` takes eight.
const MAP: f64 = (SIZE * SIZE * INNER * 4) as f64;

/// Limits in maps, a little above what was measured (2.05, 5.38, 5.65 and 14.93 on two cores; more cores hold more scratch).
const OMNI_FORWARD: f64 = 2.5;
const OMNI_BACKWARD: f64 = 6.0;
const BLOCK_FORWARD: f64 = 6.5;
const BLOCK_TRAINING: f64 = 17.0;

/// Checks a peak in maps.
fn expect_maps(what: &str, limit: f64, run: impl FnOnce()) {
    let maps = peak(run) as f64 / MAP;
    println!("{what}: {maps:.2} maps of [B, D, L], limit {limit}");
    assert!(maps <= limit, "{what}: {maps:.2} maps of [B, D, L], above the limit of {limit}");
}

#[test]
fn nothing_larger_than_it_must_be_is_held() {
    training_through_the_scan_never_holds_the_states_of_every_step();
    the_omnidirectional_op_copies_nothing_a_direction();
    the_scan_branch_holds_no_tensor_of_all_directions();
    the_mlp_branch_never_holds_its_wide_layer_whole();
}

fn the_omnidirectional_op_copies_nothing_a_direction() {
    let (states, rank) = (4, 3);
    let shape =
        OmniShape { batch: 1, height: SIZE, width: SIZE, channels: INNER, states, rank, directions: Directions::Eight };
    let numbers = |len: usize| (0..len).map(|i| (i % 17) as f32 / 17.0 - 0.4).collect::<Vec<f32>>();
    let (u, projection) = (numbers(shape.map_len()), numbers(SIZE * SIZE * 8 * shape.row()));
    let (dt_weight, channels) = (numbers(8 * INNER * rank), numbers(8 * INNER));
    let a: Vec<f32> = numbers(8 * INNER * states).iter().map(|a| -a.abs()).collect();
    let inputs = OmniInputs {
        u: &u,
        projection: &projection,
        dt_weight: &dt_weight,
        a: &a,
        skip: Some(&channels),
        delta_bias: Some(&channels),
        delta_softplus: true,
    };
    // The result and one map of partial sums; the paths of the directions are a twenty-fourth of a map.
    expect_maps("omnidirectional, forward", OMNI_FORWARD, || {
        cpu::omni_selective_scan(shape, &inputs).expect("shapes fit");
    });
    // The gradients of u and of the projections, and partial sums of both: four maps of u, three segments of rows.
    expect_maps("omnidirectional, backward", OMNI_BACKWARD, || {
        cpu::omni_selective_scan_backward(shape, &inputs, &u, OmniNeeds::ALL).expect("shapes fit");
    });
}

/// One block of the encoder, with channels half as wide as the scanned ones.
fn block(device: &Device) -> (OssBlock, Tensor<4>) {
    let ossm = OssmConfig::new(INNER / 2).with_states(4);
    let block = OssBlockConfig::new(ossm).init(device);
    let x = Tensor::random([1, SIZE, SIZE, INNER / 2], Distribution::Uniform(-1.0, 1.0), device);
    // Parameters are made when they are first used.
    block.forward(x.clone());
    (block, x)
}

fn the_scan_branch_holds_no_tensor_of_all_directions() {
    let (block, x) = block(&device());
    expect_maps("encoder block, forward", BLOCK_FORWARD, || {
        block.forward(x);
    });
    let (block, x) = self::block(&device().autodiff());
    let x = x.require_grad();
    expect_maps("encoder block, forward and backward", BLOCK_TRAINING, || {
        block.forward(x).sum().backward();
    });
}

fn the_mlp_branch_never_holds_its_wide_layer_whole() {
    let (rows, channels, hidden) = (1 << 18, 16, 64);
    let numbers = |len: usize| vec![0.01f32; len];
    let (x, weight1, weight2) = (numbers(rows * channels), numbers(channels * hidden), numbers(hidden * channels));
    let (one, wide) = (numbers(channels), numbers(hidden));
    let inputs = MlpInputs {
        x: &x,
        scale: None,
        norm: Affine { scale: &one, shift: &one, epsilon: 1e-5 },
        weight1: &weight1,
        bias1: &wide,
        weight2: &weight2,
        bias2: &one,
    };
    let used = peak(|| {
        mlp(&inputs, false);
    });
    let whole = rows * hidden * 4;
    println!("MLP branch, forward: {used} bytes, its wide layer {whole}");
    assert!(used < whole * 3 / 4, "{used} bytes against {whole} of the wide layer");
}

fn training_through_the_scan_never_holds_the_states_of_every_step() {
    let options = ScanOptions { delta_softplus: true };
    for (mode, device) in autodiff_devices() {
        let (channels, states, length) = (256, 64, 2048);
        let (u, delta) = (random([1, channels, length], &device), random([1, channels, length], &device));
        let a = random([channels, states], &device).abs().neg();
        let (b, c) = (random([1, 1, states, length], &device), random([1, 1, states, length], &device));
        let used = peak(|| {
            let y = selective_scan(u.clone(), delta.clone(), a.clone(), b.clone(), c.clone(), None, None, options);
            let grads = y.sum().backward();
            assert!(u.grad(&grads).is_some() && b.grad(&grads).is_some());
        });
        let all_states = channels * length * states * 4;
        println!("{mode}, plain: peak {used} bytes, all states {all_states} bytes");
        assert!(used < all_states / 4, "{mode}: {used} bytes against {all_states} of all states");

        let (size, channels, states, rank) = (32, 96, 16, 6);
        let u = random([1, size, size, channels], &device);
        let projection = random([1, size, size, 8, rank + 2 * states], &device);
        let dt_weight = random([8, channels, rank], &device);
        let a = random([8 * channels, states], &device).abs().neg();
        let used = peak(|| {
            let (u, projection) = (u.clone(), projection.clone());
            let y = omni_selective_scan(u, projection, dt_weight.clone(), a, None, None, Directions::Eight, options);
            let grads = y.sum().backward();
            assert!(dt_weight.grad(&grads).is_some());
        });
        let all_states = 8 * channels * size * size * states * 4;
        println!("{mode}, omnidirectional: peak {used} bytes, all states {all_states} bytes");
        assert!(used < all_states / 4, "{mode}: {used} bytes against {all_states} of all states");
    }
}
