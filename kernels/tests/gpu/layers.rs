//! The layers against the native CPU ones, which are tested against formulas in f64.

use super::{
    checks::Checks,
    device::{client, download, upload},
    problem::Random,
};
use burn_rsmamba_kernels::{
    ScanError,
    cpu::layers::{self as cpu, Affine, ConvNeeds, ConvShape, MapShape, Rows, RowsMut},
    gpu::layers::{self, GpuAffine, GpuMap, GpuRows},
};
use cubecl::{client::Client, server::Handle};

const EPSILON: f32 = 1e-5;
/// Rows and columns: less than a cube, uneven, many columns, many rows.
pub(super) const MATRICES: [[usize; 2]; 6] = [[1, 1], [37, 3], [100, 33], [19, 384], [5000, 48], [64, 1536]];
/// Batch, rows, columns, channels of a map.
const MAPS: [[usize; 4]; 6] =
    [[1, 1, 1, 1], [2, 1, 5, 3], [1, 7, 1, 40], [3, 4, 6, 17], [1, 9, 8, 96], [2, 40, 33, 64]];

/// Uniform in `[-range, range)`.
pub(super) fn values(random: &mut Random, len: usize, range: f64) -> Vec<f32> {
    (0..len).map(|_| random.uniform(-range, range) as f32).collect()
}

/// A random matrix whose middle third of columns is meant, where `wide`.
struct Matrix {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
    pitch: usize,
    offset: usize,
}

impl Matrix {
    fn new(random: &mut Random, [rows, columns]: [usize; 2], wide: bool) -> Self {
        let (pitch, offset) = if wide { (3 * columns, columns) } else { (columns, 0) };
        // a mean that is not zero
        let values = values(random, rows * pitch, 2.0).iter().map(|x| x + 0.7).collect();
        Self { values, rows, columns, pitch, offset }
    }

    fn cpu(&self) -> Rows<'_> {
        Rows::columns_of(&self.values, self.pitch, self.offset, self.columns)
    }

    fn gpu(&self, client: &Client) -> GpuRows {
        let handle = upload(client, &self.values);
        GpuRows { handle, rows: self.rows, columns: self.columns, pitch: self.pitch, offset: self.offset }
    }

    /// Sevens like this matrix, of which a backward pass may replace the columns that are meant.
    fn sevens(&self) -> Vec<f32> {
        vec![7.0; self.values.len()]
    }
}

#[test]
fn normalisations_are_those_of_the_cpu() {
    Checks::run("normalisations_are_those_of_the_cpu", |checks| {
        let client = checks.client().clone();
        for (shape, wide) in MATRICES.iter().flat_map(|&shape| [(shape, false), (shape, true)]) {
            let [rows, columns] = shape;
            let mut random = Random((rows * 1000 + columns) as u64);
            let [x, gate] = [false, true].map(|gate| Matrix::new(&mut random, shape, wide != gate));
            let (scale, shift) = (values(&mut random, columns, 1.5), values(&mut random, columns, 1.0));
            let [dy, around] = [(); 2].map(|()| values(&mut random, rows * columns, 1.0));
            let affine = Affine { scale: &scale, shift: &shift, epsilon: EPSILON };
            let up = |values: &[f32]| upload(&client, values);
            let on_gpu = GpuAffine { scale: up(&scale), shift: up(&shift), epsilon: EPSILON };
            let (dy_up, around_up) = (up(&dy), up(&around));
            let (gpu_x, gpu_gate) = (x.gpu(&client), gate.gpu(&client));
            let name = format!("{shape:?} wide {wide}");
            checks.problem();

            let y = layers::layer_norm(&client, &gpu_x, &on_gpu, false).expect("launched");
            checks.like(&name, "y", y, &cpu::layer_norm(x.cpu(), affine, false));
            let want = cpu::layer_norm_backward(x.cpu(), affine, false, &dy);
            let got = layers::layer_norm_backward(&client, &gpu_x, &on_gpu, false, &dy_up, None).expect("launched");
            checks.like(&name, "dx", got.x, &want.x);
            checks.like(&name, "dscale", got.scale, &want.scale);
            checks.like(&name, "dshift", got.shift, &want.shift);
            let got = layers::layer_norm_backward(&client, &gpu_x, &on_gpu, false, &dy_up, Some(&around_up));
            let with: Vec<f32> = want.x.iter().zip(&around).map(|(dx, around)| dx + around).collect();
            checks.like(&name, "dx and around", got.expect("launched").x, &with);

            let y = layers::layer_norm(&client, &gpu_x, &on_gpu, true).expect("launched");
            checks.like(&name, "gelu", y, &cpu::layer_norm(x.cpu(), affine, true));
            let want = cpu::layer_norm_backward(x.cpu(), affine, true, &dy);
            let got = layers::layer_norm_backward(&client, &gpu_x, &on_gpu, true, &dy_up, None).expect("launched");
            checks.like(&name, "gelu dx", got.x, &want.x);
            checks.like(&name, "gelu dscale", got.scale, &want.scale);
            checks.like(&name, "gelu dshift", got.shift, &want.shift);

            let y = layers::gated_norm(&client, &gpu_x, &on_gpu, &gpu_gate).expect("launched");
            checks.like(&name, "gated", y, &cpu::gated_norm(x.cpu(), affine, gate.cpu()));
            let mut dgate = gate.sevens();
            let dgate_up = upload(&client, &dgate);
            let target = RowsMut::columns_of(&mut dgate, gate.pitch, gate.offset, columns);
            let (want, y) = cpu::gated_norm_backward(x.cpu(), affine, gate.cpu(), &dy, target);
            let got = layers::gated_norm_backward(&client, &gpu_x, &on_gpu, &gpu_gate, &dgate_up, &dy_up);
            let got = got.expect("launched");
            checks.like(&name, "gated once more", got.y, &y);
            checks.like(&name, "dgate", dgate_up, &dgate);
            checks.like(&name, "gated dx", got.norm.x, &want.x);
            checks.like(&name, "gated dscale", got.norm.scale, &want.scale);
            checks.like(&name, "gated dshift", got.norm.shift, &want.shift);
        }
    });
}

#[test]
fn depthwise_convolutions_are_those_of_the_cpu() {
    Checks::run("depthwise_convolutions_are_those_of_the_cpu", |checks| {
        let client = checks.client().clone();
        for (map, wide) in MAPS.iter().flat_map(|&map| [(map, false), (map, true)]) {
            let [batch, height, width, channels] = map;
            let mut random = Random((height * 1000 + channels) as u64);
            let x = Matrix::new(&mut random, [batch * height * width, channels], wide);
            let (weight, bias) = (values(&mut random, 9 * channels, 0.5), values(&mut random, channels, 1.0));
            let dy = values(&mut random, batch * height * width * channels, 1.0);
            let shape = MapShape { batch, height, width, channels };
            let up = |values: &[f32]| upload(&client, values);
            let (weight_up, bias_up, dy_up) = (up(&weight), up(&bias), up(&dy));
            let on_gpu = GpuMap { rows: x.gpu(&client), height, width };
            let name = format!("{map:?} wide {wide}");
            checks.problem();

            let y = layers::depthwise_silu(&client, &on_gpu, &weight_up, &bias_up).expect("launched");
            checks.like(&name, "y", y, &cpu::depthwise_silu(shape, x.cpu(), &weight, &bias));
            let mut dx = x.sevens();
            let dx_up = upload(&client, &dx);
            let target = RowsMut::columns_of(&mut dx, x.pitch, x.offset, channels);
            let want = cpu::depthwise_silu_backward(shape, x.cpu(), &weight, &bias, &dy, target);
            let got = layers::depthwise_silu_backward(&client, &on_gpu, &weight_up, &bias_up, &dy_up, &dx_up);
            let got = got.expect("launched");
            checks.like(&name, "dx", dx_up, &dx);
            checks.like(&name, "dweight", got.weight, &want.weight);
            checks.like(&name, "dbias", got.bias, &want.bias);
        }
    });
}

#[test]
fn activations_and_sums_are_those_of_the_cpu() {
    Checks::run("activations_and_sums_are_those_of_the_cpu", |checks| {
        let client = checks.client().clone();
        for shape in MATRICES {
            let [rows, columns] = shape;
            let mut random = Random((rows * 1000 + columns) as u64);
            let [before, dy] = [4.0, 1.0].map(|range| values(&mut random, rows * columns, range));
            let (bias, wide) = (values(&mut random, columns, 1.0), Matrix::new(&mut random, shape, true));
            let up = |values: &[f32]| upload(&client, values);
            let (before_up, bias_up, dy_up) = (up(&before), up(&bias), up(&dy));
            let name = format!("{shape:?}");
            checks.problem();

            let mut biased = before.clone();
            cpu::add_bias(&mut biased, &bias);
            let after = layers::bias_gelu(&client, shape, &before_up, &bias_up).expect("launched");
            checks.like(&name, "gelu", after, &cpu::gelu(&biased));
            let (mut gradient, mut after) = (dy.clone(), vec![0.0; dy.len()]);
            cpu::gelu_backward(&biased, &mut gradient, Some(&mut after));
            let gradient_up = upload(&client, &dy);
            let once_more =
                layers::bias_gelu_backward(&client, shape, &before_up, &bias_up, &gradient_up).expect("launched");
            checks.like(&name, "gelu once more", once_more, &after);
            checks.like(&name, "dgelu", gradient_up, &gradient);

            for samples in [1, rows] {
                let scale = values(&mut random, samples, 1.0);
                let scale_up = upload(&client, &scale);
                let of = |index: usize| scale[index / (rows / samples * columns)];
                let scaled: Vec<f32> = dy.iter().enumerate().map(|(index, dy)| dy * of(index)).collect();
                let got = layers::scale_samples(&client, shape, &dy_up, &scale_up, samples).expect("launched");
                checks.like(&name, "scaled", got, &scaled);
                let with: Vec<f32> = (0..dy.len()).map(|index| dy[index] + of(index) * biased[index]).collect();
                let scale = Some((&scale_up, samples));
                let got = layers::add_branch(&client, shape, &dy_up, &before_up, Some(&bias_up), scale);
                checks.like(&name, "branch", got.expect("launched"), &with);
            }
            let with: Vec<f32> = dy.iter().zip(&before).map(|(x, branch)| x + branch).collect();
            let got = layers::add_branch(&client, shape, &dy_up, &before_up, None, None).expect("launched");
            checks.like(&name, "branch alone", got, &with);

            let sums = layers::sum_rows(&client, &wide.gpu(&client)).expect("launched");
            checks.like(&name, "sum of rows", sums, &cpu::sum_rows(wide.cpu()));
            let sums = layers::sum_matrices(&client, &dy_up, rows, columns).expect("launched");
            checks.like(&name, "sum of matrices", sums, &cpu::sum_rows(Rows::new(&dy, columns)));
        }
    });
}

#[test]
fn batch_normalisations_are_those_of_the_cpu() {
    Checks::run("batch_normalisations_are_those_of_the_cpu", |checks| {
        let client = checks.client().clone();
        // one row has no variance, and its gradient is rounding alone
        for shape in MATRICES.into_iter().filter(|[rows, _]| *rows > 1) {
            let [rows, columns] = shape;
            let mut random = Random((rows * 1000 + columns) as u64);
            let x = Matrix::new(&mut random, shape, false);
            let (scale, shift) = (values(&mut random, columns, 1.5), values(&mut random, columns, 1.0));
            let dy = values(&mut random, rows * columns, 1.0);
            let affine = Affine { scale: &scale, shift: &shift, epsilon: EPSILON };
            let up = |values: &[f32]| upload(&client, values);
            let on_gpu = GpuAffine { scale: up(&scale), shift: up(&shift), epsilon: EPSILON };
            let (x_up, dy_up) = (up(&x.values), up(&dy));
            let name = format!("{shape:?}");
            checks.problem();

            let (mean, variance) = cpu::batch_statistics(x.cpu());
            let both = layers::batch_statistics(&client, &x.gpu(&client)).expect("launched");
            checks.like(&name, "statistics", both, &[&mean[..], &variance].concat());
            let statistics = [up(&mean), up(&variance)];
            let statistics = statistics.each_ref();
            let y = layers::batch_norm_relu(&client, shape, &x_up, statistics, &on_gpu).expect("launched");
            checks.like(&name, "y", y, &cpu::batch_norm(&x.values, &mean, &variance, affine, true));
            let want = cpu::batch_norm_backward(&x.values, &mean, &variance, affine, true, &dy);
            let got = layers::batch_norm_relu_backward(&client, shape, &x_up, statistics, &on_gpu, &dy_up);
            let got = got.expect("launched");
            checks.like(&name, "dx", got.x, &want.x);
            checks.like(&name, "dscale", got.scale, &want.scale);
            checks.like(&name, "dshift", got.shift, &want.shift);
        }
    });
}

#[test]
fn upsamplings_are_those_of_the_cpu() {
    Checks::run("upsamplings_are_those_of_the_cpu", |checks| {
        let client = checks.client().clone();
        for map in MAPS {
            let [batch, height, width, channels] = map;
            let mut random = Random((height * 1000 + channels) as u64);
            let x = Matrix::new(&mut random, [batch * height * width, channels], false);
            let dy = values(&mut random, 4 * x.values.len(), 1.0);
            let (shape, on_gpu) =
                (MapShape { batch, height, width, channels }, GpuMap { rows: x.gpu(&client), height, width });
            let dy_up = upload(&client, &dy);
            let name = format!("{map:?}");
            checks.problem();

            let y = layers::upsample_bilinear2x(&client, &on_gpu).expect("launched");
            checks.like(&name, "y", y, &cpu::upsample_bilinear2x(shape, &x.values));
            let dx = layers::upsample_bilinear2x_backward(&client, &on_gpu, &dy_up).expect("launched");
            checks.like(&name, "dx", dx, &cpu::upsample_bilinear2x_backward(shape, &dy));

            // the four pixels of the large map that belong to one of the small
            let mut with = dy.clone();
            let mut fours = vec![0.0; x.values.len()];
            for (index, value) in with.iter_mut().enumerate() {
                let (pixel, channel) = (index / channels, index % channels);
                let (line, column) = (pixel / (2 * width), pixel % (2 * width));
                let small = ((line / 2) * width + column / 2) * channels + channel;
                fours[small] += *value;
                *value += x.values[small];
            }
            let got = layers::sum_fours(&client, &on_gpu, &dy_up).expect("launched");
            checks.like(&name, "fours", got, &fours);
            layers::add_doubled(&client, &on_gpu, &dy_up).expect("launched");
            checks.like(&name, "doubled", dy_up, &with);
        }
    });
}

#[test]
fn convolutions_are_those_of_the_cpu() {
    Checks::run("convolutions_are_those_of_the_cpu", |checks| {
        let client = checks.client().clone();
        for (batch, [height, width], [in_channels, out_channels], kernel, stride) in [
            (1, [1, 1], [1, 1], 1, 1),
            (2, [5, 4], [3, 8], 3, 1),
            (2, [6, 8], [5, 3], 3, 2),
            (1, [9, 12], [8, 1], 7, 1),
            (1, [7, 5], [33, 2], 3, 2),
            (2, [40, 40], [8, 2], 7, 1),
        ] {
            let padding = kernel / 2;
            let shape = ConvShape { batch, height, width, in_channels, out_channels, kernel, stride, padding };
            let pixels = batch * shape.out_height() * shape.out_width();
            let columns = kernel * kernel * in_channels;
            let mut random = Random((height * 1000 + in_channels) as u64);
            let x = values(&mut random, batch * height * width * in_channels, 1.0);
            let (weight, bias) =
                (values(&mut random, columns * out_channels, 0.5), values(&mut random, out_channels, 1.0));
            let dy = values(&mut random, pixels * out_channels, 1.0);
            let up = |values: &[f32]| upload(&client, values);
            let (x_up, weight_up, bias_up, dy_up) = (up(&x), up(&weight), up(&bias), up(&dy));
            let name = format!("{shape:?}");
            checks.problem();

            let y = cpu::conv2d(shape, &x, &weight, Some(&bias));
            let want = cpu::conv2d_backward(shape, &x, &weight, &dy, ConvNeeds { x: true, weight: true, bias: true });
            let (dx, dweight) = (want.x.expect("asked for"), want.weight.expect("asked for"));
            let got = layers::narrow_conv(&client, shape, &x_up, &weight_up, Some(&bias_up)).expect("launched");
            checks.like(&name, "y", got, &y);
            let got = layers::narrow_conv(&client, shape, &x_up, &weight_up, None).expect("launched");
            checks.like(&name, "y without bias", got, &cpu::conv2d(shape, &x, &weight, None));
            let got = layers::narrow_conv_input(&client, shape, &weight_up, &dy_up).expect("launched");
            checks.like(&name, "dx", got, &dx);
            let got = layers::narrow_conv_weight(&client, shape, &x_up, &dy_up).expect("launched");
            checks.like(&name, "dweight", got, &dweight);

            // the same by patches, in two pieces that do not end with a map, multiplied here
            let weight_at = |output: usize, column: usize| {
                let (tap, input) = (column / in_channels, column % in_channels);
                f64::from(weight[(output * in_channels + input) * kernel * kernel + tap])
            };
            let cut = pixels / 3;
            let out = up(&vec![f32::NAN; pixels * out_channels]);
            for piece in [0..cut, cut..pixels].into_iter().filter(|piece| !piece.is_empty()) {
                let patches = layers::conv_patches(&client, shape, &x_up, piece.clone()).expect("launched");
                let patches = download(&client, patches);
                let product = |pixel: usize, output: usize| -> f64 {
                    let patch = &patches[pixel * columns..][..columns];
                    patch.iter().enumerate().map(|(column, value)| f64::from(*value) * weight_at(output, column)).sum()
                };
                let products = (0..piece.len() * out_channels)
                    .map(|index| product(index / out_channels, index % out_channels) as f32);
                let (products, rows) = (up(&products.collect::<Vec<_>>()), [piece.len(), out_channels]);
                layers::place_rows(&client, rows, &products, Some(&bias_up), &out, piece.start).expect("launched");
            }
            checks.like(&name, "y by patches", out, &y);
            let dpatch = |pixel: usize, column: usize| -> f64 {
                (0..out_channels)
                    .map(|output| f64::from(dy[pixel * out_channels + output]) * weight_at(output, column))
                    .sum()
            };
            let of_map = pixels / batch;
            let back = up(&vec![f32::NAN; x.len()]);
            for sample in 0..batch {
                let dpatches: Vec<f32> = (sample * of_map * columns..(sample + 1) * of_map * columns)
                    .map(|index| dpatch(index / columns, index % columns) as f32)
                    .collect();
                layers::conv_patches_backward(&client, shape, &up(&dpatches), sample..sample + 1, &back)
                    .expect("launched");
            }
            checks.like(&name, "dx by patches", back, &dx);
        }
    });
}

/// Small enough to be watched for races, and with every kernel that has a barrier.
#[test]
fn every_layer_repeats_bit_by_bit() {
    let Some(client) = client() else { return };
    let [rows, columns] = [70, 40];
    let mut random = Random(3);
    let mut up = |len: usize| upload(&client, &values(&mut random, len, 1.0));
    let (x, dy, gate) = (up(rows * columns), up(rows * columns), up(rows * columns));
    let affine = GpuAffine { scale: up(columns), shift: up(columns), epsilon: EPSILON };
    let (statistics, weight, bias) = ([up(columns), upload(&client, &[1.0; 40])], up(9 * columns), up(columns));
    let whole = |handle: &Handle| GpuRows::whole(handle.clone(), rows, columns);
    let map = GpuMap { rows: whole(&x), height: 7, width: 5 };
    let narrow = ConvShape {
        batch: 2,
        height: 7,
        width: 5,
        in_channels: columns,
        out_channels: 2,
        kernel: 3,
        stride: 1,
        padding: 1,
    };
    let run = || {
        let room = || client.empty(rows * columns * size_of::<f32>());
        let (dgate, dx) = (room(), room());
        let norm = layers::layer_norm_backward(&client, &whole(&x), &affine, true, &dy, Some(&gate)).expect("launched");
        let gated = layers::gated_norm_backward(&client, &whole(&x), &affine, &whole(&gate), &dgate, &dy);
        let gated = gated.expect("launched");
        let batch = layers::batch_norm_relu_backward(&client, [rows, columns], &x, statistics.each_ref(), &affine, &dy);
        let batch = batch.expect("launched");
        let conv = layers::depthwise_silu_backward(&client, &map, &weight, &bias, &dy, &dx).expect("launched");
        let results = [
            layers::layer_norm(&client, &whole(&x), &affine, false).expect("launched"),
            norm.x,
            norm.scale,
            norm.shift,
            gated.y,
            gated.norm.x,
            gated.norm.scale,
            gated.norm.shift,
            dgate,
            layers::batch_statistics(&client, &whole(&x)).expect("launched"),
            batch.x,
            batch.scale,
            batch.shift,
            dx,
            conv.weight,
            conv.bias,
            layers::narrow_conv_weight(&client, narrow, &x, &dy).expect("launched"),
            layers::sum_rows(&client, &whole(&x)).expect("launched"),
            layers::sum_squares(&client, &[(x.clone(), rows * columns), (dy.clone(), 7)]).expect("launched"),
        ];
        let bits = |handle| download(&client, handle).into_iter().map(f32::to_bits).collect::<Vec<_>>();
        results.map(bits)
    };
    assert_eq!(run(), run());
}

#[test]
fn layers_refuse_what_does_not_fit() {
    let Some(client) = client() else { return };
    let rows = |rows, columns, pitch, offset| {
        let handle = upload(&client, &[0.5; 60]);
        GpuRows { handle, rows, columns, pitch, offset }
    };
    let affine = |columns| {
        let [scale, shift] = [(); 2].map(|()| upload(&client, &vec![1.0; columns]));
        GpuAffine { scale, shift, epsilon: EPSILON }
    };
    let refused = |error: Result<_, ScanError>, wanted: &str| match error {
        Err(ScanError::Length { argument, .. }) => assert_eq!(argument, wanted),
        other => panic!("{wanted}: {other:?}"),
    };
    refused(layers::layer_norm(&client, &rows(7, 10, 10, 0), &affine(10), false), "x");
    refused(layers::layer_norm(&client, &rows(6, 6, 10, 5), &affine(6), false), "x");
    refused(layers::layer_norm(&client, &rows(6, 10, 10, 0), &affine(9), false), "scale");
    let gate = rows(5, 10, 10, 0);
    let short = GpuRows { handle: upload(&client, &[0.5; 50]), ..gate };
    refused(layers::gated_norm(&client, &rows(6, 10, 10, 0), &affine(10), &short), "gate");
    refused(layers::sum_matrices(&client, &upload(&client, &[0.0; 5]), 2, 3), "matrices");
    refused(layers::bias_gelu(&client, [2, 3], &upload(&client, &[0.0; 6]), &upload(&client, &[0.0; 2])), "bias");
    let uneven = |error: Result<_, ScanError>, wanted: usize| match error {
        Err(ScanError::Uneven { by, .. }) => assert_eq!(by, wanted),
        other => panic!("by {wanted}: {other:?}"),
    };
    let half = GpuMap { rows: rows(5, 10, 10, 0), height: 2, width: 3 };
    uneven(layers::upsample_bilinear2x(&client, &half), 6);
    // parts of a matrix, also one that its columns divide
    for (columns, pitch, offset) in [(4, 10, 0), (5, 10, 0), (5, 10, 5)] {
        let part = GpuMap { rows: rows(6, columns, pitch, offset), ..half.clone() };
        refused(layers::upsample_bilinear2x(&client, &part), "x");
    }
    let [x, scale] = [6, 4].map(|len| upload(&client, &vec![0.0; len]));
    uneven(layers::scale_samples(&client, [6, 1], &x, &scale, 4), 4);
    uneven(layers::scale_samples(&client, [6, 1], &x, &scale, 0), 0);
    let empty = layers::layer_norm(&client, &rows(0, 10, 10, 0), &affine(10), false);
    assert!(matches!(empty, Err(ScanError::Empty { dimension: "rows", .. })), "{empty:?}");
    let (whole, narrow) = (rows(6, 10, 10, 0), GpuRows { rows: 1, ..rows(6, 10, 10, 0) });
    let (short, dy) = (upload(&client, &[0.0; 10]), upload(&client, &[0.0; 60]));
    let error = layers::gated_norm_backward(&client, &whole, &affine(10), &narrow, &short, &dy).map(|_| dy.clone());
    refused(error, "dgate");
    let map = GpuMap { rows: rows(6, 10, 10, 0), height: 2, width: 3 };
    let wide =
        ConvShape { batch: 1, height: 2, width: 3, in_channels: 1, out_channels: 9, kernel: 1, stride: 1, padding: 0 };
    let error = layers::narrow_conv(&client, wide, &dy, &dy, None);
    assert!(matches!(error, Err(ScanError::DeviceLimit { needed: 9, limit: 8, .. })), "{error:?}");
    let [weight, bias] = [90, 9].map(|len| upload(&client, &vec![0.0; len]));
    refused(layers::depthwise_silu(&client, &map, &weight, &bias), "bias");
}
