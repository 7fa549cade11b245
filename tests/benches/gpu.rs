//! The omnidirectional scan on a GPU against the device's own floor, at the shapes of the tiny model.
//!
//! `cargo bench -p burn-rsmamba-tests --features cuda --bench gpu [-- quick]` prints the table of `BENCHMARKS.md`. Every
//! kernel is first compared with the CPU's on the stage's smallest shape, then timed.
//!
//! The floor of a pass is the longer of two times: its operands and results once through memory, at the bandwidth of a copy
//! measured here; and one exponential a state update plus two a step (softplus), at a rate measured here.

#![allow(clippy::print_stdout, reason = "a bench prints")]

#[path = "../../kernels/benches/support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the CPU benches")]
mod support;

use burn::backend::DispatchDevice;
use burn_rsmamba_kernels::{
    OmniNeeds, OmniShape, cpu,
    gpu::{self, GpuOmniInputs, ScanStrategy},
};
use burn_rsmamba_tests::device;
use cubecl::{
    calculate_cube_count_elemwise,
    client::Client,
    future,
    ir::{ElemType, FloatKind},
    prelude::*,
    server::Handle,
};
use std::time::{Duration, Instant};
use support::{Problem, STAGES};

/// A measurement lasts at least this long.
const LONG_ENOUGH: Duration = Duration::from_millis(60);

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let DispatchDevice::Cube(place) = device().as_dispatch().clone() else {
        println!("skipped: no GPU");
        return;
    };
    let client = place.client();
    let (bandwidth, exps) = (copy_bandwidth(&client, quick), exp_rate(&client));
    println!("device {place:?}, {}", client.properties().identity.name);
    println!("copy {:.0} GB/s, exp {:.0} G/s", bandwidth / 1e9, exps / 1e9);
    println!();
    println!(
        "image | batch | channels x map | forward, ms | floor | share | in one piece | backward, ms | floor | share"
    );
    println!("---|---|---|---|---|---|---|---|---|---");
    for stage in 0..STAGES.len() {
        prove(&client, stage);
    }
    let (scales, batches): (&[usize], &[usize]) = if quick { (&[1], &[1]) } else { (&[1, 2, 4], &[1, 8]) };
    for &scale in scales {
        for &batch in batches {
            for stage in 0..STAGES.len() {
                row(&client, stage, scale, batch, bandwidth, exps);
            }
        }
    }
}

/// One line of the table.
fn row(client: &Client, stage: usize, scale: usize, batch: usize, bandwidth: f64, exps: f64) {
    let mut problem = Problem::stage(stage, scale);
    problem.shape.batch = batch;
    for operand in [&mut problem.u, &mut problem.projection, &mut problem.dy] {
        *operand = operand.repeat(batch);
    }
    let (shape, inputs) = (problem.shape, upload_all(client, &problem));
    let dy = upload(client, &problem.dy);
    let forward = |strategy| {
        seconds(client, || {
            gpu::omni_selective_scan(client, shape, &inputs, strategy).expect("launched");
        })
    };
    let (auto, sequential) = (forward(ScanStrategy::Auto), forward(ScanStrategy::Sequential));
    let backward = seconds(client, || {
        gpu::omni_selective_scan_backward(client, shape, &inputs, &dy, OmniNeeds::ALL, ScanStrategy::Auto)
            .expect("launched");
    });
    let (map, projection) = (problem.u.len(), problem.projection.len());
    let exponentials = problem.updates() * (1.0 + 2.0 / shape.states as f64);
    let floor = |floats: usize| (4.0 * floats as f64 / bandwidth).max(exponentials / exps);
    let (forward_floor, backward_floor) = (floor(2 * map + projection), floor(3 * map + 2 * projection));
    println!(
        "{}² | {batch} | {} x {}² | {:.3} | {:.3} | {:.2} | {:.3} | {:.3} | {:.3} | {:.2}",
        256 * scale,
        shape.channels,
        shape.height,
        1e3 * auto,
        1e3 * forward_floor,
        forward_floor / auto,
        1e3 * sequential,
        1e3 * backward,
        1e3 * backward_floor,
        backward_floor / backward,
    );
}

/// `y` and every gradient of a stage at 256² against the CPU kernels, which have benches and tests of their own.
fn prove(client: &Client, stage: usize) {
    let problem = Problem::stage(stage, 1);
    let (shape, inputs): (OmniShape, _) = (problem.shape, upload_all(client, &problem));
    let y = cpu::omni_selective_scan(shape, &problem.inputs()).expect("shapes fit");
    let want = cpu::omni_selective_scan_backward(shape, &problem.inputs(), &problem.dy, OmniNeeds::ALL);
    let want = want.expect("shapes fit");
    for strategy in [ScanStrategy::Auto, ScanStrategy::Sequential] {
        let got = gpu::omni_selective_scan(client, shape, &inputs, strategy).expect("launched");
        compare(client, "y", Some(got), Some(&y));
    }
    let dy = upload(client, &problem.dy);
    let got = gpu::omni_selective_scan_backward(client, shape, &inputs, &dy, OmniNeeds::ALL, ScanStrategy::Auto);
    let got = got.expect("launched");
    compare(client, "du", got.u, want.u.as_ref());
    compare(client, "dprojection", got.projection, want.projection.as_ref());
    compare(client, "ddt_weight", got.dt_weight, want.dt_weight.as_ref());
    compare(client, "da", got.a, want.a.as_ref());
    compare(client, "dskip", got.skip, want.skip.as_ref());
    compare(client, "ddelta_bias", got.delta_bias, want.delta_bias.as_ref());
}

fn compare(client: &Client, name: &str, got: Option<Handle>, want: Option<&Vec<f32>>) {
    let bytes = client.read_one(got.expect("asked for")).expect("the launches went well");
    let (got, want) = (f32::from_bytes(&bytes), want.expect("asked for"));
    assert_eq!(got.len(), want.len(), "{name}: elements");
    let scale = want.iter().fold(0.0f32, |max, value| max.max(value.abs()));
    for (got, want) in got.iter().zip(want) {
        let close = (got - want).abs() <= 1e-4 * scale;
        assert!(close, "{name}: got {got}, expected {want}: what is wrong is not worth timing");
    }
}

fn upload(client: &Client, values: &[f32]) -> Handle {
    client.create_from_slice(f32::as_bytes(values))
}

fn upload_all(client: &Client, problem: &Problem) -> GpuOmniInputs {
    GpuOmniInputs {
        element: ElemType::Float(FloatKind::F32),
        u: upload(client, &problem.u),
        projection: upload(client, &problem.projection),
        dt_weight: upload(client, &problem.dt_weight),
        a: upload(client, &problem.a),
        skip: Some(upload(client, &problem.skip)),
        delta_bias: Some(upload(client, &problem.bias)),
        delta_softplus: true,
    }
}

/// Median seconds of one call, from five batches of calls that are each long enough and waited for once.
fn seconds(client: &Client, mut call: impl FnMut()) -> f64 {
    let mut batch = |calls: usize| {
        let started = Instant::now();
        (0..calls).for_each(|_| call());
        future::block_on(client.sync()).expect("the launches went well");
        started.elapsed()
    };
    batch(1); // compiles
    let mut calls = 1;
    while batch(calls) < LONG_ENOUGH {
        calls *= 2;
    }
    let mut times: Vec<f64> = (0..5).map(|_| batch(calls).as_secs_f64() / calls as f64).collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

#[cube(launch)]
fn copy_kernel(source: &[f32], target: &mut [f32]) {
    if ABSOLUTE_POS < target.len() {
        target[ABSOLUTE_POS] = source[ABSOLUTE_POS] + 1.0f32;
    }
}

/// Bytes a second, read and written, of a copy too large for caches.
fn copy_bandwidth(client: &Client, quick: bool) -> f64 {
    let len: usize = if quick { 1 << 22 } else { 1 << 27 };
    let (source, target) = (client.empty(4 * len), client.empty(4 * len));
    let dim = CubeDim::new_1d(256);
    let count = calculate_cube_count_elemwise(client, len, dim);
    let time = seconds(client, || {
        // SAFETY: both buffers were made for `len` floats.
        let argument = |buffer: &Handle| unsafe { BufferArg::from_raw_parts(buffer.clone(), len) };
        copy_kernel::launch(client, count.clone(), dim, argument(&source), argument(&target));
    });
    8.0 * len as f64 / time
}

/// Exponentials of a unit of [`exp_kernel`].
const EXPS: u32 = 4 * 256;

#[cube(launch)]
fn exp_kernel(out: &mut [f32]) {
    let x = f32::cast_from(ABSOLUTE_POS) * -1e-9f32;
    let mut a = x;
    let mut b = x - 0.1f32;
    let mut c = x - 0.2f32;
    let mut d = x - 0.3f32;
    for _ in 0..EXPS / 4 {
        a = f32::exp(a) - 1.0f32;
        b = f32::exp(b) - 1.0f32;
        c = f32::exp(c) - 1.0f32;
        d = f32::exp(d) - 1.0f32;
    }
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = a + b + c + d;
    }
}

/// Exponentials a second of the whole device.
fn exp_rate(client: &Client) -> f64 {
    let units: usize = 1 << 18;
    let out = client.empty(4 * units);
    let dim = CubeDim::new_1d(256);
    let count = calculate_cube_count_elemwise(client, units, dim);
    let time = seconds(client, || {
        // SAFETY: the buffer was made for `units` floats.
        let argument = unsafe { BufferArg::from_raw_parts(out.clone(), units) };
        exp_kernel::launch(client, count.clone(), dim, argument);
    });
    units as f64 * f64::from(EXPS) / time
}
