//! `seqring-lab perf`, `compare` and `report`, by the built binary.

mod deaths;
mod engines;
mod pages;
mod records;
mod support;
