//! report
use anyhow::Result;
use clap::Args;
/// Options.
#[derive(Args, Clone, Debug)]
pub struct Options {}
/// Runs.
/// # Errors
/// None.
pub fn run(_: &Options) -> Result<()> {
    Ok(())
}
