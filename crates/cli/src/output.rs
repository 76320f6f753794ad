//! Standard output and standard error, either of which may be closed or have lost its reader.

use std::fmt::Display;
use std::io::{self, StdoutLock, Write};

/// The reader of standard output is gone, as that of `seqring ls | head -1`. The command ends
/// without a message, as if by `SIGPIPE`.
#[derive(Debug, thiserror::Error)]
#[error("standard output has no reader any more")]
pub(crate) struct NoReader;

impl NoReader {
    /// What a shell reports for a process that `SIGPIPE` ended.
    pub(crate) const EXIT_CODE: u8 = 128 + 13;

    /// Whether this is why the command failed.
    pub(crate) fn ended(error: &anyhow::Error) -> bool {
        let cause = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is_some_and(<dyn std::error::Error + Send + Sync>::is::<NoReader>)
    }
}

/// Standard output. `println!` panics where this returns an error.
#[derive(Debug)]
pub struct Output(StdoutLock<'static>);

/// Locks standard output.
pub fn stdout() -> Output {
    Output(io::stdout().lock())
}

impl Output {
    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        io::IsTerminal::is_terminal(&self.0)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(no_reader)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(no_reader)
    }
}

fn no_reader(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(error.kind(), NoReader),
        _ => error,
    }
}

/// Prints a line to standard error, if that can be written to. `eprintln!` panics if not.
pub fn report(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
