use super::{Rows, RowsMut};
use crate::cpu::{lanes::sigmoid, shared::SharedSlice};
use pulp::{Arch, Simd, WithSimd, bytemuck};
use rayon::prelude::*;

/// Sizes of a channel-last map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapShape {
    /// Maps.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

impl MapShape {
    pub(super) fn pixels(&self) -> usize {
        self.batch * self.height * self.width
    }

    pub(super) fn len(&self) -> usize {
        self.pixels() * self.channels
    }

    pub(super) fn check(&self, name: &str, len: usize) {
        assert!(len == self.len(), "{len} values of {name} for {self:?}, which has {}", self.len());
    }

    fn check_rows(&self, name: &str, rows: usize, columns: usize) {
        let fits = rows == self.pixels() && columns == self.channels;
        assert!(fits, "{rows} rows of {columns} as {name} for {self:?}, which has {}", self.pixels());
    }
}

/// Gradients of the parameters of [`depthwise_silu`].
#[derive(Debug, Clone, PartialEq)]
pub struct DepthwiseGradients {
    /// `[channels, 1, 3, 3]`.
    pub weight: Vec<f32>,
    /// `[channels]`.
    pub bias: Vec<f32>,
}

/// Taps of the kernel.
const TAPS: usize = 9;
/// Pixels of a task.
const PIXELS: usize = 512;
/// Rows of a task at least, where the map has them: the backward pass computes one more above and below.
const ROWS: usize = 8;
/// Channels of a task at most.
const CHANNELS: usize = 256;

/// SiLU of the depthwise 3x3 convolution, stride 1, zero padding 1: `x [batch * height * width, channels]`,
/// `weight [channels, 1, 3, 3]`, `bias [channels]` to `[batch, height, width, channels]`.
///
/// # Panics
///
/// When an argument does not fit `shape`.
pub fn depthwise_silu(shape: MapShape, x: Rows<'_>, weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; shape.len()];
    if y.is_empty() {
        return y;
    }
    let layer = Layer::new(shape, x, weight, bias);
    let out = SharedSlice::new(&mut y);
    layer.tasks().into_par_iter().for_each(|task| Arch::new().dispatch(Forward { layer: &layer, task, out }));
    y
}

/// Gradients of [`depthwise_silu`] from those of its output, `dy [batch, height, width, channels]`. The convolution is
/// computed again. The gradient of `x` is written into `dx [batch * height * width, channels]`.
///
/// # Panics
///
/// When an argument does not fit `shape`.
pub fn depthwise_silu_backward(
    shape: MapShape,
    x: Rows<'_>,
    weight: &[f32],
    bias: &[f32],
    dy: &[f32],
    dx: RowsMut<'_>,
) -> DepthwiseGradients {
    let channels = shape.channels;
    shape.check("dy", dy.len());
    shape.check_rows("dx", dx.len(), dx.columns());
    let mut gradients = DepthwiseGradients { weight: vec![0.0; channels * TAPS], bias: vec![0.0; channels] };
    if dy.is_empty() {
        return gradients;
    }
    let layer = Layer::new(shape, x, weight, bias);
    let bands = shape.batch * layer.bands();
    // Sums of every band, `[bands, TAPS + 1, channels]`: those of the weights, then that of the bias.
    let mut sums = vec![0.0; bands * (TAPS + 1) * channels];
    let shared = SharedSlice::new(&mut sums);
    let dy = Rows::new(dy, channels);
    // Tasks share rows, each with its own channels.
    // SAFETY: each row is taken once.
    let dx: Vec<_> = (0..dx.len()).map(|row| SharedSlice::new(unsafe { dx.row(row) })).collect();
    let dx = &dx[..];
    layer.tasks().into_par_iter().for_each_init(Vec::new, |pixels, task| {
        Arch::new().dispatch(Backward { layer: &layer, task, dy, dx, sums: shared, pixels });
    });
    for sums in sums.chunks_exact((TAPS + 1) * channels) {
        for tap in 0..TAPS {
            let sums = &sums[tap * channels..][..channels];
            for (weight, sum) in gradients.weight[tap..].iter_mut().step_by(TAPS).zip(sums) {
                *weight += sum;
            }
        }
        for (bias, sum) in gradients.bias.iter_mut().zip(&sums[TAPS * channels..]) {
            *bias += sum;
        }
    }
    gradients
}

struct Layer<'a> {
    shape: MapShape,
    x: Rows<'a>,
    /// `[TAPS, channels]`.
    weight: Vec<f32>,
    bias: &'a [f32],
    /// Rows of a band.
    rows: usize,
}

/// Some rows and channels of one map.
struct Task {
    sample: usize,
    band: usize,
    rows: std::ops::Range<usize>,
    channels: std::ops::Range<usize>,
}

impl<'a> Layer<'a> {
    fn new(shape: MapShape, x: Rows<'a>, weight: &[f32], bias: &'a [f32]) -> Self {
        let channels = shape.channels;
        shape.check_rows("x", x.len(), x.columns());
        assert!(weight.len() == channels * TAPS, "{} weights for {channels} channels", weight.len());
        assert!(bias.len() == channels, "{} biases for {channels} channels", bias.len());
        let mut packed = Vec::with_capacity(weight.len());
        for tap in 0..TAPS {
            packed.extend(weight[tap..].iter().step_by(TAPS));
        }
        let rows = (PIXELS / shape.width).max(ROWS).min(shape.height);
        Self { shape, x, weight: packed, bias, rows }
    }

    /// Bands of a map.
    fn bands(&self) -> usize {
        self.shape.height.div_ceil(self.rows)
    }

    fn tasks(&self) -> Vec<Task> {
        let (bands, cuts) = (self.bands(), self.shape.channels.div_ceil(CHANNELS));
        (0..self.shape.batch * bands * cuts)
            .map(|index| {
                let (band, cut) = (index / cuts, index % cuts);
                let from = band % bands * self.rows;
                Task {
                    sample: band / bands,
                    band,
                    rows: from..(from + self.rows).min(self.shape.height),
                    channels: cut * CHANNELS..((cut + 1) * CHANNELS).min(self.shape.channels),
                }
            })
            .collect()
    }

    /// Index of the first pixel of a row, if the map has it.
    #[inline(always)]
    fn row(&self, sample: usize, y: isize) -> Option<usize> {
        let inside = (0..self.shape.height as isize).contains(&y);
        inside.then(|| (sample * self.shape.height + y as usize) * self.shape.width)
    }
}

/// Some lanes of the channels, from `from` on.
#[derive(Clone, Copy)]
struct Block {
    from: usize,
    channels: usize,
}

impl Block {
    /// These channels of a pixel.
    #[inline(always)]
    fn load<S: Simd>(self, simd: S, pixel: &[f32]) -> S::f32s {
        load(simd, &pixel[self.from..][..self.channels])
    }

    /// Writes these channels of the pixel at `start`.
    #[inline(always)]
    fn store<S: Simd>(self, simd: S, pixel: SharedSlice<'_>, start: usize, value: S::f32s) {
        // SAFETY: tasks differ in their rows or in their channels.
        let out = unsafe { pixel.range(start + self.from, self.channels) };
        match S::as_mut_simd_f32s(out).0 {
            [out] => *out = value,
            _ => simd.partial_store_f32s(out, value),
        }
    }
}

/// A whole vector where there is one: loads under a mask are slower.
#[inline(always)]
fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values).0 {
        [values] => *values,
        _ => simd.partial_load_f32s(values),
    }
}

/// Weights and bias of a block.
struct Parameters<S: Simd> {
    weight: [S::f32s; TAPS],
    bias: S::f32s,
}

impl<S: Simd> Parameters<S> {
    #[inline(always)]
    fn load(simd: S, layer: &Layer<'_>, block: Block) -> Self {
        let mut weight = [simd.splat_f32s(0.0); TAPS];
        for tap in 0..TAPS {
            weight[tap] = block.load(simd, &layer.weight[tap * layer.shape.channels..][..layer.shape.channels]);
        }
        Self { weight, bias: block.load(simd, layer.bias) }
    }
}

/// The next column of the three rows around an output; zeros where there is none.
#[inline(always)]
fn column<S: Simd>(simd: S, x: Rows<'_>, rows: [Option<usize>; 3], at: usize, block: Block) -> [S::f32s; 3] {
    let mut column = [simd.splat_f32s(0.0); 3];
    for row in 0..3 {
        if let Some(first) = rows[row] {
            column[row] = block.load(simd, x.row(first + at));
        }
    }
    column
}

/// Sum of the products of a window, its columns from left to right, with the weights, on top of `start`.
#[inline(always)]
fn convolve<S: Simd>(simd: S, window: &[[S::f32s; 3]; 3], weight: &[S::f32s; TAPS], start: S::f32s) -> S::f32s {
    // Two chains of sums, which run side by side.
    let (mut even, mut odd) = (start, simd.splat_f32s(0.0));
    for tap in 0..TAPS {
        let (value, weight) = (window[tap % 3][tap / 3], weight[tap]);
        if tap % 2 == 0 {
            even = simd.mul_add_e_f32s(value, weight, even);
        } else {
            odd = simd.mul_add_e_f32s(value, weight, odd);
        }
    }
    simd.add_f32s(even, odd)
}

struct Forward<'a> {
    layer: &'a Layer<'a>,
    task: Task,
    out: SharedSlice<'a>,
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, task, out } = self;
        let width = layer.shape.width;
        let zero = [simd.splat_f32s(0.0); 3];
        for y in task.rows.clone() {
            let rows = [y as isize - 1, y as isize, y as isize + 1].map(|y| layer.row(task.sample, y));
            let first = (task.sample * layer.shape.height + y) * width;
            let mut from = task.channels.start;
            while from < task.channels.end {
                let block = Block { from, channels: S::F32_LANES.min(task.channels.end - from) };
                let parameters = Parameters::load(simd, layer, block);
                let mut window = [zero, zero, column(simd, layer.x, rows, 0, block)];
                for at in 0..width {
                    let next = if at + 1 < width { column(simd, layer.x, rows, at + 1, block) } else { zero };
                    window = [window[1], window[2], next];
                    let z = convolve(simd, &window, &parameters.weight, parameters.bias);
                    block.store(simd, out, (first + at) * layer.shape.channels, simd.mul_f32s(z, sigmoid(simd, z)));
                }
                from += S::F32_LANES;
            }
        }
    }
}

struct Backward<'a> {
    layer: &'a Layer<'a>,
    task: Task,
    dy: Rows<'a>,
    dx: &'a [SharedSlice<'a>],
    sums: SharedSlice<'a>,
    /// Scratch: gradients before SiLU.
    pixels: &'a mut Vec<f32>,
}

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, task, dy, dx, sums, pixels } = self;
        let (width, channels) = (layer.shape.width, layer.shape.channels);
        let rows = task.rows.len();
        // `[rows + 2, width + 2, lanes]`, zero around the map.
        let pitch = width + 2;
        pixels.clear();
        pixels.resize((rows + 2) * pitch * S::F32_LANES, 0.0);
        let mut from = task.channels.start;
        while from < task.channels.end {
            let block = Block { from, channels: S::F32_LANES.min(task.channels.end - from) };
            let parameters = Parameters::load(simd, layer, block);
            let pixels: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut pixels[..]);
            let mut sum = Sums { weight: [simd.splat_f32s(0.0); TAPS], bias: simd.splat_f32s(0.0) };
            for row in 0..rows + 2 {
                let y = (task.rows.start + row) as isize - 1;
                if layer.row(task.sample, y).is_some() {
                    let pixels = &mut pixels[row * pitch + 1..][..width];
                    let own = (1..=rows).contains(&row);
                    before_silu(simd, layer, (task.sample, y), block, &parameters, dy, pixels, own.then_some(&mut sum));
                }
            }
            let mut flipped = parameters.weight;
            flipped.reverse();
            for row in 0..rows {
                let first = (task.sample * layer.shape.height + task.rows.start + row) * width;
                let lines = [row, row + 1, row + 2].map(|row| &pixels[row * pitch..][..pitch]);
                for at in 0..width {
                    let mut window = [[simd.splat_f32s(0.0); 3]; 3];
                    for x in 0..3 {
                        window[x] = [lines[0][at + x], lines[1][at + x], lines[2][at + x]];
                    }
                    let value = convolve(simd, &window, &flipped, simd.splat_f32s(0.0));
                    block.store(simd, dx[first + at], 0, value);
                }
            }
            for tap in 0..=TAPS {
                let value = if tap < TAPS { sum.weight[tap] } else { sum.bias };
                block.store(simd, sums, (task.band * (TAPS + 1) + tap) * channels, value);
            }
            from += S::F32_LANES;
        }
    }
}

/// Parameter gradients of a block.
struct Sums<S: Simd> {
    weight: [S::f32s; TAPS],
    bias: S::f32s,
}

/// Gradients before SiLU of row `place = (sample, y)`; adds its share to the parameter gradients where wanted.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a part of one long loop")]
fn before_silu<S: Simd>(
    simd: S,
    layer: &Layer<'_>,
    place: (usize, isize),
    block: Block,
    parameters: &Parameters<S>,
    dy: Rows<'_>,
    pixels: &mut [S::f32s],
    sums: Option<&mut Sums<S>>,
) {
    let (sample, y) = place;
    let width = layer.shape.width;
    let first = (sample * layer.shape.height + y as usize) * width;
    let rows = [y - 1, y, y + 1].map(|y| layer.row(sample, y));
    let (zero, one) = ([simd.splat_f32s(0.0); 3], simd.splat_f32s(1.0));
    let wanted = sums.is_some();
    let mut weight = [simd.splat_f32s(0.0); TAPS];
    let mut bias = simd.splat_f32s(0.0);
    let mut window = [zero, zero, column(simd, layer.x, rows, 0, block)];
    for at in 0..width {
        let next = if at + 1 < width { column(simd, layer.x, rows, at + 1, block) } else { zero };
        window = [window[1], window[2], next];
        let z = convolve(simd, &window, &parameters.weight, parameters.bias);
        let s = sigmoid(simd, z);
        // s + z s (1 - s)
        let slope = simd.mul_f32s(s, simd.mul_add_e_f32s(z, simd.sub_f32s(one, s), one));
        let gradient = simd.mul_f32s(slope, block.load(simd, dy.row(first + at)));
        pixels[at] = gradient;
        if wanted {
            for tap in 0..TAPS {
                weight[tap] = simd.mul_add_e_f32s(gradient, window[tap % 3][tap / 3], weight[tap]);
            }
            bias = simd.add_f32s(bias, gradient);
        }
    }
    if let Some(sums) = sums {
        for tap in 0..TAPS {
            sums.weight[tap] = simd.add_f32s(sums.weight[tap], weight[tap]);
        }
        sums.bias = simd.add_f32s(sums.bias, bias);
    }
}
