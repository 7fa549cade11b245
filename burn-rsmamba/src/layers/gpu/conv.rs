use super::{
    maps::{Operands, contiguous, gradients, product, product_over_rows, reshaped, rows, transposed},
    node::{GpuLayer, SLOTS, Slots},
};
use crate::layers::conv::Conv2d;
use burn::{
    backend::ops::FloatTensorOps,
    tensor::{Shape, Slice},
};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use burn_rsmamba_kernels::{
    cpu::layers::ConvShape,
    gpu::layers::{self, NARROW},
};

/// Elements of the patches that a convolution has in memory at the same time, 64 MB; backward as many more, and of one sample at least.
const PATCHES: usize = 1 << 24;

/// A convolution of a call.
struct Call<'a> {
    shape: ConvShape,
    operands: &'a Operands,
    /// Pixels of an output map.
    pixels: usize,
    /// Elements of a patch.
    columns: usize,
}

impl<'a> Call<'a> {
    fn new(layer: &Conv2d, operands: &'a Operands) -> Self {
        let shape = layer.shape(operands.dims(0), operands.dims(1));
        let pixels = shape.out_height() * shape.out_width();
        Self { shape, operands, pixels, columns: shape.kernel * shape.kernel * shape.in_channels }
    }

    fn is_narrow(&self) -> bool {
        self.shape.out_channels <= NARROW
    }

    /// The weight as patches lie, `[kernel kernel in, out]`.
    fn weight(&self) -> CubeTensor {
        let weight = CubeBackend::float_permute(self.operands.get(1).clone(), &[2, 3, 1, 0]);
        reshaped(contiguous(weight), [self.columns, self.shape.out_channels])
    }

    fn patches(&self, pixels: std::ops::Range<usize>) -> CubeTensor {
        let sizes = [pixels.len(), self.columns];
        let patches = layers::conv_patches(self.operands.client(), self.shape, &self.operands.handle(0), pixels);
        self.operands.tensor(self.operands.launched(patches), sizes)
    }

    fn forward(&self) -> CubeTensor {
        let ConvShape { batch, out_channels, .. } = self.shape;
        let (operands, client) = (self.operands, self.operands.client());
        let bias = operands.optional(2);
        let bias = bias.as_ref();
        let y = if self.is_narrow() {
            operands.launched(layers::narrow_conv(client, self.shape, &operands.handle(0), &operands.handle(1), bias))
        } else {
            let rows = batch * self.pixels;
            let weight = self.weight();
            let y = operands.room(rows * out_channels);
            let some = (PATCHES / self.columns).max(1);
            for from in (0..rows).step_by(some) {
                let pixels = from..rows.min(from + some);
                let part = product(self.patches(pixels.clone()), weight.clone());
                let sizes = [pixels.len(), out_channels];
                operands.launched(layers::place_rows(client, sizes, &part.handle, bias, &y, from));
            }
            y
        };
        operands.tensor(y, [batch, self.shape.out_height(), self.shape.out_width(), out_channels])
    }

    /// Gradients of map and weight by kernels of their own.
    fn backward_narrow(&self, dy: &CubeTensor, [x, weight]: [bool; 2]) -> [Option<CubeTensor>; 2] {
        let (operands, client) = (self.operands, self.operands.client());
        let x = x.then(|| {
            let dx = layers::narrow_conv_input(client, self.shape, &operands.handle(1), &dy.handle);
            operands.like(0, operands.launched(dx))
        });
        let weight = weight.then(|| {
            let dweight = layers::narrow_conv_weight(client, self.shape, &operands.handle(0), &dy.handle);
            operands.like(1, operands.launched(dweight))
        });
        [x, weight]
    }

    /// Gradients of map and weight by products of patches, some samples at a time.
    fn backward_patches(&self, dy: &CubeTensor, [x, weight]: [bool; 2]) -> [Option<CubeTensor>; 2] {
        let ConvShape { batch, in_channels, out_channels, kernel, .. } = self.shape;
        let (operands, client) = (self.operands, self.operands.client());
        let dy = reshaped(dy.clone(), [batch * self.pixels, out_channels]);
        let transposed_weight = x.then(|| transposed(self.weight()));
        let dx = x.then(|| operands.room(operands.rows(0).rows * in_channels));
        let mut dweight: Option<CubeTensor> = None;
        let some = (PATCHES / (self.pixels * self.columns)).max(1);
        for from in (0..batch).step_by(some) {
            let samples = from..batch.min(from + some);
            let pixels = samples.start * self.pixels..samples.end * self.pixels;
            let dy = if samples.len() == batch {
                dy.clone()
            } else {
                let part = [Slice::from(pixels.clone()), Slice::from(0..out_channels)];
                contiguous(CubeBackend::float_slice(dy.clone(), &part))
            };
            if weight {
                let part = product_over_rows(self.patches(pixels), dy.clone(), operands.get(1).dtype);
                dweight = Some(match dweight {
                    Some(sum) => CubeBackend::float_add(sum, part),
                    None => part,
                });
            }
            if let (Some(weight), Some(dx)) = (&transposed_weight, &dx) {
                let dpatches = product(dy, weight.clone());
                let back = layers::conv_patches_backward(client, self.shape, &dpatches.handle, samples, dx);
                operands.launched(back);
            }
        }
        let dweight = dweight.map(|dweight| {
            let dweight = reshaped(dweight, [kernel, kernel, in_channels, out_channels]);
            contiguous(CubeBackend::float_permute(dweight, &[3, 2, 0, 1]))
        });
        [dx.map(|dx| operands.like(0, dx)), dweight]
    }
}

impl GpuLayer for Conv2d {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        let of = |index: usize| operands[index].as_ref().expect("map and weight").dims();
        let shape = self.shape(of(0), of(1));
        vec![Shape::from([shape.batch, shape.out_height(), shape.out_width(), shape.out_channels])]
    }

    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        vec![Call::new(self, operands).forward()]
    }

    fn backward(
        &self,
        operands: &Operands,
        _: &[CubeTensor],
        dy: CubeTensor,
        wanted: &[bool; SLOTS],
    ) -> Slots<CubeTensor> {
        let call = Call::new(self, operands);
        let needs = [wanted[0], wanted[1]];
        let [x, weight] =
            if call.is_narrow() { call.backward_narrow(&dy, needs) } else { call.backward_patches(&dy, needs) };
        let bias = (wanted[2] && operands.is_present(2)).then(|| {
            let sums = layers::sum_rows(operands.client(), &rows(&dy));
            operands.like(2, operands.launched(sums))
        });
        gradients([x, weight, bias])
    }
}
