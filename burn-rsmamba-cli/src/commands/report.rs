//! `report`: a run as one page.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::ReportArgs;
use crate::error::{Failure, Outcome};
use crate::html_report;
use crate::output::print_json;
use crate::run_folder::RunFolder;

/// The line on stdout.
#[derive(Serialize)]
struct Written {
    report: PathBuf,
}

/// Writes the page and prints where it is.
pub(super) fn run(args: &ReportArgs) -> Outcome {
    let config = RunFolder::config_of(&args.run);
    if !config.is_file() {
        return Err(Failure::run(format!(
            "{} is no run folder: there is no {}; name a folder that train wrote",
            args.run.display(),
            config.display()
        )));
    }
    let report = html_report::write(&RunFolder::make(&args.run)?)?;
    print_json(&Written { report })?;
    Ok(())
}
