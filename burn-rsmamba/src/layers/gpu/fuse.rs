use super::{
    maps::{Operands, contiguous, gradients, matrix, product, product_over_rows, reshaped, transposed},
    node::{GpuLayer, SLOTS, Slots},
};
use crate::layers::fuse::Fuse;
use burn::{
    backend::ops::FloatTensorOps,
    tensor::{Shape, Slice},
};
use burn_cubecl::{CubeBackend, cubecl::server::Handle, tensor::CubeTensor};
use burn_rsmamba_kernels::gpu::layers::{self, GpuMap, GpuRows};

/// The columns of the weight `[out, C1 + C2, 1, 1]` that belong to the first and to the second map.
fn halves(operands: &Operands) -> [CubeTensor; 2] {
    let [out, channels, ..] = operands.dims::<4>(2);
    let [.., first] = operands.dims::<4>(0);
    let weight = reshaped(operands.get(2).clone(), [out, channels]);
    [0..first, first..channels].map(|columns| {
        contiguous(CubeBackend::float_slice(weight.clone(), &[Slice::from(0..out), Slice::from(columns)]))
    })
}

/// The product with the first map, of half the size of the second: `[B, H / 2, W / 2, out]`.
fn small(operands: &Operands, handle: Handle) -> GpuMap {
    let [batch, height, width, _] = operands.dims(0);
    let [out, ..] = operands.dims::<4>(2);
    GpuMap { rows: GpuRows::whole(handle, batch * height * width, out), height, width }
}

fn is_doubled(operands: &Operands) -> bool {
    operands.dims::<4>(0)[1] < operands.dims::<4>(1)[1]
}

impl GpuLayer for Fuse {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        let [batch, height, width, _] = operands[1].as_ref().expect("the second map").dims();
        let [out, ..] = operands[2].as_ref().expect("the weight").dims::<4>();
        vec![Shape::from([batch, height, width, out])]
    }

    /// A 1×1 convolution and a repetition of pixels change places, so the first map is multiplied at its own size.
    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        let [weight1, weight2] = halves(operands).map(transposed);
        let first = product(matrix(operands.get(0).clone()), weight1);
        let y = product(matrix(operands.get(1).clone()), weight2);
        let y = if is_doubled(operands) {
            let first = small(operands, first.handle);
            operands.launched(layers::add_doubled(operands.client(), &first, &y.handle));
            y
        } else {
            CubeBackend::float_add(y, first)
        };
        let [batch, height, width, _] = operands.dims(1);
        let [out, ..] = operands.dims::<4>(2);
        vec![reshaped(y, [batch, height, width, out])]
    }

    fn backward(&self, operands: &Operands, _: &[CubeTensor], dy: CubeTensor, _: &[bool; SLOTS]) -> Slots<CubeTensor> {
        let [weight1, weight2] = halves(operands);
        let dfirst = if is_doubled(operands) {
            let like = small(operands, dy.handle.clone());
            let [rows, out] = [like.rows.rows, like.rows.columns];
            let fours = layers::sum_fours(operands.client(), &like, &dy.handle);
            operands.tensor(operands.launched(fours), [rows, out])
        } else {
            matrix(dy.clone())
        };
        let dy = matrix(dy);
        let weights = [(dfirst.clone(), 0), (dy.clone(), 1)]
            .map(|(dy, map)| product_over_rows(dy, operands.get(map).clone(), operands.get(2).dtype));
        let weight = CubeBackend::float_cat(weights.into(), 1);
        gradients([
            Some(reshaped(product(dfirst, weight1), operands.dims::<4>(0))),
            Some(reshaped(product(dy, weight2), operands.dims::<4>(1))),
            Some(reshaped(weight, operands.dims::<4>(2))),
        ])
    }
}
