//! The `burn-rsmamba-cli` program; everything it does is in the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    burn_rsmamba_cli::run(std::env::args_os())
}
