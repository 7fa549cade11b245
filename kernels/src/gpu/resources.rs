//! Buffers, grids and the limits of a device.

use super::scan::UnitCut;
use crate::definition::ScanError;
use cubecl::{
    calculate_cube_count_elemwise,
    client::Client,
    ir::{ElemType, FloatKind},
    prelude::{BufferArg, CubeCount, CubeDim},
    server::{CubeCountSelection, Handle},
};

/// Element of states, parameters and partial results.
pub(in crate::gpu) const F32: ElemType = ElemType::Float(FloatKind::F32);

/// Most units of a cube that computes independent elements.
pub(in crate::gpu) const FLAT_UNITS: u32 = 256;
/// The same where there are few elements and each takes long, so that all of a device has some.
pub(in crate::gpu) const FEW_UNITS: u32 = 64;

/// A contiguous buffer on the device.
#[derive(Debug, Clone)]
pub(in crate::gpu) struct Buffer {
    handle: Handle,
    len: usize,
}

impl Buffer {
    /// An operand of the caller, which must hold at least `len` elements.
    pub(in crate::gpu) fn operand(
        op: &'static str,
        argument: &'static str,
        layout: &'static str,
        handle: &Handle,
        len: usize,
        element: ElemType,
    ) -> Result<Self, ScanError> {
        let actual = handle.size_in_used() as usize / element.size();
        if actual < len {
            return Err(ScanError::Length { op, argument, layout, expected: len, actual });
        }
        Ok(Self { handle: handle.clone(), len })
    }

    /// Memory with undefined contents; every float of it is NaN in the kernels' tests.
    pub(in crate::gpu) fn empty(client: &Client, len: usize, element: ElemType) -> Self {
        let bytes = len * element.size();
        let handle = if cfg!(feature = "gpu-tests") {
            client.create_from_slice(&vec![u8::MAX; bytes])
        } else {
            client.empty(bytes)
        };
        Self { handle, len }
    }

    /// What a kernel is bound to where it writes nothing.
    pub(in crate::gpu) fn unused(client: &Client) -> Self {
        Self::empty(client, 1, F32)
    }

    /// As an argument of a launch.
    pub(in crate::gpu) fn arg(&self) -> BufferArg {
        // SAFETY: both constructors see to it that the memory behind the handle holds `len` elements, and a buffer is
        // bound to kernel arguments of the element type that it was made for.
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len) }
    }

    pub(in crate::gpu) fn into_handle(self) -> Handle {
        self.handle
    }
}

/// Cubes and units of a launch that walks chunks.
#[derive(Debug, Clone, Copy)]
pub(in crate::gpu) struct Grid {
    /// Units of a cube.
    pub(in crate::gpu) units: usize,
    /// Cubes along the channels of a group.
    pub(in crate::gpu) channel_tiles: usize,
    /// Cubes that have work.
    pub(in crate::gpu) cubes: usize,
}

impl Grid {
    /// For `sequences` (of every batch, part and chunk) of `channels` channels.
    pub(in crate::gpu) fn new(
        op: &'static str,
        channels: usize,
        sequences: usize,
        cut: UnitCut,
    ) -> Result<Self, ScanError> {
        let channel_tiles = channels.div_ceil(cut.lanes);
        let cubes = sequences * channel_tiles;
        check_index(op, cubes)?;
        Ok(Self { units: cut.units(), channel_tiles, cubes })
    }

    /// The cubes spread over three dimensions, each within the device's limit (65,535 on WebGPU).
    pub(in crate::gpu) fn count(&self, client: &Client) -> CubeCount {
        CubeCountSelection::new(client, self.cubes as u32).cube_count()
    }

    pub(in crate::gpu) fn dim(&self) -> CubeDim {
        CubeDim::new_1d(self.units as u32)
    }
}

/// Most units of a cube.
pub(in crate::gpu) fn most_units(client: &Client) -> usize {
    let hardware = &client.properties().hardware;
    hardware.max_cube_dim.0.min(hardware.max_units_per_cube).max(1) as usize
}

/// `Ok` when a cube may have `needed` bytes of shared memory.
pub(in crate::gpu) fn check_shared(op: &'static str, client: &Client, needed: usize) -> Result<(), ScanError> {
    let limit = client.properties().hardware.max_shared_memory_size;
    if needed <= limit {
        return Ok(());
    }
    Err(ScanError::DeviceLimit { op, resource: "shared memory in bytes", needed, limit })
}

/// Cubes of at most `most` units for `elements` independent elements, and their units.
pub(in crate::gpu) fn flat(client: &Client, elements: usize, most: u32) -> (CubeCount, CubeDim) {
    let hardware = &client.properties().hardware;
    let units = most.min(hardware.max_cube_dim.0).min(hardware.max_units_per_cube).max(1);
    let dim = CubeDim::new_1d(units);
    (calculate_cube_count_elemwise(client, elements, dim), dim)
}

/// `Ok` when kernels, which index with 32 bits, can reach `elements`.
pub(in crate::gpu) fn check_index(op: &'static str, elements: usize) -> Result<(), ScanError> {
    let limit = u32::MAX as usize;
    if elements <= limit {
        return Ok(());
    }
    Err(ScanError::DeviceLimit { op, resource: "the range of an index", needed: elements, limit })
}

/// `Ok` when the device binds `buffers` and the launch's sizes at the same time.
pub(in crate::gpu) fn check_bindings(op: &'static str, client: &Client, buffers: usize) -> Result<(), ScanError> {
    let limit = client.properties().hardware.max_bindings as usize;
    let needed = buffers + 1;
    if needed <= limit {
        return Ok(());
    }
    Err(ScanError::DeviceLimit { op, resource: "the number of bound buffers", needed, limit })
}

/// `Ok` for the elements that the kernels take.
pub(in crate::gpu) fn check_element(op: &'static str, element: ElemType) -> Result<(), ScanError> {
    match element {
        ElemType::Float(FloatKind::F32 | FloatKind::F16 | FloatKind::BF16 | FloatKind::Flex32) => Ok(()),
        other => Err(ScanError::Element { op, actual: format!("{other:?}") }),
    }
}
