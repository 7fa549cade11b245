use super::{
    close::with_threads,
    conv::random,
    problem::{assert_none, compare},
};
use burn_rsmamba_kernels::cpu::layers::{MapShape, upsample_bilinear2x, upsample_bilinear2x_backward};

const SHAPES: [MapShape; 7] = [
    MapShape { batch: 1, height: 1, width: 1, channels: 1 },
    MapShape { batch: 2, height: 1, width: 5, channels: 3 },
    MapShape { batch: 3, height: 7, width: 3, channels: 16 },
    MapShape { batch: 1, height: 2, width: 2, channels: 17 },
    MapShape { batch: 2, height: 16, width: 12, channels: 8 },
    MapShape { batch: 1, height: 33, width: 20, channels: 48 },
    MapShape { batch: 1, height: 5, width: 64, channels: 1 },
];

/// Weight of input `input` in output `output` of a side: a tent of width 1 around the source position.
fn tent(size: usize, output: usize, input: usize) -> f64 {
    let at = output as f64 * (size - 1) as f64 / (2 * size - 1) as f64;
    (1.0 - (at - input as f64).abs()).max(0.0)
}

/// Calls `visit` with the indices of every output and input, and the weight between them.
fn pairs(shape: MapShape, mut visit: impl FnMut(usize, usize, f64)) {
    let MapShape { batch, height, width, channels } = shape;
    for b in 0..batch {
        for (oy, ox) in (0..2 * height).flat_map(|y| (0..2 * width).map(move |x| (y, x))) {
            for (iy, ix) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let weight = tent(height, oy, iy) * tent(width, ox, ix);
                if weight > 0.0 {
                    for c in 0..channels {
                        let output = ((b * 2 * height + oy) * 2 * width + ox) * channels + c;
                        visit(output, ((b * height + iy) * width + ix) * channels + c, weight);
                    }
                }
            }
        }
    }
}

#[test]
fn forward_and_gradient_are_the_definition() {
    let mut failures = Vec::new();
    for shape in SHAPES {
        let len = shape.batch * shape.height * shape.width * shape.channels;
        let (x, dy) = (random(len, 1), random(4 * len, 2));
        let (mut y, mut dx) = (vec![0.0; 4 * len], vec![0.0; len]);
        pairs(shape, |o, i, weight| {
            y[o] += weight * f64::from(x[i]);
            dx[i] += weight * f64::from(dy[o]);
        });
        compare(&format!("output of {shape:?}"), &upsample_bilinear2x(shape, &x), &y, 1e-6, &mut failures);
        compare(&format!("dx of {shape:?}"), &upsample_bilinear2x_backward(shape, &dy), &dx, 1e-6, &mut failures);
    }
    assert_none(&failures);
}

#[test]
fn results_are_bit_identical_at_any_thread_count() {
    let shape = SHAPES[5];
    let (x, dy) = (random(33 * 20 * 48, 1), random(4 * 33 * 20 * 48, 2));
    let run =
        |threads| with_threads(threads, || [upsample_bilinear2x(shape, &x), upsample_bilinear2x_backward(shape, &dy)]);
    let one = run(1);
    for threads in [2, 3, 5] {
        assert!(one == run(threads), "differs with {threads} threads");
    }
}

#[test]
#[should_panic(expected = "2 values of x")]
fn a_map_of_another_size_panics() {
    upsample_bilinear2x(SHAPES[0], &[0.0; 2]);
}
