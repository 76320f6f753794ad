//! `seqring compare` and `seqring report`, by the built binary.

mod pages;
mod records;
mod support;
