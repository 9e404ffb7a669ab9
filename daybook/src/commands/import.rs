//! stub
use super::Failure;
use std::process::ExitCode;
/// stub
#[derive(Debug, clap::Args)]
pub struct ImportArgs {}
/// stub
pub async fn run(_: ImportArgs) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
