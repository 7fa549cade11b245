//! Problems run on the device and compared with the reference.

use super::{
    device::{client, download, upload},
    problem::{Omni, Options, Plain, assert_none, compare},
};
use burn_rsmamba_kernels::{
    OmniNeeds, OmniShape, ScanNeeds, ScanShape,
    gpu::{self, ScanStrategy},
    reference,
};
use cubecl::{client::Client, server::Handle};
use std::io::Write;

/// Of the largest expected entry.
pub(crate) const TOLERANCE: f64 = 1e-5;

/// Comparisons of one test.
pub(crate) struct Checks {
    client: Client,
    runs: usize,
    compared: usize,
    worst: f64,
    worst_at: String,
    failures: Vec<String>,
}

impl Checks {
    /// Runs `body` where there is a device, and fails once with all that it found; at least one problem must have run.
    pub(crate) fn run(test: &str, body: impl FnOnce(&mut Self)) {
        let Some(client) = client() else { return };
        let mut checks =
            Self { client, runs: 0, compared: 0, worst: 0.0, worst_at: String::new(), failures: Vec::new() };
        body(&mut checks);
        let Self { runs, compared, worst, worst_at, failures, .. } = checks;
        let line = format!(
            "{test}: {runs} problems, {compared} tensors, worst error {worst:.1e} of the largest entry ({worst_at})\n"
        );
        std::io::stderr().write_all(line.as_bytes()).expect("stderr");
        assert!(runs > 0 && compared > 0, "{test}: a device, but nothing ran on it");
        assert_none(&failures);
    }

    /// Forward and all gradients of a plain scan.
    pub(crate) fn plain(&mut self, shape: ScanShape, options: Options, strategies: &[ScanStrategy]) {
        let problem = Plain::random(shape, options, 7);
        let single = problem.to_f32();
        let (y, last) = reference::selective_scan(shape, &problem.inputs()).expect("shapes fit");
        let want =
            reference::selective_scan_backward(shape, &problem.inputs(), &problem.dy, ScanNeeds::ALL).expect("fits");
        for &strategy in strategies {
            self.runs += 1;
            let name = format!("{shape:?} {options:?} {strategy:?}");
            // Buffers of its own for every run: what a launch writes beside its outputs must not carry over.
            let inputs = single.upload(&self.client);
            let dy = upload(&self.client, &single.dy);
            let (got_y, got_last) = gpu::selective_scan(&self.client, shape, &inputs, strategy).expect("launched");
            self.close(&name, "y", Some(got_y), Some(&y));
            self.close(&name, "last_state", Some(got_last), Some(&last));
            let got = gpu::selective_scan_backward(&self.client, shape, &inputs, &dy, ScanNeeds::ALL, strategy)
                .expect("launched");
            for (what, got, want) in [
                ("du", got.u, &want.u),
                ("ddelta", got.delta, &want.delta),
                ("da", got.a, &want.a),
                ("db", got.b, &want.b),
                ("dc", got.c, &want.c),
                ("dskip", got.skip, &want.skip),
                ("ddelta_bias", got.delta_bias, &want.delta_bias),
            ] {
                self.close(&name, what, got, want.as_deref());
            }
        }
    }

    /// Forward and all gradients of an omnidirectional scan.
    pub(crate) fn omni(&mut self, shape: OmniShape, options: Options, strategies: &[ScanStrategy]) {
        let problem = Omni::random(shape, options, 11);
        let single = problem.to_f32();
        let y = reference::omni_selective_scan(shape, &problem.inputs()).expect("shapes fit");
        let want = reference::omni_selective_scan_backward(shape, &problem.inputs(), &problem.dy, OmniNeeds::ALL)
            .expect("fits");
        for &strategy in strategies {
            self.runs += 1;
            let name = format!("{shape:?} {options:?} {strategy:?}");
            let inputs = single.upload(&self.client);
            let dy = upload(&self.client, &single.dy);
            let got_y = gpu::omni_selective_scan(&self.client, shape, &inputs, strategy).expect("launched");
            self.close(&name, "y", Some(got_y), Some(&y));
            let got = gpu::omni_selective_scan_backward(&self.client, shape, &inputs, &dy, OmniNeeds::ALL, strategy)
                .expect("launched");
            for (what, got, want) in [
                ("du", got.u, &want.u),
                ("dprojection", got.projection, &want.projection),
                ("ddt_weight", got.dt_weight, &want.dt_weight),
                ("da", got.a, &want.a),
                ("dskip", got.skip, &want.skip),
                ("ddelta_bias", got.delta_bias, &want.delta_bias),
            ] {
                self.close(&name, what, got, want.as_deref());
            }
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Counts a problem whose results go to [`like`](Self::like).
    pub(crate) fn problem(&mut self) {
        self.runs += 1;
    }

    /// Compares a result with that of native kernels.
    pub(crate) fn like(&mut self, name: &str, what: &str, got: Handle, want: &[f32]) {
        let want: Vec<f64> = want.iter().copied().map(f64::from).collect();
        self.close(name, what, Some(got), Some(&want));
    }

    fn close(&mut self, name: &str, what: &str, got: Option<Handle>, want: Option<&[f64]>) {
        assert_eq!(got.is_some(), want.is_some(), "{name} {what}");
        let (Some(got), Some(want)) = (got, want) else { return };
        let got = download(&self.client, got);
        let name = format!("{name} {what}");
        let error = TOLERANCE * compare(&name, &got, want, TOLERANCE, &mut self.failures);
        self.compared += 1;
        if error > self.worst {
            self.worst = error;
            self.worst_at = name;
        }
    }
}
