#[cfg(feature = "fusion")]
use super::backends::fusion;
use super::composed;
use burn::backend::{Backend, ExtensionType, backend_extension, tensor::FloatTensor};
use burn_rsmamba_kernels::{Directions, OmniNeeds, ScanNeeds};

/// A tensor that may be absent; `Option` does not cross Burn's dispatch boundary.
#[derive(Debug, Clone, ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub enum OptionalTensor<B: Backend> {
    /// There is none.
    Absent,
    /// There is one.
    Present(FloatTensor<B>),
}

impl<B: Backend> OptionalTensor<B> {
    /// As an `Option`.
    pub fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Present(tensor) => Some(tensor),
        }
    }
}

impl<B: Backend> From<Option<FloatTensor<B>>> for OptionalTensor<B> {
    fn from(tensor: Option<FloatTensor<B>>) -> Self {
        tensor.map_or(Self::Absent, Self::Present)
    }
}

/// Operands of a plain scan; shapes as in [`selective_scan`](super::selective_scan).
#[derive(Debug, Clone, ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub struct ScanTensors<B: Backend> {
    /// `[B, G * D, L]`
    pub u: FloatTensor<B>,
    /// `[B, G * D, L]`
    pub delta: FloatTensor<B>,
    /// `[G * D, N]`
    pub a: FloatTensor<B>,
    /// `[B, G, N, L]`
    pub b: FloatTensor<B>,
    /// `[B, G, N, L]`
    pub c: FloatTensor<B>,
    /// `[G * D]`
    #[extension_type]
    pub skip: OptionalTensor<B>,
    /// `[G * D]`
    #[extension_type]
    pub delta_bias: OptionalTensor<B>,
}

/// Gradients of a plain scan; absent where they were not needed.
#[derive(Debug, Clone, ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub struct ScanGradientTensors<B: Backend> {
    /// `[B, G * D, L]`
    #[extension_type]
    pub u: OptionalTensor<B>,
    /// `[B, G * D, L]`
    #[extension_type]
    pub delta: OptionalTensor<B>,
    /// `[G * D, N]`
    #[extension_type]
    pub a: OptionalTensor<B>,
    /// `[B, G, N, L]`
    #[extension_type]
    pub b: OptionalTensor<B>,
    /// `[B, G, N, L]`
    #[extension_type]
    pub c: OptionalTensor<B>,
    /// `[G * D]`
    #[extension_type]
    pub skip: OptionalTensor<B>,
    /// `[G * D]`
    #[extension_type]
    pub delta_bias: OptionalTensor<B>,
}

/// Operands of an omnidirectional scan; shapes as in [`omni_selective_scan`](super::omni_selective_scan).
#[derive(Debug, Clone, ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub struct OmniTensors<B: Backend> {
    /// `[B, H, W, D]`
    pub u: FloatTensor<B>,
    /// `[B, H, W, K, R + 2 N]`
    pub projection: FloatTensor<B>,
    /// `[K, D, R]`
    pub dt_weight: FloatTensor<B>,
    /// `[K * D, N]`
    pub a: FloatTensor<B>,
    /// `[K * D]`
    #[extension_type]
    pub skip: OptionalTensor<B>,
    /// `[K * D]`
    #[extension_type]
    pub delta_bias: OptionalTensor<B>,
}

/// Gradients of an omnidirectional scan; absent where they were not needed.
#[derive(Debug, Clone, ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub struct OmniGradientTensors<B: Backend> {
    /// `[B, H, W, D]`
    #[extension_type]
    pub u: OptionalTensor<B>,
    /// `[B, H, W, K, R + 2 N]`
    #[extension_type]
    pub projection: OptionalTensor<B>,
    /// `[K, D, R]`
    #[extension_type]
    pub dt_weight: OptionalTensor<B>,
    /// `[K * D, N]`
    #[extension_type]
    pub a: OptionalTensor<B>,
    /// `[K * D]`
    #[extension_type]
    pub skip: OptionalTensor<B>,
    /// `[K * D]`
    #[extension_type]
    pub delta_bias: OptionalTensor<B>,
}

/// The selective scan, supplied by every backend that this crate supports.
///
/// The default bodies are composed from Burn's own operations: the readable reference, and the fallback of a listed
/// backend without kernels. Calling it on a backend that is not listed panics.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(feature = "cubecl-backend"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait SelectiveScan: Backend {
    /// Plain form: `y [B, G * D, L]` and the last state `[B, G * D, N]`. The state is not differentiable.
    #[fusion(meta = fusion::selective_scan)]
    fn selective_scan(
        #[extension_type] inputs: ScanTensors<Self>,
        delta_softplus: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed::selective_scan::<Self>(inputs, delta_softplus)
    }

    /// Omnidirectional form: `y [B, H, W, D]`.
    #[fusion(meta = fusion::omni_selective_scan)]
    fn omni_selective_scan(
        #[extension_type] inputs: OmniTensors<Self>,
        directions: Directions,
        delta_softplus: bool,
    ) -> FloatTensor<Self> {
        composed::omni_selective_scan::<Self>(inputs, directions, delta_softplus)
    }
}

/// The hand-written backward passes, supplied by concrete backends; [`Autodiff`](burn_autodiff::Autodiff) calls them.
///
/// A trait of its own, because the backends that can run backward are fewer than those that can run forward.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(feature = "cubecl-backend"),
    Fusion: cfg(feature = "fusion")
)]
pub trait SelectiveScanBackward: Backend {
    /// Gradients of the plain form for `dy [B, G * D, L]`.
    #[fusion(meta = fusion::selective_scan_backward)]
    fn selective_scan_backward(
        #[extension_type] inputs: ScanTensors<Self>,
        dy: FloatTensor<Self>,
        delta_softplus: bool,
        needs: ScanNeeds,
    ) -> ScanGradientTensors<Self> {
        composed::selective_scan_backward::<Self>(inputs, dy, delta_softplus, needs)
    }

    /// Gradients of the omnidirectional form for `dy [B, H, W, D]`.
    #[fusion(meta = fusion::omni_selective_scan_backward)]
    fn omni_selective_scan_backward(
        #[extension_type] inputs: OmniTensors<Self>,
        dy: FloatTensor<Self>,
        directions: Directions,
        delta_softplus: bool,
        needs: OmniNeeds,
    ) -> OmniGradientTensors<Self> {
        composed::omni_selective_scan_backward::<Self>(inputs, dy, directions, delta_softplus, needs)
    }
}
