//! The omnidirectional scan against the machine's floor for its arithmetic.
//!
//! The floor is a loop that never leaves the registers and the first cache, on as many threads as the scan. A forward
//! update of one state by one step: the decay `exp2(dt * a)` by the kernel's polynomial, `h = decay * h + input * b`,
//! `y += c * h`. A backward update: the decay and `h` once, then the eight multiply-adds that give the gradients of the
//! state, `b`, `c`, `a`, `u` and the step. Neither counts the expansion of the step, softplus, loads or stores.
//!
//! `cargo bench --bench floor -- [large] [stages such as 03]`

#![expect(clippy::inline_always, clippy::print_stdout, unreachable_pub, reason = "a program that prints a table")]

mod support;

#[allow(dead_code, unused_imports, reason = "the kernel's own exponential, of which a floor needs one function")]
#[path = "../src/cpu/lanes.rs"]
mod lanes;

use burn_rsmamba_kernels::{OmniNeeds, cpu};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::{hint::black_box, time::Instant};
use support::{Problem, STAGES};

const STATES: usize = 16;
const STEPS: usize = 16;
const ROUNDS: usize = 2000;

macro_rules! unroll {
    ($count:expr, $n:ident, $body:block) => {
        unroll!(@ $count, $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $count:expr, $n:ident, $body:block, $($index:literal)*) => {
        $(if $index < $count {
            let $n = $index;
            $body
        })*
    };
}

/// Some rounds of the floor's loop over `C` states: 16 forward; 8 backward, where each takes three registers.
struct Floor<const C: usize, const BACKWARD: bool>;

impl<const C: usize, const BACKWARD: bool> WithSimd for Floor<C, BACKWARD> {
    /// State updates done.
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let zero = simd.splat_f32s(0.0);
        let a: [S::f32s; C] = black_box([simd.splat_f32s(-0.7); C]);
        let dts = black_box([simd.splat_f32s(0.1); STEPS]);
        let rows = black_box([[0.3f32; 2 * STATES]; STEPS]);
        let (mut h, mut carry, mut da) = ([zero; C], [zero; C], [zero; C]);
        let mut y = [zero; STEPS];
        let (mut db, mut dc) = (zero, zero);
        for _ in 0..ROUNDS {
            for step in 0..STEPS {
                let (row, dt) = (&rows[step], dts[step]);
                let (mut even, mut odd) = (zero, zero);
                unroll!(C, n, {
                    let (b, c) = (simd.splat_f32s(row[n]), simd.splat_f32s(row[STATES + n]));
                    let decay = lanes::exp2_product::<S, false>(simd, dt, a[n]);
                    let before = h[n];
                    h[n] = simd.mul_add_e_f32s(decay, h[n], simd.mul_f32s(dt, b));
                    if BACKWARD {
                        let dh = simd.mul_add_e_f32s(dt, c, carry[n]);
                        carry[n] = simd.mul_f32s(dh, decay);
                        let decayed = simd.mul_f32s(carry[n], before);
                        even = simd.mul_add_e_f32s(dh, b, even);
                        odd = simd.mul_add_e_f32s(decayed, a[n], odd);
                        da[n] = simd.mul_add_e_f32s(decayed, dt, da[n]);
                        db = simd.mul_add_e_f32s(dh, dt, db);
                        dc = simd.mul_add_e_f32s(dt, h[n], dc);
                    } else if n % 2 == 0 {
                        even = simd.mul_add_e_f32s(h[n], c, even);
                    } else {
                        odd = simd.mul_add_e_f32s(h[n], c, odd);
                    }
                });
                y[step] = simd.add_f32s(even, odd);
            }
            black_box(&mut y);
        }
        // one value out of every sum: a whole array here would have to live in memory all along
        let mut sum = simd.add_f32s(db, dc);
        unroll!(C, n, {
            sum = simd.add_f32s(sum, simd.add_f32s(h[n], simd.add_f32s(carry[n], da[n])));
        });
        black_box(sum);
        ROUNDS * STEPS * C * S::F32_LANES
    }
}

/// The shortest of several runs.
fn seconds(mut run: impl FnMut()) -> f64 {
    run();
    let mut best = f64::INFINITY;
    let (begin, mut runs) = (Instant::now(), 0);
    while runs < 3 || begin.elapsed().as_secs_f64() < 0.4 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}

/// State updates a second and core.
fn floor(arch: Arch, backward: bool, threads: usize) -> f64 {
    let mut updates = 0;
    let run = |_| if backward { arch.dispatch(Floor::<8, true>) } else { arch.dispatch(Floor::<16, false>) };
    let time = seconds(|| updates = (0..threads).into_par_iter().map(run).sum());
    updates as f64 / time / threads as f64
}

/// The AVX2 instruction set, where the machine has it: the floor that machines without AVX-512 share.
fn avx2() -> Option<Arch> {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V3::try_new().map(Arch::V3);
    #[cfg(not(target_arch = "x86_64"))]
    None
}

#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Forward,
    /// Finds its checkpoints by a forward walk of its own, which the floor does not count.
    Backward,
    /// From the checkpoints that a forward pass left, as the models run it.
    BackwardFrom,
}

const PASSES: [Pass; 3] = [Pass::Forward, Pass::Backward, Pass::BackwardFrom];

impl Pass {
    fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward, alone",
            Self::BackwardFrom => "backward, in a model",
        }
    }

    /// Time of the pass on all threads.
    fn seconds(self, problem: &Problem) -> f64 {
        const FITS: &str = "shapes fit";
        let (shape, inputs, dy, needs) = (problem.shape, problem.inputs(), &problem.dy, OmniNeeds::ALL);
        match self {
            Self::Forward => seconds(|| drop(black_box(cpu::omni_selective_scan(shape, &inputs).expect(FITS)))),
            Self::Backward => seconds(|| {
                black_box(cpu::omni_selective_scan_backward(shape, &inputs, dy, needs).expect(FITS));
            }),
            Self::BackwardFrom => {
                let (_, left) = cpu::omni_selective_scan_recorded(shape, &inputs).expect(FITS);
                seconds(|| {
                    black_box(cpu::omni_selective_scan_backward_from(shape, &inputs, &left, dy, needs).expect(FITS));
                })
            }
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` runs this too, without the flag
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let scale = if arguments.iter().any(|argument| argument == "large") { 4 } else { 1 };
    let stages = arguments.iter().find(|argument| argument.chars().all(|c| c.is_ascii_digit()));
    println!("threads      shape  pass                    ms  Gupdates/s/core  floor  ratio  AVX2 floor  ratio");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        for stage in (0..STAGES.len()).filter(|stage| stages.is_none_or(|only| only.contains(&stage.to_string()))) {
            let problem = Problem::stage(stage, scale);
            pool.install(|| problem.prove());
            for pass in PASSES {
                let (own, avx2, time) = pool.install(|| {
                    let backward = pass != Pass::Forward;
                    let own = floor(Arch::new(), backward, threads);
                    (own, avx2().map(|arch| floor(arch, backward, threads)), pass.seconds(&problem))
                });
                let rate = problem.updates() / time / threads as f64;
                let (channels, size) = (problem.shape.channels, problem.shape.width);
                print!(
                    "{threads:7} {channels:5}x{size:3}²  {:20} {:8.2}  {:15.2}  {:5.2}  {:5.2}",
                    pass.name(),
                    time * 1e3,
                    rate / 1e9,
                    own / 1e9,
                    rate / own,
                );
                println!(
                    "{}",
                    avx2.map_or_else(String::new, |avx2| format!("  {:10.2}  {:5.2}", avx2 / 1e9, rate / avx2))
                );
            }
        }
    }
}
