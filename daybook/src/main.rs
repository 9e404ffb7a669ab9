//! The daybook binary.

use std::process::ExitCode;

use clap::Parser;
use daybook::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    daybook::run(Cli::parse())
}
