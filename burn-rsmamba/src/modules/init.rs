//! Initial values as in the official code, the same on every device and platform.

use burn::{
    Tensor,
    module::{Initializer, Param, ParamId},
    nn::{
        Linear, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Distribution, Int, Shape, TensorData},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Draws the parameters of a module, one after the other.
///
/// Every parameter has a stream of its own, numbered by its place, so one that is loaded before it is used is never drawn.
pub(crate) struct Draws {
    seed: u64,
    parameters: u64,
    device: Device,
}

impl Draws {
    /// By this seed alone.
    pub(crate) fn seeded(seed: u64, device: &Device) -> Self {
        Self { seed, parameters: 0, device: device.clone() }
    }

    /// By a seed from the device's own generator.
    pub(crate) fn of(device: &Device) -> Self {
        // sixteen bits a draw: exact on every device
        let parts = Tensor::<1, Int>::random([4], Distribution::Uniform(0.0, 65536.0), device).into_data();
        let seed = parts.iter::<i64>().fold(0, |seed, part| seed << 16 | part.unsigned_abs() & 0xffff);
        Self::seeded(seed, device)
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Linear layer: weights normal with σ 0.02 (timm's `trunc_normal_` cuts at ±2, a hundred σ away), biases 0.
    pub(crate) fn linear(&mut self, inputs: usize, outputs: usize, bias: bool) -> Linear {
        Linear {
            weight: self.parameter([inputs, outputs], |stream| 0.02 * stream.normal()),
            bias: bias.then(|| Initializer::Zeros.init([outputs], &self.device)),
        }
    }

    /// Square convolution that keeps the size divided by `stride`; the initial values are PyTorch's.
    pub(crate) fn conv(&mut self, channels: [usize; 2], kernel: usize, stride: usize, bias: bool) -> Conv2d {
        let config = Conv2dConfig::new(channels, [kernel, kernel]).with_stride([stride, stride]).with_bias(bias);
        self.convolution(config, channels[0] * kernel * kernel)
    }

    /// Depthwise 3×3 convolution with a bias.
    pub(crate) fn depthwise(&mut self, channels: usize) -> Conv2d {
        self.convolution(Conv2dConfig::new([channels, channels], [3, 3]).with_groups(channels), 9)
    }

    /// Weights and biases uniform in `±1 / sqrt(fan_in)`.
    fn convolution(&mut self, config: Conv2dConfig, fan_in: usize) -> Conv2d {
        let pad = config.kernel_size[0] / 2;
        let mut conv = config.with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad)).init(&self.device);
        let bound = (fan_in as f64).sqrt().recip();
        conv.weight = self.uniform(conv.weight.lazy_shape().dims(), bound);
        conv.bias = conv.bias.map(|bias| self.uniform(bias.lazy_shape().dims(), bound));
        conv
    }

    /// Uniform in ±`bound`.
    pub(crate) fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f64) -> Param<Tensor<D>> {
        self.parameter(shape, move |stream| stream.uniform(-bound, bound))
    }

    /// Bias of the step: the inverse softplus of `exp(U[ln 1e-3, ln 1e-1])`, floored at 1e-4.
    pub(crate) fn dt_bias(&mut self, shape: [usize; 2]) -> Param<Tensor<2>> {
        let (low, high) = (libm::log(1e-3), libm::log(1e-1));
        self.parameter(shape, move |stream| {
            let dt = libm::exp(stream.uniform(low, high)).max(1e-4);
            // softplus⁻¹(x) = x + ln(1 - exp(-x))
            dt + libm::log(-libm::expm1(-dt))
        })
    }

    /// `ln(1..=N)` for every channel: S4D-real.
    pub(crate) fn a_logs(&mut self, channels: usize, states: usize) -> Param<Tensor<2>> {
        let row: Vec<f32> = (1..=states).map(|n| libm::log(n as f64) as f32).collect();
        self.lazy([channels, states], move || row.repeat(channels))
    }

    fn parameter<const D: usize>(
        &mut self,
        shape: [usize; D],
        value: impl Fn(&mut Stream) -> f64 + Send + Sync + 'static,
    ) -> Param<Tensor<D>> {
        let mut stream = Stream::new(self.seed, self.parameters);
        self.parameters += 1;
        let count = shape.iter().product();
        self.lazy(shape, move || (0..count).map(|_| value(&mut stream) as f32).collect())
    }

    fn lazy<const D: usize>(
        &self,
        shape: [usize; D],
        values: impl FnOnce() -> Vec<f32> + Send + Sync + 'static,
    ) -> Param<Tensor<D>> {
        let init = move |device: &Device, require_grad: bool| {
            Tensor::from_data(TensorData::new(values(), shape), device).set_require_grad(require_grad)
        };
        Param::uninitialized(ParamId::new(), init, self.device.clone(), true, Shape::from(shape))
    }
}

/// The numbers of one parameter.
struct Stream {
    rng: ChaCha8Rng,
    /// The second of a pair of normal draws.
    spare: Option<f64>,
}

impl Stream {
    fn new(seed: u64, parameter: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(parameter);
        Self { rng, spare: None }
    }

    /// In `[low, high)`.
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (f64::from(self.rng.next_u32()) / 4_294_967_296.0)
    }

    /// Mean 0, variance 1: Box and Muller's transform. `libm`, since a platform's own functions differ in their last bits.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform(0.0, 1.0)));
        let (sin, cos) = libm::sincos(self.uniform(0.0, std::f64::consts::TAU));
        self.spare = Some(radius * sin);
        radius * cos
    }
}
