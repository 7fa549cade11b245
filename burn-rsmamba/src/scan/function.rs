use super::{SelectiveScan, check};
use burn::{Tensor, backend::Dispatch};
use burn_rsmamba_kernels::Directions;

/// Options of a selective scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ScanOptions {
    /// Whether the step goes through softplus, linear above 20 (off by default, as in Mamba's function).
    pub delta_softplus: bool,
}

/// Selective scan of Mamba (arXiv 2312.00752, algorithm 2), differentiable in all seven inputs.
///
/// ```text
/// dt = softplus(delta + delta_bias)
/// h[n] <- exp(dt * a[n]) * h[n] + dt * b[n] * u        (h starts at 0)
/// y    =  sum_n c[n] * h[n] + skip * u
/// ```
///
/// State and accumulation are f32 for f32, f16 and bf16 inputs, f64 for f64.
///
/// # Arguments
///
/// * `u` - input, `[B, G * D, L]`: batch, G groups of D channels, length.
/// * `delta` - step before bias and softplus, `[B, G * D, L]`.
/// * `a` - decay, `[G * D, N]`: N states; negative in a stable model.
/// * `b`, `c` - input and output projections, `[B, G, N, L]`; channel `ch` uses group `ch / D`.
/// * `skip` - skip connection (`D` in the papers), `[G * D]`.
/// * `delta_bias` - bias of the step, `[G * D]`.
/// * `options` - whether to apply softplus.
///
/// # Returns
///
/// `y`, `[B, G * D, L]`.
///
/// # Panics
///
/// When shapes, devices or dtypes do not fit together or a tensor is empty (the message lists every argument at fault); `a`, `skip` and
/// `delta_bias` alone may stay in f32 beside half-precision inputs. When the device lacks the dtype
/// ([`supports_dtype`](super::supports_dtype)), when the tensors live on a backend whose feature is not enabled in this crate, and at a
/// limit of a GPU ([the guide](super) has them).
///
/// # Example
///
/// ```
/// use burn::Tensor;
/// use burn::tensor::Distribution;
/// use burn_rsmamba::{ScanOptions, selective_scan};
///
/// let device = Default::default();
/// let random = |shape| Tensor::<3>::random(shape, Distribution::Default, &device);
/// let (u, delta) = (random([2, 6, 50]), random([2, 6, 50]));
/// let a = Tensor::<2>::full([6, 4], -1.0, &device);
/// let b = Tensor::<4>::random([2, 3, 4, 50], Distribution::Default, &device);
/// let c = Tensor::<4>::random([2, 3, 4, 50], Distribution::Default, &device);
/// let y = selective_scan(u, delta, a, b, c, None, None, ScanOptions { delta_softplus: true });
/// assert_eq!(y.dims(), [2, 6, 50]);
/// ```
#[expect(clippy::too_many_arguments, reason = "Mamba's argument list")]
pub fn selective_scan(
    u: Tensor<3>,
    delta: Tensor<3>,
    a: Tensor<2>,
    b: Tensor<4>,
    c: Tensor<4>,
    skip: Option<Tensor<1>>,
    delta_bias: Option<Tensor<1>>,
    options: ScanOptions,
) -> Tensor<3> {
    selective_scan_with_state(u, delta, a, b, c, skip, delta_bias, options).0
}

/// [`selective_scan`] that also returns the last state `[B, G * D, N]`, for inference.
///
/// The state is not differentiable: no gradient flows back through it.
///
/// # Panics
///
/// As [`selective_scan`].
#[expect(clippy::too_many_arguments, reason = "Mamba's argument list")]
pub fn selective_scan_with_state(
    u: Tensor<3>,
    delta: Tensor<3>,
    a: Tensor<2>,
    b: Tensor<4>,
    c: Tensor<4>,
    skip: Option<Tensor<1>>,
    delta_bias: Option<Tensor<1>>,
    options: ScanOptions,
) -> (Tensor<3>, Tensor<3>) {
    let inputs = check::scan("selective_scan", u, delta, a, b, c, skip, delta_bias);
    let (y, state) = <Dispatch as SelectiveScan>::selective_scan(inputs, options.delta_softplus);
    (Tensor::from_dispatch(y), Tensor::from_dispatch(state))
}

/// Omnidirectional selective scan of RS-Mamba (arXiv 2404.02668): scans one map along every direction of a set and sums
/// what the directions leave at each pixel.
///
/// The map is never expanded: the projections come once, in pixel order, and each direction visits the pixels in its own
/// order. The low-rank step is expanded inside: `delta[ch] = sum_r dt_weight[k, ch, r] * dt_low[r]`. Differentiable in all
/// six inputs.
///
/// # Arguments
///
/// * `u` - the map, `[B, H, W, D]`.
/// * `projection` - `[dt_low (R) | b (N) | c (N)]` of every pixel and direction, `[B, H, W, K, R + 2 N]`.
/// * `dt_weight` - expansion of the low-rank step, `[K, D, R]`.
/// * `a` - decay, `[K * D, N]`.
/// * `skip` - skip connection, `[K * D]`.
/// * `delta_bias` - bias of the step, `[K * D]`.
/// * `directions` - the K pixel orders.
/// * `options` - whether to apply softplus.
///
/// # Returns
///
/// `y`, `[B, H, W, D]`.
///
/// # Panics
///
/// As [`selective_scan`].
#[expect(clippy::too_many_arguments, reason = "the projections and parameters of one block")]
pub fn omni_selective_scan(
    u: Tensor<4>,
    projection: Tensor<5>,
    dt_weight: Tensor<3>,
    a: Tensor<2>,
    skip: Option<Tensor<1>>,
    delta_bias: Option<Tensor<1>>,
    directions: Directions,
    options: ScanOptions,
) -> Tensor<4> {
    let inputs = check::omni("omni_selective_scan", u, projection, dt_weight, a, skip, delta_bias, directions);
    Tensor::from_dispatch(<Dispatch as SelectiveScan>::omni_selective_scan(inputs, directions, options.delta_softplus))
}
