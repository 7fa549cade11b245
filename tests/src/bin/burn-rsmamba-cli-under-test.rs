//! The command line once more: cargo tells tests the paths of their own package's programs only.

use std::process::ExitCode;

fn main() -> ExitCode {
    burn_rsmamba_cli::run(std::env::args_os())
}
