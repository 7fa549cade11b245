//! `devices`: what this build can run on.

use crate::device;
use crate::error::Outcome;
use crate::output::print_json;

/// Prints one JSON line a device.
pub(super) fn run() -> Outcome {
    for entry in device::available() {
        print_json(&entry)?;
    }
    Ok(())
}
