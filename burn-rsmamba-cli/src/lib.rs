//! The command line of RS-Mamba on Burn: train, evaluate and run the models on remote-sensing images.
//!
//! One file per verb in `commands`, the training loop in `training`; every verb prints its data on stdout as JSON (`info` and
//! `bench` as tables without `--json`, `train --print-config` as TOML) and everything else on stderr. Exit codes: 0 done, 1 data or
//! run error, 2 usage.

mod aside;
mod cli;
mod commands;
mod config;
mod data;
mod device;
mod environment;
mod error;
mod exhausted;
mod fault;
mod html;
mod html_report;
mod interrupt;
mod kernel_cache;
mod lock;
mod mapping;
mod mask_file;
mod memory;
mod model_file;
mod output;
mod pictures;
mod progress;
mod run_folder;
mod scores;
mod scoring;
mod training;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

/// Runs the program on these arguments (the first is the program's own name).
///
/// Errors are reported on stderr as one line that starts with `error: `.
pub fn run<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    memory::keep_freed_memory();
    kernel_cache::keep_kernels();
    let cli = match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come here too, on stdout with code 0. A closed pipe is no reason to complain.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match exhausted::caught(|| commands::run(cli)).unwrap_or_else(|error| Err(error.into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            failure.exit_code()
        }
    }
}
