//! The omnidirectional scan against the machine's floor for its arithmetic.
#![allow(dead_code, clippy::inline_always, clippy::print_stdout, unreachable_pub)]

use burn_rsmamba_kernels::{Directions, OmniInputs, OmniNeeds, OmniShape, cpu};
use pulp::{Arch, Simd, WithSimd};
use std::{hint::black_box, time::Instant};

#[path = "../src/cpu/lanes.rs"]
mod lanes;

const STATES: usize = 16;
const STEPS: usize = 16;

macro_rules! unroll {
    ($n:ident, $body:block) => { unroll!(@ $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) };
    (@ $n:ident, $body:block, $($index:literal)*) => { $({ let $n = $index; $body })* };
}

/// Cache-resident forward loop; `TABLE` variant etc.
struct Forward {
    rounds: usize,
}

impl WithSimd for Forward {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let a: [S::f32s; STATES] = black_box([simd.splat_f32s(-0.7); STATES]);
        let rows: [[f32; 2 * STATES]; STEPS] = black_box([[0.3; 2 * STATES]; STEPS]);
        let dt: [S::f32s; STEPS] = black_box([simd.splat_f32s(0.1); STEPS]);
        let mut y: [S::f32s; STEPS] = black_box([simd.splat_f32s(0.1); STEPS]);
        let mut h: [S::f32s; STATES] = black_box([simd.splat_f32s(0.0); STATES]);
        for _ in 0..self.rounds {
            for step in 0..STEPS {
                let row = &rows[step];
                let dt = dt[step];
                let mut even = simd.splat_f32s(0.0);
                let mut odd = even;
                unroll!(n, {
                    let e = lanes::exp2_product::<S, false>(simd, dt, a[n]);
                    h[n] = simd.mul_add_e_f32s(e, h[n], simd.mul_f32s(dt, simd.splat_f32s(row[n])));
                    if n % 2 == 0 {
                        even = simd.mul_add_e_f32s(h[n], simd.splat_f32s(row[STATES + n]), even);
                    } else {
                        odd = simd.mul_add_e_f32s(h[n], simd.splat_f32s(row[STATES + n]), odd);
                    }
                });
                y[step] = simd.add_f32s(even, odd);
            }
            black_box(&mut y);
        }
        black_box(h);
        self.rounds * STEPS * STATES * S::F32_LANES
    }
}

fn seconds(mut run: impl FnMut()) -> f64 {
    run();
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < 0.4 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn vector(seed: &mut u64, len: usize, from: f32, to: f32) -> Vec<f32> {
    (0..len)
        .map(|_| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            from + (to - from) * ((*seed >> 40) as f32 / (1u64 << 24) as f32)
        })
        .collect()
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let large = std::env::args().any(|argument| argument == "large");
    let forward_floor = |arch: Arch| {
        let mut updates = 0;
        let time = seconds(|| updates = arch.dispatch(Forward { rounds: 2000 }));
        updates as f64 / time
    };
    let floor = forward_floor(Arch::new());
    println!("floor: {:.3} G updates/s", floor / 1e9);
    if let Some(v3) = pulp::x86::V3::try_new() {
        println!("floor avx2: {:.3} G updates/s", forward_floor(Arch::V3(v3)) / 1e9);
    }
    let only = std::env::var("ONLY").ok();
    for threads in [1, 2] {
        if only.is_some() && threads == 2 {
            continue;
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let mut total = [0.0; 2];
        for (stage, &(channels, side, rank)) in
            [(192, 64, 6), (384, 32, 12), (768, 16, 24), (1536, 8, 48)].iter().enumerate()
        {
            if only.as_ref().is_some_and(|only| !only.contains(&stage.to_string())) {
                continue;
            }
            let side = if large { side * 4 } else { side };
            let shape = OmniShape {
                batch: 1,
                height: side,
                width: side,
                channels,
                states: 16,
                rank,
                directions: Directions::Eight,
            };
            let mut seed = 7;
            let k = shape.all_channels();
            let u = vector(&mut seed, shape.map_len(), -1.0, 1.0);
            let projection = vector(&mut seed, shape.pixels() * 8 * shape.row(), -1.0, 1.0);
            let dt_weight = vector(&mut seed, k * rank, -0.3, 0.3);
            let a = vector(&mut seed, k * 16, -4.0, -0.05);
            let skip = vector(&mut seed, k, -1.0, 1.0);
            let bias = vector(&mut seed, k, -4.0, -1.0);
            let inputs = OmniInputs {
                u: &u,
                projection: &projection,
                dt_weight: &dt_weight,
                a: &a,
                skip: Some(&skip),
                delta_bias: Some(&bias),
                delta_softplus: true,
            };
            let updates = (shape.map_len() * 8 * 16) as f64;
            let fwd = pool.install(|| {
                seconds(|| {
                    black_box(cpu::omni_selective_scan(shape, &inputs).unwrap());
                })
            });
            let bwd = if only.as_ref().is_some_and(|only| only.contains('f')) {
                0.0
            } else {
                pool.install(|| {
                    seconds(|| {
                        black_box(cpu::omni_selective_scan_backward(shape, &inputs, &u, OmniNeeds::ALL).unwrap());
                    })
                })
            };
            let blocks = [2.0, 2.0, 9.0, 2.0][stage];
            total[0] += fwd * blocks;
            total[1] += bwd * blocks;
            let rate = updates / fwd / threads as f64;
            println!(
                "threads {threads} {channels:5}x{side:3}² fwd {:8.2} ms {:.3} G/s/core ratio {:.2} | bwd {:8.2} ms  x{:.2}",
                fwd * 1e3,
                rate / 1e9,
                rate / floor,
                bwd * 1e3,
                bwd / fwd
            );
        }
        println!("threads {threads} model fwd {:.1} ms bwd {:.1} ms", total[0] * 1e3, total[1] * 1e3);
    }
}
