//! Tensors of a GPU as the kernels take them, and products of matrices.

use super::node::{SLOTS, Slots};
use burn::{
    backend::{TensorMetadata, ops::FloatTensorOps},
    tensor::{DType, Shape},
};
use burn_cubecl::{
    CubeBackend,
    cubecl::{client::Client, server::Handle},
    kernel::{
        cast, into_contiguous,
        matmul::{MatmulStrategy, matmul},
    },
    tensor::CubeTensor,
};
use burn_rsmamba_kernels::{
    ScanError,
    gpu::layers::{self, GpuAffine, GpuMap, GpuRows},
};

/// Rows of a product that sums over rows, at least, where it is cut.
const FEWEST_ROWS: usize = 256;
/// Tiles of 64×64 results that keep a large device busy, about.
const BUSY_TILES: usize = 256;

/// In memory order: the kernels compute indices from the shape alone, while Burn's operations pad rows on some runtimes. Free where it is
/// so already.
pub(super) fn contiguous(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(tensor)
}

/// The tensor, to be written to: a copy where somebody else holds its memory.
pub(super) fn writable(tensor: &CubeTensor) -> CubeTensor {
    if tensor.can_mut() { tensor.clone() } else { contiguous(tensor.copy()) }
}

/// As the kernels take it: f32, and in memory order, which a cast may leave.
fn for_kernels(tensor: CubeTensor) -> CubeTensor {
    contiguous(cast(tensor, DType::F32))
}

/// What a kernel gives, or a panic that names the layer's device: operands fit by construction, so what is left are limits of the device.
pub(super) fn launched<T>(result: Result<T, ScanError>, on: &CubeTensor) -> T {
    result.unwrap_or_else(|error| panic!("{error} (device {:?})", on.device))
}

/// The operands of a call in memory order.
pub(in crate::layers) struct Operands(Slots<CubeTensor>);

impl Operands {
    pub(super) fn new(tensors: Slots<CubeTensor>) -> Self {
        Self(tensors.map(|tensor| tensor.map(contiguous)))
    }

    /// Those that are present, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &CubeTensor> {
        self.0.iter().flatten()
    }

    pub(super) fn is_present(&self, index: usize) -> bool {
        self.0[index].is_some()
    }

    /// An operand that the layer always has, in its own dtype.
    pub(super) fn get(&self, index: usize) -> &CubeTensor {
        self.0[index].as_ref().expect("the layer has this operand")
    }

    /// An operand that the layer always has, for a kernel: in f32.
    pub(super) fn handle(&self, index: usize) -> Handle {
        for_kernels(self.get(index).clone()).handle
    }

    /// The same of an operand that may be absent.
    pub(super) fn optional(&self, index: usize) -> Option<Handle> {
        self.is_present(index).then(|| self.handle(index))
    }

    /// A factor a sample, which may be absent, and how many samples.
    pub(super) fn factors(&self, index: usize) -> Option<(Handle, usize)> {
        self.optional(index).map(|handle| (handle, self.dims::<1>(index)[0]))
    }

    /// The shape of an operand that the layer always has.
    pub(super) fn dims<const D: usize>(&self, index: usize) -> [usize; D] {
        self.get(index).shape().dims()
    }

    /// An operand `[.., columns]` as a matrix.
    pub(super) fn rows(&self, index: usize) -> GpuRows {
        rows(self.get(index))
    }

    /// An operand `[B, H, W, C]`.
    pub(super) fn map(&self, index: usize) -> GpuMap {
        let [_, height, width, _] = self.dims(index);
        GpuMap { rows: self.rows(index), height, width }
    }

    /// A normalisation whose scale and shift are the operands from `index` on.
    pub(super) fn affine(&self, index: usize, epsilon: f32) -> GpuAffine {
        GpuAffine { scale: self.handle(index), shift: self.handle(index + 1), epsilon }
    }

    pub(super) fn client(&self) -> &Client {
        &self.any().client
    }

    pub(super) fn any(&self) -> &CubeTensor {
        self.all().next().expect("every layer has an operand")
    }

    /// A new tensor beside the operands.
    pub(super) fn tensor<const D: usize>(&self, handle: Handle, sizes: [usize; D]) -> CubeTensor {
        self.shaped(handle, Shape::from(sizes))
    }

    /// A new tensor in the shape of an operand.
    pub(super) fn like(&self, index: usize, handle: Handle) -> CubeTensor {
        self.shaped(handle, self.get(index).shape())
    }

    fn shaped(&self, handle: Handle, shape: Shape) -> CubeTensor {
        let any = self.any();
        CubeTensor::new_contiguous(any.client.clone(), any.device.clone(), shape, handle, DType::F32)
    }

    /// Memory for `len` values, with undefined contents.
    pub(super) fn room(&self, len: usize) -> Handle {
        self.client().empty(len * size_of::<f32>())
    }

    /// What a kernel gives.
    pub(super) fn launched<T>(&self, result: Result<T, ScanError>) -> T {
        launched(result, self.any())
    }
}

/// A contiguous tensor `[.., columns]` as a matrix.
pub(super) fn rows(tensor: &CubeTensor) -> GpuRows {
    let [rows, columns] = matrix_sizes(tensor);
    GpuRows::whole(tensor.handle.clone(), rows, columns)
}

fn matrix_sizes(tensor: &CubeTensor) -> [usize; 2] {
    let shape = tensor.shape();
    let columns = shape[shape.num_dims() - 1];
    [shape.num_elements() / columns, columns]
}

/// A contiguous tensor in another shape.
pub(super) fn reshaped<const D: usize>(tensor: CubeTensor, sizes: [usize; D]) -> CubeTensor {
    CubeBackend::float_reshape(tensor, Shape::from(sizes))
}

/// A contiguous tensor `[.., columns]` as one of two dimensions.
pub(super) fn matrix(tensor: CubeTensor) -> CubeTensor {
    let sizes = matrix_sizes(&tensor);
    reshaped(tensor, sizes)
}

/// A matrix the other way round, without moving anything.
pub(super) fn transposed(matrix: CubeTensor) -> CubeTensor {
    CubeBackend::float_swap_dims(matrix, 0, 1)
}

/// `x [m, k]` times `weight [k, n]`, computed in the dtype of the weight: f32.
pub(super) fn product(x: CubeTensor, weight: CubeTensor) -> CubeTensor {
    multiplied(x, weight.clone(), weight.dtype)
}

/// The product of the last two dimensions, computed in `dtype`: f32, in memory order.
fn multiplied(one: CubeTensor, other: CubeTensor, dtype: DType) -> CubeTensor {
    let (one, other) = (cast(one, dtype), cast(other, dtype));
    let rank = one.meta.num_dims();
    let mut sizes = one.shape();
    sizes[rank - 1] = other.shape()[rank - 1];
    // Memory for the result comes from here: Burn would pad its rows on some runtimes.
    let room = one.client.empty(sizes.num_elements() * dtype.size());
    let out = CubeTensor::new_contiguous(one.client.clone(), one.device.clone(), sizes, room, dtype);
    let product = matmul(one, other, Some(out), MatmulStrategy::default(), dtype);
    for_kernels(product.unwrap_or_else(|error| panic!("a product of matrices cannot be set up: {error:?}")))
}

/// `xᵀ dy` of `x [rows, m]` and `dy [rows, n]`, both contiguous, computed in `dtype`: `[m, n]`, f32.
///
/// A result of few tiles over many rows would leave most of a device idle, so the rows are cut and the products added, in order.
pub(super) fn product_over_rows(x: CubeTensor, dy: CubeTensor, dtype: DType) -> CubeTensor {
    let ([rows, m], [_, n]) = (matrix_sizes(&x), matrix_sizes(&dy));
    let tiles = m.div_ceil(64) * n.div_ceil(64);
    let mut parts = 1;
    while 2 * parts * tiles <= BUSY_TILES && rows.is_multiple_of(2 * parts) && rows / (2 * parts) >= FEWEST_ROWS {
        parts *= 2;
    }
    if parts == 1 {
        return multiplied(transposed(matrix(x)), matrix(dy), dtype);
    }
    let part = |tensor, columns| reshaped(tensor, [parts, rows / parts, columns]);
    let products = multiplied(CubeBackend::float_swap_dims(part(x, m), 1, 2), part(dy, n), dtype);
    let sum = launched(layers::sum_matrices(&products.client, &products.handle, parts, m * n), &products);
    CubeTensor::new_contiguous(products.client.clone(), products.device, Shape::from([m, n]), sum, DType::F32)
}

/// The gradient of a branch `[rows, C]` from that of its sum with the map, `dy`; operand 1 may be a factor a sample.
pub(super) fn branch_gradient(operands: &Operands, dy: &CubeTensor) -> CubeTensor {
    let dy_rows = rows(dy);
    let sizes = [dy_rows.rows, dy_rows.columns];
    match operands.factors(1) {
        None => matrix(dy.clone()),
        Some((scale, samples)) => {
            let scaled = layers::scale_samples(operands.client(), sizes, &dy.handle, &scale, samples);
            operands.tensor(operands.launched(scaled), sizes)
        }
    }
}

/// Gradients in the order of the operands, then absent ones.
pub(super) fn gradients<const N: usize>(found: [Option<CubeTensor>; N]) -> Slots<CubeTensor> {
    const { assert!(N <= SLOTS, "more gradients than operands") };
    let mut found = found.into_iter();
    std::array::from_fn(|_| found.next().flatten())
}
