//! The omnidirectional scan, forward and backward, at the stages of the tiny model for 256x256 and 1024x1024 images.

#![expect(unreachable_pub, reason = "a benchmark")]

mod support;

use burn_rsmamba_kernels::{OmniNeeds, cpu};
use divan::{Bencher, counter::ItemsCount};
use support::Problem;

/// Stage, scale of the image, threads.
const CASES: [(usize, usize, usize); 16] = [
    (0, 1, 1),
    (0, 1, 2),
    (1, 1, 1),
    (1, 1, 2),
    (2, 1, 1),
    (2, 1, 2),
    (3, 1, 1),
    (3, 1, 2),
    (0, 4, 1),
    (0, 4, 2),
    (1, 4, 1),
    (1, 4, 2),
    (2, 4, 1),
    (2, 4, 2),
    (3, 4, 1),
    (3, 4, 2),
];

fn main() {
    // `cargo test --benches` runs this too, without the flag
    if std::env::args().any(|argument| argument == "--bench") {
        divan::main();
    }
}

/// A proven problem and a pool of threads.
fn prepare((stage, scale, threads): (usize, usize, usize)) -> (Problem, rayon::ThreadPool) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    let problem = Problem::stage(stage, scale);
    pool.install(|| problem.prove());
    (problem, pool)
}

#[divan::bench(args = CASES, max_time = 2)]
fn forward(bencher: Bencher<'_, '_>, case: (usize, usize, usize)) {
    let (problem, pool) = prepare(case);
    let (shape, inputs) = (problem.shape, problem.inputs());
    bencher
        .counter(ItemsCount::new(problem.updates() as u64))
        .bench(|| pool.install(|| cpu::omni_selective_scan(shape, &inputs).expect("shapes fit")));
}

#[divan::bench(args = CASES, max_time = 4)]
fn backward(bencher: Bencher<'_, '_>, case: (usize, usize, usize)) {
    let (problem, pool) = prepare(case);
    let (shape, inputs, dy) = (problem.shape, problem.inputs(), &problem.dy[..]);
    bencher.counter(ItemsCount::new(problem.updates() as u64)).bench(|| {
        let run = || cpu::omni_selective_scan_backward(shape, &inputs, dy, OmniNeeds::ALL).expect("shapes fit");
        pool.install(run)
    });
}
