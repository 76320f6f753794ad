//! The flags of `seqring compare`.

use crate::engines::EngineName;
use clap::Args;
use std::path::PathBuf;

/// Compares this library's ring with ten lock-based rings.
///
/// Every repetition goes into the record as a line of JSON, with the round trip of a cache line before and after it and
/// the CPU time that others took meanwhile. Within a round every engine runs once; summaries (`seqring report`) use
/// rounds of one class only. An existing record is continued.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Where the record goes, and is continued
    #[arg(long, value_name = "FILE", default_value = "compare.jsonl")]
    pub record: PathBuf,

    /// Fewer points, shorter repetitions: at most five minutes
    #[arg(long)]
    pub quick: bool,

    /// Only sweeps whose names contain one of these; "deaths" are the killed peers, "calls" the system calls a message
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    pub only: Vec<String>,

    /// Only these engines
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    pub engines: Vec<EngineName>,

    /// So many rounds of each point, whatever the plan says
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: Option<u32>,
}
