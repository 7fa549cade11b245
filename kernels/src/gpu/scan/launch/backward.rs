use super::{
    forward::Merged,
    geometry::Cut,
    problem::{Parts, Problem},
};
use crate::{
    definition::ScanError,
    gpu::{
        resources::{Buffer, F32, check_bindings, check_index, check_shared, most_units},
        scan::{
            blueprint::{
                BUSY_GRADIENT_UNITS, Blueprint, GradientBlueprint, ParameterSums, ScanStrategy, UnitCut,
                WantedParameters,
            },
            kernel::{reverse_ends, scan_gradients, sum_parameters},
        },
    },
};
use cubecl::{prelude::CubeDim, server::CubeCountSelection};

/// Buffers of the gradient kernel.
const BINDINGS: usize = 15;

/// Which kinds of gradients are computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Of `u`.
    pub(super) input: bool,
    /// Of the ready step.
    pub(super) step: bool,
    /// Of `b`, `c` and the low-rank step.
    pub(super) rows: bool,
    /// Of `a`, skip, bias and the step's weight.
    pub(super) parameters: WantedParameters,
}

/// Gradients before those that were summed in parts are added up.
#[derive(Debug)]
pub(super) struct Gradients {
    /// Of `u`, in the problem's element.
    pub(super) input: Option<Buffer>,
    /// Of the ready step, in the problem's element.
    pub(super) step: Option<Buffer>,
    rows: Buffer,
    row_parts: usize,
    /// Of the parameters, in f32.
    pub(super) parameters: ParameterGradients,
}

impl Gradients {
    /// `elements` of the gradients of `b`, `c` and the low-rank step from `offset` on, in the problem's element.
    pub(super) fn rows(&self, problem: &Problem<'_>, offset: usize, elements: usize) -> Buffer {
        let parts = Parts { elements, count: self.row_parts, stride: problem.geometry.rows, offset };
        problem.sum(&self.rows, parts, problem.element)
    }
}

/// Gradients of the parameters, each in the shape of its parameter.
#[derive(Debug, Default)]
pub(super) struct ParameterGradients {
    /// `[G * D, N]`.
    pub(super) a: Option<Buffer>,
    /// `[G * D]`.
    pub(super) skip: Option<Buffer>,
    /// `[G * D]`.
    pub(super) bias: Option<Buffer>,
    /// `[G * D, R]`.
    pub(super) weight: Option<Buffer>,
}

impl ParameterGradients {
    /// Adds up `count` partial gradients `[count, N + 2 + R, G * D]`.
    fn sum(problem: &Problem<'_>, parts: &Buffer, count: usize, sums: ParameterSums, wanted: WantedParameters) -> Self {
        let client = problem.client;
        let channels = problem.geometry.all_channels();
        let cubes = sums.fields() * channels.div_ceil(sums.lanes);
        let buffer = |is: bool, width: usize| is.then(|| Buffer::empty(client, channels * width, F32));
        let gradients = Self {
            a: buffer(wanted.a, sums.states),
            skip: buffer(wanted.skip, 1),
            bias: buffer(wanted.bias, 1),
            weight: buffer(wanted.weight, sums.rank),
        };
        // One of its own each: WebGPU binds no writable memory twice.
        let arg = |buffer: &Option<Buffer>| buffer.as_ref().map_or_else(|| Buffer::unused(client).arg(), Buffer::arg);
        // SAFETY: `parts` was made for this many, each gradient for its channels, and the blueprint keeps the kernel from writing
        // those that are not wanted.
        unsafe {
            sum_parameters::launch_unchecked(
                client,
                CubeCountSelection::new(client, cubes as u32).cube_count(),
                CubeDim::new_1d((sums.lanes * sums.groups) as u32),
                parts.arg(),
                arg(&gradients.a),
                arg(&gradients.skip),
                arg(&gradients.bias),
                arg(&gradients.weight),
                count,
                channels,
                cubes,
                sums,
                wanted,
            );
        }
        gradients
    }
}

/// All wanted gradients for the gradient `dy` of the result.
pub(super) fn backward(
    problem: &Problem<'_>,
    dy: &Buffer,
    strategy: ScanStrategy,
    wanted: Wanted,
) -> Result<Gradients, ScanError> {
    let Problem { client, geometry, operands, .. } = problem;
    // Every limit before the first launch: a refused problem leaves no work behind.
    check_bindings(problem.op, client, BINDINGS)?;
    let forward = problem.blueprint()?;
    let (blueprint, gradient) = gradient_blueprint(problem, strategy, wanted)?;
    let chunk = gradient.tiles * blueprint.cut.tile;
    let chunks = geometry.chunks(chunk);
    let starts = problem.chunk_starts(chunk, forward)?;
    let carries = chunk_carries(problem, dy, &starts.sums, chunk, forward)?;

    let parts = problem.parts(chunks, blueprint.cut, BUSY_GRADIENT_UNITS);
    let grid = problem.grid(chunks, parts, blueprint.cut)?;
    let du = if wanted.input { Some(Merged::new(problem, parts)?) } else { None };
    let buffer = |wanted: bool, len: usize, element| -> Result<Buffer, ScanError> {
        if !wanted {
            return Ok(Buffer::unused(client));
        }
        check_index(problem.op, len)?;
        Ok(Buffer::empty(client, len, element))
    };
    let dstep = buffer(wanted.step, geometry.input_len(), problem.element)?;
    let rows = buffer(wanted.rows, grid.channel_tiles * geometry.rows, F32)?;
    let parameter_parts = geometry.batch * chunks;
    let sums = ParameterSums::new(geometry.states, geometry.rank, most_units(client));
    let parameter_len = parameter_parts * sums.fields() * geometry.all_channels();
    let parameters = buffer(wanted.parameters.any(), parameter_len, F32)?;
    let unused = Buffer::unused(client);
    let (du_arg, du_element) = du.as_ref().map_or((&unused, F32), |du| (&du.buffer, du.element));
    for slot in 0..geometry.groups / parts {
        // SAFETY: as in `forward`; units beyond the last channel take its place and write nothing.
        unsafe {
            scan_gradients::launch_unchecked(
                client,
                grid.count(client),
                grid.dim(),
                operands.u.arg(),
                operands.step.arg(),
                operands.b.arg(),
                operands.c.arg(),
                dy.arg(),
                operands.a.arg(),
                operands.weight.arg(),
                operands.bias().arg(),
                operands.skip().arg(),
                starts.states.arg(),
                carries.arg(),
                du_arg.arg(),
                dstep.arg(),
                rows.arg(),
                parameters.arg(),
                geometry.layout(Cut { chunk, parts, slot }, grid).launch(),
                Blueprint { accumulate: slot > 0, ..blueprint },
                gradient,
                [problem.element, du_element],
            );
        }
    }
    Ok(Gradients {
        input: du.map(|du| du.finish(problem)),
        step: wanted.step.then_some(dstep),
        rows,
        row_parts: grid.channel_tiles,
        parameters: if wanted.parameters.any() {
            ParameterGradients::sum(problem, &parameters, parameter_parts, sums, wanted.parameters)
        } else {
            ParameterGradients::default()
        },
    })
}

/// The gradient of every chunk's last state `[B, G, C, N, D]`.
fn chunk_carries(
    problem: &Problem<'_>,
    dy: &Buffer,
    sums: &Buffer,
    chunk: usize,
    blueprint: Blueprint,
) -> Result<Buffer, ScanError> {
    let Problem { client, geometry, operands, .. } = problem;
    let chunks = geometry.chunks(chunk);
    let carries = Buffer::empty(client, problem.boundary_len(chunks)?, F32);
    let grid = problem.grid(chunks, geometry.groups, blueprint.cut)?;
    let cut = Cut { chunk, parts: geometry.groups, slot: 0 };
    // SAFETY: as in `forward`.
    unsafe {
        reverse_ends::launch_unchecked(
            client,
            grid.count(client),
            grid.dim(),
            operands.step.arg(),
            operands.c.arg(),
            dy.arg(),
            operands.a.arg(),
            operands.weight.arg(),
            operands.bias().arg(),
            carries.arg(),
            geometry.layout(cut, grid).launch(),
            blueprint,
            problem.element,
        );
    }
    problem.carry(sums, &carries, cut, grid, true);
    Ok(carries)
}

/// What the gradient kernel is compiled for: cubes as wide as shared memory has room for the sums over channels.
fn gradient_blueprint(
    problem: &Problem<'_>,
    strategy: ScanStrategy,
    wanted: Wanted,
) -> Result<(Blueprint, GradientBlueprint), ScanError> {
    let Problem { op, client, geometry, .. } = problem;
    let card = client.properties().identity.physical.is_some();
    let cut = UnitCut::shared_out(geometry.states, most_units(client), strategy, card);
    let mut blueprint = problem.blueprint_of(cut);
    let units = geometry.batch * geometry.all_channels() * cut.groups;
    let gradient = GradientBlueprint {
        tiles: strategy.backward_chunk(units, geometry.length, cut.tile) / cut.tile,
        input: wanted.input,
        step: wanted.step,
        rows: wanted.rows,
        parameters: wanted.parameters.any(),
    };
    let fits =
        |blueprint: &Blueprint, gradient: &GradientBlueprint| check_shared(op, client, gradient.bytes(blueprint));
    while blueprint.cut.kept > 1 && fits(&blueprint, &gradient).is_err() {
        blueprint.cut.kept /= 2;
    }
    while blueprint.cut.lanes > 1 && fits(&blueprint, &gradient).is_err() {
        blueprint.cut.lanes /= 2;
    }
    fits(&blueprint, &gradient)?;
    Ok((blueprint, gradient))
}
