use super::{
    close::{wide, with_threads},
    problem::{Random, assert_none, compare},
};
use burn_rsmamba_kernels::cpu::layers::{ConvGradients, ConvNeeds, ConvShape, conv2d, conv2d_backward};

pub(super) fn random(count: usize, seed: usize) -> Vec<f32> {
    Random::new(seed).values(count, 1.0)
}

const ALL: ConvNeeds = ConvNeeds { x: true, weight: true, bias: true };

const fn shape(
    [batch, height, width]: [usize; 3],
    [in_channels, out_channels]: [usize; 2],
    [kernel, stride, padding]: [usize; 3],
) -> ConvShape {
    ConvShape { batch, height, width, in_channels, out_channels, kernel, stride, padding }
}

/// Odd sizes, channels on both sides of the lane counts, all kernels of the models.
const SHAPES: [ConvShape; 22] = [
    shape([1, 1, 1], [1, 1], [1, 1, 0]),
    shape([1, 1, 1], [3, 5], [3, 1, 1]),
    shape([2, 1, 5], [2, 7], [3, 2, 1]),
    shape([3, 7, 3], [5, 17], [3, 1, 1]),
    shape([2, 7, 3], [17, 33], [3, 2, 1]),
    shape([1, 16, 16], [3, 48], [3, 2, 1]),
    shape([1, 9, 11], [8, 1], [7, 1, 3]),
    shape([2, 12, 10], [8, 2], [7, 1, 3]),
    shape([1, 40, 37], [8, 1], [7, 1, 3]),
    shape([1, 5, 70], [8, 10], [7, 1, 3]),
    shape([1, 20, 20], [48, 8], [3, 1, 1]),
    shape([1, 9, 9], [24, 12], [3, 1, 1]),
    shape([2, 6, 6], [48, 96], [3, 2, 1]),
    shape([1, 8, 8], [64, 50], [3, 1, 1]),
    shape([1, 4, 4], [130, 100], [3, 2, 1]),
    shape([2, 5, 4], [6, 9], [1, 1, 0]),
    // Input rows that no output sees.
    shape([1, 6, 7], [6, 9], [1, 2, 0]),
    shape([1, 8, 8], [4, 6], [3, 2, 0]),
    shape([1, 11, 7], [4, 6], [2, 3, 0]),
    // Outputs that see padding alone, and no output at all.
    shape([1, 2, 3], [4, 6], [1, 1, 1]),
    shape([1, 3, 3], [2, 2], [3, 1, 4]),
    shape([1, 2, 2], [2, 2], [3, 1, 0]),
];

/// Calls `visit` with the indices of every product: output, input and weight.
fn products(shape: ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let ConvShape { batch, height, width, in_channels, out_channels, kernel, stride, padding } = shape;
    let (out_height, out_width) = (shape.out_height(), shape.out_width());
    for b in 0..batch {
        for (oy, ox) in (0..out_height).flat_map(|y| (0..out_width).map(move |x| (y, x))) {
            for (ky, kx) in (0..kernel).flat_map(|y| (0..kernel).map(move |x| (y, x))) {
                let (y, x) = (oy * stride + ky, ox * stride + kx);
                if y < padding || x < padding || y - padding >= height || x - padding >= width {
                    continue;
                }
                let pixel = (b * height + y - padding) * width + x - padding;
                for o in 0..out_channels {
                    let output = ((b * out_height + oy) * out_width + ox) * out_channels + o;
                    for c in 0..in_channels {
                        let weight = ((o * in_channels + c) * kernel + ky) * kernel + kx;
                        visit(output, pixel * in_channels + c, weight);
                    }
                }
            }
        }
    }
}

struct Problem {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    dy: Vec<f32>,
}

impl Problem {
    fn new(shape: ConvShape) -> Self {
        let ConvShape { batch, height, width, in_channels, out_channels, kernel, .. } = shape;
        Self {
            x: random(batch * height * width * in_channels, 1),
            weight: random(out_channels * in_channels * kernel * kernel, 2),
            bias: random(out_channels, 3),
            dy: random(batch * shape.out_height() * shape.out_width() * out_channels, 4),
        }
    }

    fn run(&self, shape: ConvShape) -> (Vec<f32>, ConvGradients) {
        let y = conv2d(shape, &self.x, &self.weight, Some(&self.bias));
        (y, conv2d_backward(shape, &self.x, &self.weight, &self.dy, ALL))
    }
}

#[test]
fn forward_and_gradients_are_the_definition() {
    let mut failures = Vec::new();
    for shape in SHAPES {
        let problem = Problem::new(shape);
        let (y, gradients) = problem.run(shape);
        let (x, weight, dy) = (wide(&problem.x), wide(&problem.weight), wide(&problem.dy));
        let mut truth = vec![0.0; y.len()];
        let (mut dx, mut dweight) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
        products(shape, |o, i, w| {
            truth[o] += x[i] * weight[w];
            dx[i] += dy[o] * weight[w];
            dweight[w] += dy[o] * x[i];
        });
        let mut check = |what: &str, values: &[f32], truth: &[f64]| {
            compare(&format!("{what} of {shape:?}"), values, truth, 1e-5, &mut failures);
        };
        check("output without bias", &conv2d(shape, &problem.x, &problem.weight, None), &truth);
        let mut dbias = vec![0.0; shape.out_channels];
        for (index, value) in truth.iter_mut().enumerate() {
            *value += f64::from(problem.bias[index % shape.out_channels]);
            dbias[index % shape.out_channels] += dy[index];
        }
        check("output", &y, &truth);
        check("dx", &gradients.x.expect("wanted"), &dx);
        check("dweight", &gradients.weight.expect("wanted"), &dweight);
        check("dbias", &gradients.bias.expect("wanted"), &dbias);
    }
    assert_none(&failures);
}

#[test]
fn only_what_is_needed_is_computed() {
    let shape = SHAPES[3];
    let problem = Problem::new(shape);
    let all = problem.run(shape).1;
    for needs in 0..8 {
        let needs = ConvNeeds { x: needs & 1 > 0, weight: needs & 2 > 0, bias: needs & 4 > 0 };
        let some = conv2d_backward(shape, &problem.x, &problem.weight, &problem.dy, needs);
        assert_eq!(some.x, all.x.clone().filter(|_| needs.x));
        assert_eq!(some.weight, all.weight.clone().filter(|_| needs.weight));
        assert_eq!(some.bias, all.bias.clone().filter(|_| needs.bias));
    }
}

#[test]
fn results_are_bit_identical_at_any_thread_count() {
    // Several bands, several panels, several groups of bands.
    let shapes = [
        shape([2, 24, 24], [12, 100], [3, 2, 1]),
        shape([1, 40, 90], [8, 2], [7, 1, 3]),
        shape([1, 33, 60], [24, 8], [3, 1, 1]),
        shape([3, 8, 8], [96, 160], [3, 2, 1]),
    ];
    for shape in shapes {
        let problem = Problem::new(shape);
        let run = |threads| {
            let (y, gradients) = with_threads(threads, || problem.run(shape));
            [Some(y), gradients.x, gradients.weight, gradients.bias]
                .map(|values| values.expect("wanted").into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            assert!(one == run(threads), "{shape:?} differs with {threads} threads");
        }
    }
}

#[test]
#[should_panic(expected = "3 values of x")]
fn a_map_of_another_size_panics() {
    conv2d(SHAPES[0], &[0.0; 3], &[0.0], None);
}

#[test]
#[should_panic(expected = "2 weights")]
fn weights_of_another_size_panic() {
    conv2d(SHAPES[0], &[0.0], &[0.0; 2], None);
}
