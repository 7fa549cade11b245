//! Problems of the tiny model's stages, and their proof against the f64 reference.

use burn_rsmamba_kernels::{Directions, OmniInputs, OmniNeeds, OmniShape, cpu, reference};

/// Owned inputs of one scan, and an output gradient.
pub struct Problem {
    pub shape: OmniShape,
    pub u: Vec<f32>,
    pub projection: Vec<f32>,
    pub dt_weight: Vec<f32>,
    pub a: Vec<f32>,
    pub skip: Vec<f32>,
    pub bias: Vec<f32>,
    pub dy: Vec<f32>,
}

/// Channels, side of the map for an image of 256x256, rank of the step.
pub const STAGES: [(usize, usize, usize); 4] = [(192, 64, 6), (384, 32, 12), (768, 16, 24), (1536, 8, 48)];

impl Problem {
    /// Stage `stage` of the tiny model for an image of `256 * scale` pixels a side.
    pub fn stage(stage: usize, scale: usize) -> Self {
        let (channels, side, rank) = STAGES[stage];
        let (side, directions) = (side * scale, Directions::Eight);
        let shape = OmniShape { batch: 1, height: side, width: side, channels, states: 16, rank, directions };
        let mut seed = 7u64;
        let mut vector = |len: usize, from: f32, to: f32| -> Vec<f32> {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                from + (to - from) * ((seed >> 40) as f32 / (1u64 << 24) as f32)
            };
            (0..len).map(|_| next()).collect()
        };
        let all = shape.all_channels();
        Self {
            shape,
            u: vector(shape.map_len(), -1.0, 1.0),
            projection: vector(shape.pixels() * directions.count() * shape.row(), -1.0, 1.0),
            dt_weight: vector(all * rank, -0.3, 0.3),
            a: vector(all * shape.states, -4.0, -0.05),
            skip: vector(all, -1.0, 1.0),
            bias: vector(all, -4.0, -1.0),
            dy: vector(shape.map_len(), -1.0, 1.0),
        }
    }

    pub fn inputs(&self) -> OmniInputs<'_, f32> {
        OmniInputs {
            u: &self.u,
            projection: &self.projection,
            dt_weight: &self.dt_weight,
            a: &self.a,
            skip: Some(&self.skip),
            delta_bias: Some(&self.bias),
            delta_softplus: true,
        }
    }

    /// Updates of one state by one step.
    pub fn updates(&self) -> f64 {
        (self.shape.map_len() * self.shape.directions.count() * self.shape.states) as f64
    }

    /// Checks `y` and the gradient of `u` of the last channel at every pixel against the f64 reference.
    ///
    /// Channels do not see each other in these two, so the reference runs a problem of that channel alone.
    pub fn prove(&self) {
        let (shape, channel) = (self.shape, self.shape.channels - 1);
        let single = OmniShape { channels: 1, ..shape };
        let pick = |values: &[f32], columns: usize| -> Vec<f64> {
            let rows = values.chunks_exact(shape.channels * columns);
            rows.flat_map(|row| &row[channel * columns..]).map(|&value| f64::from(value)).collect()
        };
        let (u, dy) = (pick(&self.u, 1), pick(&self.dy, 1));
        let projection: Vec<f64> = self.projection.iter().map(|&value| f64::from(value)).collect();
        let (dt_weight, a) = (pick(&self.dt_weight, shape.rank), pick(&self.a, shape.states));
        let (skip, bias) = (pick(&self.skip, 1), pick(&self.bias, 1));
        let inputs = OmniInputs {
            u: &u[..],
            projection: &projection,
            dt_weight: &dt_weight,
            a: &a,
            skip: Some(&skip),
            delta_bias: Some(&bias),
            delta_softplus: true,
        };
        let y_ref = reference::omni_selective_scan(single, &inputs).expect("shapes fit");
        let du_ref =
            reference::omni_selective_scan_backward(single, &inputs, &dy, OmniNeeds::ALL).expect("shapes fit").u;
        let y = cpu::omni_selective_scan(shape, &self.inputs()).expect("shapes fit");
        let (y_recorded, left) = cpu::omni_selective_scan_recorded(shape, &self.inputs()).expect("shapes fit");
        assert!(y == y_recorded, "{shape:?}: the recorded forward pass gives another result");
        let backward = cpu::omni_selective_scan_backward(shape, &self.inputs(), &self.dy, OmniNeeds::ALL);
        let du = backward.expect("shapes fit").u.expect("wanted");
        let from = cpu::omni_selective_scan_backward_from(shape, &self.inputs(), &left, &self.dy, OmniNeeds::ALL);
        assert!(from.expect("shapes fit").u.expect("wanted") == du, "{shape:?}: the checkpoints give another gradient");
        for (name, got, want) in [("y", y, y_ref), ("du", du, du_ref.expect("wanted"))] {
            let scale = want.iter().fold(0.0f64, |max, value| max.max(value.abs()));
            for (got, want) in pick(&got, 1).into_iter().zip(want) {
                assert!((got - want).abs() <= 1e-5 * scale, "{shape:?} {name}: got {got}, expected {want}");
            }
        }
    }
}
