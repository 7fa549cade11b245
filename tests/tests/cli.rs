//! The command line as a process: outputs, exit codes, messages.

#[path = "cli/mod.rs"]
mod cli;
