use super::{
    rows::{GpuRows, Share, count, dim, operand},
    sum::partials_of_two,
};
use crate::{
    definition::ScanError,
    gpu::{
        layers::kernel::{NormKind, SUBS, norm_columns, norm_rows, norm_slopes},
        resources::{Buffer, F32, check_bindings, check_index},
    },
};
use cubecl::{client::Client, server::Handle};

/// Buffers of the largest kernel.
const BINDINGS: usize = 10;

/// Parameters of a normalisation on a device, f32.
#[derive(Debug, Clone)]
pub struct GpuAffine {
    /// Factor of every column, `[columns]`.
    pub scale: Handle,
    /// Shift of every column, `[columns]`.
    pub shift: Handle,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Gradients of a normalisation, f32.
#[derive(Debug, Clone)]
pub struct NormGradients {
    /// Of the input, `[rows, columns]`.
    pub x: Handle,
    /// Of the factors, `[columns]`.
    pub scale: Handle,
    /// Of the shifts, `[columns]`.
    pub shift: Handle,
}

/// Gradients of [`gated_norm`], f32.
#[derive(Debug, Clone)]
pub struct GatedNormGradients {
    /// Of the normalisation.
    pub norm: NormGradients,
    /// The result of the forward pass once more, `[rows, columns]`.
    pub y: Handle,
}

/// Layer normalisation over the columns of each row (Ba et al. 2016), then GELU where `gelu`: `[rows, columns]`, f32.
///
/// # Errors
///
/// When an operand is too short, and at a limit of the device.
pub fn layer_norm(client: &Client, x: &GpuRows, affine: &GpuAffine, gelu: bool) -> Result<Handle, ScanError> {
    forward("layer_norm", client, x, affine, After::of(gelu))
}

/// `LayerNorm(x) SiLU(gate)`: the end of RS-Mamba's scan branch, `[rows, columns]`, f32.
///
/// # Errors
///
/// As [`layer_norm`].
pub fn gated_norm(client: &Client, x: &GpuRows, affine: &GpuAffine, gate: &GpuRows) -> Result<Handle, ScanError> {
    forward("gated_norm", client, x, affine, After::Gate(gate))
}

/// Gradients of [`layer_norm`] for `dy [rows, columns]`; that of `x` with `around [rows, columns]` added, where there is one.
///
/// # Errors
///
/// As [`layer_norm`].
pub fn layer_norm_backward(
    client: &Client,
    x: &GpuRows,
    affine: &GpuAffine,
    gelu: bool,
    dy: &Handle,
    around: Option<&Handle>,
) -> Result<NormGradients, ScanError> {
    backward("layer_norm_backward", client, x, affine, (After::of(gelu), None), dy, around).map(|(norm, _)| norm)
}

/// Gradients of [`gated_norm`] for `dy [rows, columns]`. The gradient of the gate goes where the gate lies in `dgate`, a matrix like the
/// gate's.
///
/// # Errors
///
/// As [`layer_norm`].
pub fn gated_norm_backward(
    client: &Client,
    x: &GpuRows,
    affine: &GpuAffine,
    gate: &GpuRows,
    dgate: &Handle,
    dy: &Handle,
) -> Result<GatedNormGradients, ScanError> {
    let (norm, y) = backward("gated_norm_backward", client, x, affine, (After::Gate(gate), Some(dgate)), dy, None)?;
    Ok(GatedNormGradients { norm, y: y.into_handle() })
}

/// What follows the normalisation.
#[derive(Clone, Copy)]
enum After<'a> {
    Nothing,
    Gelu,
    Gate(&'a GpuRows),
}

impl After<'_> {
    fn of(gelu: bool) -> Self {
        if gelu { Self::Gelu } else { Self::Nothing }
    }
}

/// The operands of a call.
struct Norm<'a> {
    x: &'a GpuRows,
    values: Buffer,
    scale: Buffer,
    shift: Buffer,
    gate: Option<(&'a GpuRows, Buffer)>,
    kind: NormKind,
}

impl<'a> Norm<'a> {
    fn new(op: &'static str, x: &'a GpuRows, affine: &GpuAffine, after: After<'a>) -> Result<Self, ScanError> {
        let (gate, kind) = match after {
            After::Nothing => (None, NormKind::Plain),
            After::Gelu => (None, NormKind::Gelu),
            After::Gate(gate) => (Some(gate), NormKind::Gated),
        };
        let gate = gate.map(|gate| {
            // As many rows and columns as `x`, whatever it says.
            let needed = GpuRows { rows: x.rows, columns: x.columns, ..gate.clone() };
            needed.buffer(op, "gate").map(|buffer| (gate, buffer))
        });
        Ok(Self {
            x,
            values: x.buffer(op, "x")?,
            scale: operand(op, "scale", "[columns]", &affine.scale, x.columns)?,
            shift: operand(op, "shift", "[columns]", &affine.shift, x.columns)?,
            gate: gate.transpose()?,
            kind,
        })
    }

    /// The gate, or what is bound in its place and not read.
    fn gate(&self) -> (&GpuRows, &Buffer) {
        self.gate.as_ref().map_or((self.x, &self.values), |(gate, buffer)| (*gate, buffer))
    }
}

fn forward(
    op: &'static str,
    client: &Client,
    x: &GpuRows,
    affine: &GpuAffine,
    after: After<'_>,
) -> Result<Handle, ScanError> {
    let norm = Norm::new(op, x, affine, after)?;
    let y = Buffer::empty(client, x.len(), F32);
    let (gate, gate_values) = norm.gate();
    let dim = dim(op, client)?;
    // SAFETY: units reach the rows and columns that the operands were checked for; those without a row write nothing.
    unsafe {
        norm_rows::launch_unchecked(
            client,
            count(client, x.rows.div_ceil(SUBS)),
            dim,
            norm.values.arg(),
            norm.scale.arg(),
            norm.shift.arg(),
            gate_values.arg(),
            y.arg(),
            x.at(),
            gate.at(),
            x.rows,
            x.columns,
            affine.epsilon,
            norm.kind,
        );
    }
    Ok(y.into_handle())
}

fn backward(
    op: &'static str,
    client: &Client,
    x: &GpuRows,
    affine: &GpuAffine,
    (after, dgate): (After<'_>, Option<&Handle>),
    dy: &Handle,
    around: Option<&Handle>,
) -> Result<(NormGradients, Buffer), ScanError> {
    check_bindings(op, client, BINDINGS)?;
    check_index(op, x.len())?;
    let norm = Norm::new(op, x, affine, after)?;
    let dy = operand(op, "dy", "[rows, columns]", dy, x.len())?;
    let around = around.map(|around| operand(op, "around", "[rows, columns]", around, x.len())).transpose()?;
    let dgate = match (after, dgate) {
        (After::Gate(gate), Some(dgate)) => {
            // as many rows and columns as `x`, whatever the gate says
            let needed = GpuRows { handle: dgate.clone(), rows: x.rows, columns: x.columns, ..gate.clone() };
            needed.buffer(op, "dgate")?
        }
        _ => Buffer::unused(client),
    };
    let y = if norm.gate.is_some() { Buffer::empty(client, x.len(), F32) } else { Buffer::unused(client) };
    let dx = Buffer::empty(client, x.len(), F32);
    let statistics = Buffer::empty(client, 2 * x.rows, F32);
    let (gate, gate_values) = norm.gate();
    let dim = dim(op, client)?;
    // SAFETY: as in `forward`.
    unsafe {
        norm_slopes::launch_unchecked(
            client,
            count(client, x.rows.div_ceil(SUBS)),
            dim,
            norm.values.arg(),
            norm.scale.arg(),
            norm.shift.arg(),
            gate_values.arg(),
            dy.arg(),
            around.as_ref().unwrap_or(&norm.values).arg(),
            dx.arg(),
            statistics.arg(),
            dgate.arg(),
            y.arg(),
            x.at(),
            gate.at(),
            x.rows,
            x.columns,
            affine.epsilon,
            norm.kind,
            around.is_some(),
        );
    }
    let share = Share::of(x.rows, x.columns);
    let parts = Buffer::empty(client, share.parts * 2 * x.columns, F32);
    // SAFETY: cubes reach the rows and columns that were checked, and the parts that the share has.
    unsafe {
        norm_columns::launch_unchecked(
            client,
            count(client, share.cubes),
            dim,
            norm.values.arg(),
            norm.scale.arg(),
            norm.shift.arg(),
            gate_values.arg(),
            dy.arg(),
            statistics.arg(),
            parts.arg(),
            x.at(),
            gate.at(),
            x.rows,
            x.columns,
            share.some,
            share.cubes,
            norm.kind,
        );
    }
    let [scale, shift] = partials_of_two(op, client, &parts, share.parts, [x.columns; 2])?.map(Buffer::into_handle);
    Ok((NormGradients { x: dx.into_handle(), scale, shift }, y))
}
