//! `seqring perf` as its users see it: the built binary, its output, its exit code, and what it
//! leaves behind.
//!
//! Nothing here waits by sleeping: tests wait for lines that the command prints, or for its end.

mod endings;
mod figures;
mod refusals;
mod support;
