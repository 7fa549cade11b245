use super::scan::{selective_scan, selective_scan_backward};
use crate::definition::{
    Directions, OmniGradients, OmniInputs, OmniNeeds, OmniShape, ScanError, ScanInputs, ScanNeeds, ScanShape,
};

/// Omnidirectional selective scan in f64, by the book: expand the map along every direction, project, scan with the
/// plain form, put every direction's result back at its pixel and sum.
///
/// Returns `y [B, H, W, D]`.
///
/// # Errors
///
/// [`ScanError`] when a slice does not fit `shape`.
pub fn omni_selective_scan(shape: OmniShape, inputs: &OmniInputs<'_, f64>) -> Result<Vec<f64>, ScanError> {
    shape.check("omni_selective_scan", inputs)?;
    let sequences = Sequences::expand(shape, inputs);
    let (y, _) = selective_scan(sequences.shape, &sequences.inputs(inputs))?;
    let mut merged = vec![0.0; shape.map_len()];
    for_each_visit(shape, |visit| {
        for channel in 0..shape.channels {
            merged[visit.map(channel)] += y[visit.sequence(channel)];
        }
    });
    Ok(merged)
}

/// Gradients of [`omni_selective_scan`] for the output gradient `dy [B, H, W, D]`.
///
/// # Errors
///
/// [`ScanError`] when a slice does not fit `shape`.
pub fn omni_selective_scan_backward(
    shape: OmniShape,
    inputs: &OmniInputs<'_, f64>,
    dy: &[f64],
    needs: OmniNeeds,
) -> Result<OmniGradients<f64>, ScanError> {
    shape.check("omni_selective_scan_backward", inputs)?;
    shape.check_grad("omni_selective_scan_backward", dy)?;
    let sequences = Sequences::expand(shape, inputs);
    let mut dy_sequences = vec![0.0; sequences.u.len()];
    for_each_visit(shape, |visit| {
        for channel in 0..shape.channels {
            dy_sequences[visit.sequence(channel)] = dy[visit.map(channel)];
        }
    });
    let plain = selective_scan_backward(sequences.shape, &sequences.inputs(inputs), &dy_sequences, ScanNeeds::ALL)?;
    let expected = "the plain form was asked for every gradient";
    let (du_sequences, ddelta) = (plain.u.expect(expected), plain.delta.expect(expected));
    let (db, dc) = (plain.b.expect(expected), plain.c.expect(expected));

    let mut du = vec![0.0; shape.map_len()];
    let mut dprojection = vec![0.0; inputs.projection.len()];
    let mut ddt_weight = vec![0.0; inputs.dt_weight.len()];
    for_each_visit(shape, |visit| {
        let row = visit.row();
        for channel in 0..shape.channels {
            let ddelta = ddelta[visit.sequence(channel)];
            du[visit.map(channel)] += du_sequences[visit.sequence(channel)];
            for r in 0..shape.rank {
                let weight = (visit.direction * shape.channels + channel) * shape.rank + r;
                dprojection[row + r] += ddelta * inputs.dt_weight[weight];
                ddt_weight[weight] += ddelta * inputs.projection[row + r];
            }
        }
        for n in 0..shape.states {
            dprojection[row + shape.rank + n] += db[visit.state(n)];
            dprojection[row + shape.rank + shape.states + n] += dc[visit.state(n)];
        }
    });
    Ok(OmniGradients {
        u: needs.u.then_some(du),
        projection: needs.projection.then_some(dprojection),
        dt_weight: needs.dt_weight.then_some(ddt_weight),
        a: plain.a.filter(|_| needs.a),
        skip: plain.skip.filter(|_| needs.skip),
        delta_bias: plain.delta_bias.filter(|_| needs.delta_bias),
    })
}

/// The expanded problem: one group a direction.
struct Sequences {
    shape: ScanShape,
    u: Vec<f64>,
    delta: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
}

impl Sequences {
    fn expand(shape: OmniShape, inputs: &OmniInputs<'_, f64>) -> Self {
        let plain = ScanShape {
            batch: shape.batch,
            groups: shape.directions.count(),
            channels: shape.channels,
            states: shape.states,
            length: shape.pixels(),
        };
        let mut u = vec![0.0; plain.sequence_len()];
        let mut delta = u.clone();
        let mut b = vec![0.0; plain.projection_len()];
        let mut c = b.clone();
        for_each_visit(shape, |visit| {
            let row = &inputs.projection[visit.row()..][..shape.row()];
            for channel in 0..shape.channels {
                u[visit.sequence(channel)] = inputs.u[visit.map(channel)];
                delta[visit.sequence(channel)] = (0..shape.rank)
                    .map(|r| inputs.dt_weight[(visit.direction * shape.channels + channel) * shape.rank + r] * row[r])
                    .sum();
            }
            for n in 0..shape.states {
                b[visit.state(n)] = row[shape.rank + n];
                c[visit.state(n)] = row[shape.rank + shape.states + n];
            }
        });
        Self { shape: plain, u, delta, b, c }
    }

    fn inputs<'a>(&'a self, omni: &OmniInputs<'a, f64>) -> ScanInputs<'a, f64> {
        ScanInputs {
            u: &self.u,
            delta: &self.delta,
            a: omni.a,
            b: &self.b,
            c: &self.c,
            skip: omni.skip,
            delta_bias: omni.delta_bias,
            delta_softplus: omni.delta_softplus,
        }
    }
}

/// Position `l` of one direction of one map, and the pixel that lies there.
struct Visit {
    shape: OmniShape,
    batch: usize,
    direction: usize,
    l: usize,
    pixel: usize,
}

impl Visit {
    /// Index into `[B, H, W, D]`.
    fn map(&self, channel: usize) -> usize {
        (self.batch * self.shape.pixels() + self.pixel) * self.shape.channels + channel
    }

    /// Index into `[B, K * D, L]`.
    fn sequence(&self, channel: usize) -> usize {
        ((self.batch * self.shape.directions.count() + self.direction) * self.shape.channels + channel)
            * self.shape.pixels()
            + self.l
    }

    /// Index into `[B, K, N, L]`.
    fn state(&self, n: usize) -> usize {
        ((self.batch * self.shape.directions.count() + self.direction) * self.shape.states + n) * self.shape.pixels()
            + self.l
    }

    /// First index of the row in `[B, H, W, K, R + 2 N]`.
    fn row(&self) -> usize {
        ((self.batch * self.shape.pixels() + self.pixel) * self.shape.directions.count() + self.direction)
            * self.shape.row()
    }
}

fn for_each_visit(shape: OmniShape, mut f: impl FnMut(&Visit)) {
    for batch in 0..shape.batch {
        for (direction, &order) in shape.directions.orders().iter().enumerate() {
            for l in 0..shape.pixels() {
                let pixel = Directions::pixel(order, l, shape.height, shape.width);
                f(&Visit { shape, batch, direction, l, pixel });
            }
        }
    }
}
