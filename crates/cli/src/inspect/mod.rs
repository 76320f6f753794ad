//! `seqring ls`, `stat` and `gc`: the segments of this machine, inspected from outside.
//!
//! None of them joins a ring. Only `gc --remove` takes a lock: that of a ring which it removes.

mod gc;
mod ls;
mod record;
mod stat;

use crate::units::scaled;
use clap::Args;
use seqring::Location;
use std::path::{Path, PathBuf};

pub use gc::GcOptions;
pub(crate) use gc::run as gc;
pub use ls::LsOptions;
pub(crate) use ls::run as ls;
pub use stat::StatOptions;
pub(crate) use stat::run as stat;

/// The directory, and the form of the output.
#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// Directory of the rings
    #[arg(short, long, value_name = "DIR", default_value = "/dev/shm")]
    directory: PathBuf,

    /// Print JSON
    #[arg(short, long)]
    json: bool,
}

impl Common {
    /// The ring of that name, or of that file, in the directory; or at that path, if it is one.
    fn location(&self, name: &str) -> Location {
        let (directory, file) = match name.rsplit_once('/') {
            None => (&*self.directory, name),
            Some(("", file)) => (Path::new("/"), file),
            Some((parent, file)) => (Path::new(parent), file),
        };
        Location::in_directory(directory, file.strip_suffix(".seqring").unwrap_or(file))
    }
}

fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, "B")
}
