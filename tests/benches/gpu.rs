//! The omnidirectional scan on a GPU against the device's own floor, at the shapes of the tiny model.
//!
//! `cargo bench -p burn-rsmamba-tests --features cuda --bench gpu [-- quick] [composed] [json]` prints the table of
//! `BENCHMARKS.md`. Every kernel is first compared with the CPU's on the stage's smallest shape, then timed.
//!
//! * `quick`: images of 256² and batches of 1 alone;
//! * `sweep`: in place of the table, the time of either pass by the length of its chunks;
//! * `composed`: the trait's default bodies too, composed from Burn operations, at images of 256² and batches of 1: their
//!   thousands of launches take minutes on a software device;
//! * `json`: a line of JSON for every row, for `tests/tools/compare_gpu_scans.py`, which adds mamba's kernel.
//!
//! The floor of a pass is the longer of two times: its operands and results once through memory, at the bandwidth of a copy
//! measured here; and one exponential a state update plus two a step (softplus), at a rate measured here.

#![allow(clippy::print_stdout, reason = "a bench prints")]

#[path = "../../kernels/benches/support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the CPU benches")]
mod support;

use burn::{
    Tensor,
    backend::{Dispatch, DispatchDevice, ops::FloatTensorOps},
    tensor::{Device, TensorData},
};
use burn_rsmamba::scan::{OmniTensors, OptionalTensor, ScanOptions, default_backward, reference};
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
use serde::Serialize;
use std::time::{Duration, Instant};
use support::{Problem, STAGES};

/// A measurement lasts at least this long.
const LONG_ENOUGH: Duration = Duration::from_millis(60);

fn main() {
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let (quick, composed, json) = (asked("quick"), asked("composed"), asked("json"));
    let device = device();
    let DispatchDevice::Cube(place) = device.as_dispatch().clone() else {
        println!("skipped: no GPU");
        return;
    };
    let client = place.client();
    let rates = Rates { bandwidth: copy_bandwidth(&client, quick), exps: exp_rate(&client) };
    if json {
        println!(
            "{}",
            serde_json::json!({ "device": format!("{place:?}"), "bandwidth": rates.bandwidth, "exps": rates.exps })
        );
    } else {
        println!("device {place:?}, {}", client.properties().identity.name);
        println!("copy {:.0} GB/s, exp {:.0} G/s\n", rates.bandwidth / 1e9, rates.exps / 1e9);
        println!("{}\n{}", Row::NAMES.join(" | "), ["---"; Row::NAMES.len()].join("|"));
    }
    for stage in 0..STAGES.len() {
        prove(&client, stage);
    }
    if asked("sweep") {
        sweep(&client);
        return;
    }
    let (scales, batches): (&[usize], &[usize]) = if quick { (&[1], &[1]) } else { (&[1, 2, 4], &[1, 8]) };
    for &scale in scales {
        for &batch in batches {
            for stage in 0..STAGES.len() {
                let problem = problem(stage, scale, batch);
                let mut row = Row::measure(&client, &problem, scale, &rates);
                if composed && scale == 1 && batch == 1 {
                    row.composed = Some(Composed::measure(&device, &problem));
                }
                if json {
                    println!("{}", serde_json::to_string(&row).expect("numbers"));
                } else {
                    println!("{}", row.cells().join(" | "));
                }
            }
        }
    }
}

/// Milliseconds of both passes of every stage at 256², by the length of the chunks; `Auto` last.
fn sweep(client: &Client) {
    const LENGTHS: [usize; 6] = [16, 32, 64, 128, 256, 512];
    let strategies = LENGTHS.iter().map(|&length| ScanStrategy::Chunked { length }).chain([ScanStrategy::Auto]);
    let strategies: Vec<ScanStrategy> = strategies.collect();
    println!("chunks of {LENGTHS:?}, then Auto; ms");
    for stage in 0..STAGES.len() {
        let problem = problem(stage, 1, 1);
        let (shape, inputs) = (problem.shape, upload_all(client, &problem));
        let dy = upload(client, &problem.dy);
        let forward = strategies.iter().map(|&strategy| {
            seconds(client, || {
                gpu::omni_selective_scan(client, shape, &inputs, strategy).expect("launched");
            })
        });
        let forward: Vec<String> = forward.map(|time| format!("{:.3}", 1e3 * time)).collect();
        let backward = strategies.iter().map(|&strategy| {
            seconds(client, || {
                gpu::omni_selective_scan_backward(client, shape, &inputs, &dy, OmniNeeds::ALL, strategy)
                    .expect("launched");
            })
        });
        let backward: Vec<String> = backward.map(|time| format!("{:.3}", 1e3 * time)).collect();
        println!(
            "{} x {}²: forward {}; backward {}",
            shape.channels,
            shape.height,
            forward.join(" "),
            backward.join(" ")
        );
    }
}

/// What the device can do, a second.
struct Rates {
    /// Bytes read and written.
    bandwidth: f64,
    exps: f64,
}

/// One line of the table; times in seconds.
#[derive(Serialize)]
struct Row {
    image: usize,
    batch: usize,
    channels: usize,
    side: usize,
    states: usize,
    rank: usize,
    directions: usize,
    forward: f64,
    forward_floor: f64,
    /// The walk in one piece, beside the chosen strategy.
    sequential: f64,
    backward: f64,
    backward_floor: f64,
    composed: Option<Composed>,
}

/// The default bodies of the traits, one call each after one that compiles; seconds.
#[derive(Serialize)]
struct Composed {
    forward: f64,
    /// Walks forward once more for the states, as the kernels do here.
    backward: f64,
}

fn problem(stage: usize, scale: usize, batch: usize) -> Problem {
    let mut problem = Problem::stage(stage, scale);
    problem.shape.batch = batch;
    for operand in [&mut problem.u, &mut problem.projection, &mut problem.dy] {
        *operand = operand.repeat(batch);
    }
    problem
}

impl Row {
    const NAMES: [&str; 14] = [
        "image",
        "batch",
        "channels x map",
        "forward, ms",
        "floor",
        "share",
        "in one piece",
        "composed",
        "times as long",
        "backward, ms",
        "floor",
        "share",
        "composed",
        "times as long",
    ];

    fn measure(client: &Client, problem: &Problem, scale: usize, rates: &Rates) -> Self {
        let (shape, inputs) = (problem.shape, upload_all(client, problem));
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
        let floor = |floats: usize| (4.0 * floats as f64 / rates.bandwidth).max(exponentials / rates.exps);
        Self {
            image: 256 * scale,
            batch: shape.batch,
            channels: shape.channels,
            side: shape.height,
            states: shape.states,
            rank: shape.rank,
            directions: shape.directions.count(),
            forward: auto,
            forward_floor: floor(2 * map + projection),
            sequential,
            backward,
            backward_floor: floor(3 * map + 2 * projection),
            composed: None,
        }
    }

    fn cells(&self) -> [String; Self::NAMES.len()] {
        let ms = |seconds: f64| format!("{:.3}", 1e3 * seconds);
        let of = |composed: Option<f64>, kernel: f64| match composed {
            Some(composed) => [ms(composed), format!("{:.0}", composed / kernel)],
            None => [String::new(), String::new()],
        };
        let composed = self.composed.as_ref();
        let [forward, forward_times] = of(composed.map(|composed| composed.forward), self.forward);
        let [backward, backward_times] = of(composed.map(|composed| composed.backward), self.backward);
        [
            format!("{}²", self.image),
            self.batch.to_string(),
            format!("{} x {}²", self.channels, self.side),
            ms(self.forward),
            ms(self.forward_floor),
            format!("{:.2}", self.forward_floor / self.forward),
            ms(self.sequential),
            forward,
            forward_times,
            ms(self.backward),
            ms(self.backward_floor),
            format!("{:.2}", self.backward_floor / self.backward),
            backward,
            backward_times,
        ]
    }
}

impl Composed {
    fn measure(device: &Device, problem: &Problem) -> Self {
        let OmniShape { batch, height, width, channels, states, rank, directions } = problem.shape;
        let (k, map) = (directions.count(), [batch, height, width, channels]);
        let load = |values: &[f32], shape: &[usize]| TensorData::new(values.to_vec(), shape.to_vec());
        let u = Tensor::<4>::from_data(load(&problem.u, &map), device);
        let dy = Tensor::<4>::from_data(load(&problem.dy, &map), device);
        let rows = [batch, height, width, k, rank + 2 * states];
        let projection = Tensor::<5>::from_data(load(&problem.projection, &rows), device);
        let dt_weight = Tensor::<3>::from_data(load(&problem.dt_weight, &[k, channels, rank]), device);
        let a = Tensor::<2>::from_data(load(&problem.a, &[k * channels, states]), device);
        let [skip, bias] =
            [&problem.skip, &problem.bias].map(|values| Tensor::<1>::from_data(load(values, &[k * channels]), device));
        let forward = || {
            let y = reference::omni_selective_scan(
                u.clone(),
                projection.clone(),
                dt_weight.clone(),
                a.clone(),
                Some(skip.clone()),
                Some(bias.clone()),
                directions,
                ScanOptions { delta_softplus: true },
            );
            y.sum().into_scalar::<f32>()
        };
        let backward = || {
            let inputs = OmniTensors::<Dispatch> {
                u: u.clone().into_dispatch(),
                projection: projection.clone().into_dispatch(),
                dt_weight: dt_weight.clone().into_dispatch(),
                a: a.clone().into_dispatch(),
                skip: OptionalTensor::from(Some(skip.clone().into_dispatch())),
                delta_bias: OptionalTensor::from(Some(bias.clone().into_dispatch())),
            };
            let dy = dy.clone().into_dispatch();
            let gradients = default_backward::omni_selective_scan_backward::<Dispatch>(
                inputs,
                dy,
                directions,
                true,
                OmniNeeds::ALL,
            );
            // with fusion nothing runs before its result is asked for
            let all = [gradients.u, gradients.projection, gradients.dt_weight, gradients.a, gradients.skip];
            let all = all.into_iter().chain([gradients.delta_bias]);
            all.map(|gradient| {
                let sum = Dispatch::float_sum(gradient.into_option().expect("asked for"));
                Tensor::<1>::from_dispatch(sum).into_scalar::<f32>()
            })
            .sum()
        };
        Self { forward: once(forward), backward: once(backward) }
    }
}

/// Seconds of one call after another; both must give a number.
fn once(call: impl Fn() -> f32) -> f64 {
    assert!(call().is_finite(), "what is wrong is not worth timing");
    let started = Instant::now();
    assert!(call().is_finite());
    started.elapsed().as_secs_f64()
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
