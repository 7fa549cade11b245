use super::{
    close::with_threads,
    conv::random,
    problem::{assert_none, compare},
};
use burn_rsmamba_kernels::cpu::layers::{MapShape, Rows, RowsMut, depthwise_silu, depthwise_silu_backward};

const SHAPES: [MapShape; 8] = [
    MapShape { batch: 1, height: 1, width: 1, channels: 1 },
    MapShape { batch: 1, height: 1, width: 5, channels: 3 },
    MapShape { batch: 3, height: 7, width: 3, channels: 16 },
    MapShape { batch: 2, height: 5, width: 1, channels: 17 },
    MapShape { batch: 2, height: 16, width: 12, channels: 40 },
    // Several cuts of the channels, several bands.
    MapShape { batch: 1, height: 4, width: 6, channels: 530 },
    MapShape { batch: 1, height: 19, width: 70, channels: 20 },
    MapShape { batch: 2, height: 2, width: 2, channels: 64 },
];

/// Columns before and after those of the map in the wider matrix that holds it.
const AROUND: (usize, usize) = (3, 5);

struct Problem {
    shape: MapShape,
    width: usize,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    dy: Vec<f32>,
}

impl Problem {
    fn new(shape: MapShape) -> Self {
        let (pixels, channels) = (shape.batch * shape.height * shape.width, shape.channels);
        let width = AROUND.0 + channels + AROUND.1;
        Self {
            shape,
            width,
            x: random(pixels * width, 1),
            weight: random(channels * 9, 2),
            bias: random(channels, 3),
            dy: random(pixels * channels, 4),
        }
    }

    fn x(&self) -> Rows<'_> {
        Rows::columns_of(&self.x, self.width, AROUND.0, self.shape.channels)
    }

    /// Output, the wide matrix with the gradient of `x` in it (7 elsewhere), and the gradients of weight and bias.
    fn run(&self) -> [Vec<f32>; 4] {
        let Self { shape, width, weight, bias, dy, .. } = self;
        let y = depthwise_silu(*shape, self.x(), weight, bias);
        let mut dx = vec![7.0; self.x.len()];
        let out = RowsMut::columns_of(&mut dx, *width, AROUND.0, shape.channels);
        let gradients = depthwise_silu_backward(*shape, self.x(), weight, bias, dy, out);
        [y, dx, gradients.weight, gradients.bias]
    }

    /// The same in f64, without the columns around the map.
    fn truth(&self) -> [Vec<f64>; 4] {
        let MapShape { batch, height, width, channels } = self.shape;
        let pixels = batch * height * width;
        let mut z = vec![0.0; pixels * channels];
        let products = |visit: &mut dyn FnMut(usize, usize, usize)| {
            for (pixel, tap) in (0..pixels).flat_map(|pixel| (0..9).map(move |tap| (pixel, tap))) {
                let (y, x) = (pixel / width % height + tap / 3, pixel % width + tap % 3);
                if (1..=height).contains(&y) && (1..=width).contains(&x) {
                    let source = (pixel / (height * width) * height + y - 1) * width + x - 1;
                    for c in 0..channels {
                        visit(pixel * channels + c, source * channels + c, c * 9 + tap);
                    }
                }
            }
        };
        let x: Vec<f64> = (0..pixels).flat_map(|row| self.x().row(row)).map(|&v| f64::from(v)).collect();
        let weight: Vec<f64> = self.weight.iter().map(|&v| f64::from(v)).collect();
        products(&mut |o, i, w| z[o] += x[i] * weight[w]);
        let (mut y, mut dz) = (z.clone(), z);
        let mut dbias = vec![0.0; channels];
        for index in 0..y.len() {
            let z = y[index] + f64::from(self.bias[index % channels]);
            let s = 1.0 / (1.0 + (-z).exp());
            y[index] = z * s;
            dz[index] = f64::from(self.dy[index]) * (s + z * s * (1.0 - s));
            dbias[index % channels] += dz[index];
        }
        let (mut dx, mut dweight) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
        products(&mut |o, i, w| {
            dx[i] += dz[o] * weight[w];
            dweight[w] += dz[o] * x[i];
        });
        [y, dx, dweight, dbias]
    }
}

#[test]
fn forward_and_gradients_are_the_definition() {
    let mut failures = Vec::new();
    for shape in SHAPES {
        let problem = Problem::new(shape);
        let [y, wide, dweight, dbias] = problem.run();
        let truth = problem.truth();
        let dx: Vec<f32> =
            wide.chunks(problem.width).flat_map(|row| &row[AROUND.0..AROUND.0 + shape.channels]).copied().collect();
        for (index, (values, truth)) in [y, dx, dweight, dbias].iter().zip(&truth).enumerate() {
            compare(&format!("result {index} of {shape:?}"), values, truth, 1e-5, &mut failures);
        }
        let mut around =
            wide.chunks(problem.width).flat_map(|row| row[..AROUND.0].iter().chain(&row[AROUND.0 + shape.channels..]));
        assert!(around.all(|value| value.to_bits() == 7f32.to_bits()), "columns around {shape:?} were written");
    }
    assert_none(&failures);
}

#[test]
fn results_are_bit_identical_at_any_thread_count() {
    for shape in [SHAPES[5], SHAPES[6]] {
        let problem = Problem::new(shape);
        let run = |threads| with_threads(threads, || problem.run());
        let one = run(1);
        for threads in [2, 3, 5] {
            assert!(one == run(threads), "{shape:?} differs with {threads} threads");
        }
    }
}

#[test]
#[should_panic(expected = "4 weights")]
fn weights_of_another_size_panic() {
    depthwise_silu(SHAPES[0], Rows::new(&[1.0], 1), &[0.0; 4], &[0.0]);
}
