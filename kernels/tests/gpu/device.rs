//! The device, and problems on it.

use super::problem::{Omni, Plain};
use burn_rsmamba_kernels::gpu::{GpuOmniInputs, GpuScanInputs};
use cubecl::{
    Device,
    client::Client,
    ir::{ElemType, FloatKind},
    prelude::CubeElement,
    server::Handle,
};
use std::io::Write;

pub(crate) const F32: ElemType = ElemType::Float(FloatKind::F32);

/// A client of the first device (of CUDA with `cuda-tests`), or `None` and a visible word that the test skips.
pub(crate) fn client() -> Option<Client> {
    let wanted = |device: &Device| !cfg!(feature = "cuda-tests") || format!("{device:?}").starts_with("Cuda");
    let device = Device::enumerate_all().into_iter().find(wanted);
    if device.is_none() {
        // past the test harness, which keeps the output of passing tests to itself
        std::io::stderr().write_all(b"skipped: no graphics adapter\n").expect("stderr");
    }
    device.map(|device| device.client())
}

pub(crate) fn upload(client: &Client, values: &[f32]) -> Handle {
    client.create_from_slice(f32::as_bytes(values))
}

pub(crate) fn download(client: &Client, handle: Handle) -> Vec<f32> {
    let bytes = client.read_one(handle).expect("every launch before it went well");
    f32::from_bytes(&bytes).to_vec()
}

impl Plain<f32> {
    pub(crate) fn upload(&self, client: &Client) -> GpuScanInputs {
        GpuScanInputs {
            element: F32,
            u: upload(client, &self.u),
            delta: upload(client, &self.delta),
            a: upload(client, &self.a),
            b: upload(client, &self.b),
            c: upload(client, &self.c),
            skip: self.options.skip.then(|| upload(client, &self.skip)),
            delta_bias: self.options.bias.then(|| upload(client, &self.bias)),
            delta_softplus: self.options.softplus,
        }
    }
}

impl Omni<f32> {
    pub(crate) fn upload(&self, client: &Client) -> GpuOmniInputs {
        GpuOmniInputs {
            element: F32,
            u: upload(client, &self.u),
            projection: upload(client, &self.projection),
            dt_weight: upload(client, &self.dt_weight),
            a: upload(client, &self.a),
            skip: self.options.skip.then(|| upload(client, &self.skip)),
            delta_bias: self.options.bias.then(|| upload(client, &self.bias)),
            delta_softplus: self.options.softplus,
        }
    }
}
