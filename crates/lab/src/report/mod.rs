//! `seqring report`: pages and conclusions out of a record of `seqring compare`, all of them computed.
//!
//! ```text
//! record ──▶ data: comparable repetitions of each point ──▶ conclusions: what follows, with its sign
//!                                   └──▶ tables ──▶ Markdown, or blocks of a document
//!                                   └──▶ charts ──▶ one HTML page
//! ```

mod agreement;
mod chart;
mod conclusions;
mod data;
mod html;
mod ladder;
mod markdown;
mod number;
mod splice;
mod tables;

use crate::compare::record::Record;
use anyhow::{Context, Result};
use clap::Args;
use conclusions::conclusions;
use data::Data;
use std::fs;
use std::path::PathBuf;

/// Makes pages of a record: report.html, one file with everything in it, and report.md.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// A record of `seqring compare`
    #[arg(value_name = "RECORD", default_value = "compare.jsonl")]
    record: PathBuf,

    /// Where the pages go
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    out: PathBuf,

    /// Use repetitions too that others have disturbed, or during which the cores moved. Says so on every page: such
    /// figures are no evidence, only a sign that everything runs
    #[arg(long)]
    with_disturbed: bool,

    /// Instead of pages: replace the blocks of this document by the tables of the record
    #[arg(long, value_name = "DOCUMENT")]
    splice: Option<PathBuf>,

    /// With --splice: change nothing, and fail if anything would change
    #[arg(long, requires = "splice")]
    check: bool,

    /// Instead of pages: hold the conclusions against those of this record, and fail if two contradict each other
    #[arg(long, value_name = "RECORD", conflicts_with = "splice")]
    agrees_with: Option<PathBuf>,
}

/// Makes what the flags ask for.
///
/// # Errors
/// A record that cannot be read, a page that cannot be written, blocks that are not those of the record.
pub fn run(options: &Options) -> Result<()> {
    let read = |path| Ok::<_, anyhow::Error>(Data::of(Record::read(path)?, options.with_disturbed));
    let data = read(&options.record)?;
    if let Some(document) = &options.splice {
        return splice::splice(document, &data, options.check);
    }
    if let Some(other) = &options.agrees_with {
        return agreement::check(&conclusions(&data), &conclusions(&read(other)?));
    }
    fs::create_dir_all(&options.out).with_context(|| format!("making {}", options.out.display()))?;
    for (name, page) in [("report.html", html::page(&data)), ("report.md", markdown::page(&data))] {
        let path = options.out.join(name);
        fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
