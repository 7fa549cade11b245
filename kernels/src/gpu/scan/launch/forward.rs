use super::{
    geometry::Cut,
    problem::{Parts, Problem},
};
use crate::{
    definition::ScanError,
    gpu::{
        resources::{Buffer, F32, check_bindings, check_index},
        scan::{
            blueprint::{BUSY_UNITS, Blueprint, ScanStrategy},
            kernel::scan_chunks,
        },
    },
};
use cubecl::ir::ElemType;

/// Buffers of the largest forward kernel.
const BINDINGS: usize = 11;

/// What launches write that several groups add to: `y`, or the gradient of `u`.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) buffer: Buffer,
    pub(super) element: ElemType,
    parts: usize,
}

impl Merged {
    /// Memory for the result itself where one element is written once, or added to in f32; else for a map a part.
    pub(super) fn new(problem: &Problem<'_>, parts: usize) -> Result<Self, ScanError> {
        let geometry = &problem.geometry;
        let direct = !geometry.map || (parts == 1 && (geometry.groups == 1 || problem.element == F32));
        let (maps, element) = if direct { (1, problem.element) } else { (parts, F32) };
        let len = maps * geometry.input_len();
        check_index(problem.op, len)?;
        // No parts to add: the buffer is the result.
        let parts = if direct { 0 } else { parts };
        Ok(Self { buffer: Buffer::empty(problem.client, len, element), element, parts })
    }

    /// The result.
    pub(super) fn finish(self, problem: &Problem<'_>) -> Buffer {
        if self.parts == 0 {
            return self.buffer;
        }
        let elements = problem.geometry.input_len();
        let parts = Parts { elements, count: self.parts, stride: elements, offset: 0 };
        problem.sum(&self.buffer, parts, problem.element)
    }
}

/// `y` and, where wanted, the last state `[B, G * D, N]`, in the problem's element.
pub(super) fn forward(
    problem: &Problem<'_>,
    strategy: ScanStrategy,
    last_state: bool,
) -> Result<(Buffer, Option<Buffer>), ScanError> {
    let Problem { client, geometry, operands, .. } = problem;
    check_bindings(problem.op, client, BINDINGS)?;
    let blueprint = problem.blueprint()?;
    let chunk = strategy.forward_chunk(geometry.batch * geometry.all_channels(), geometry.length);
    let chunks = geometry.chunks(chunk);
    let starts = if chunks > 1 { Some(problem.chunk_starts(chunk, blueprint)?) } else { None };

    let parts = problem.parts(chunks, blueprint.cut, BUSY_UNITS);
    let y = Merged::new(problem, parts)?;
    let state_len = geometry.batch * geometry.all_channels() * geometry.states;
    let last = if last_state { Buffer::empty(client, state_len, F32) } else { Buffer::unused(client) };
    let grid = problem.grid(chunks, parts, blueprint.cut)?;
    for slot in 0..geometry.groups / parts {
        let blueprint = Blueprint { carried: starts.is_some(), last_state, accumulate: slot > 0, ..blueprint };
        // SAFETY: operands hold what the geometry says (checked where they came in), scratch and results were made for it, and units
        // reach positions of the sequence and channels of the group alone.
        unsafe {
            scan_chunks::launch_unchecked(
                client,
                grid.count(client),
                grid.dim(),
                operands.u.arg(),
                operands.step.arg(),
                operands.b.arg(),
                operands.c.arg(),
                operands.a.arg(),
                operands.weight.arg(),
                operands.bias().arg(),
                operands.skip().arg(),
                starts.as_ref().map_or(&operands.a, |starts| &starts.states).arg(),
                y.buffer.arg(),
                last.arg(),
                geometry.layout(Cut { chunk, parts, slot }, grid).launch(),
                blueprint,
                [problem.element, y.element],
            );
        }
    }
    let last = last_state.then(|| problem.as_element(last, state_len));
    Ok((y.finish(problem), last))
}
