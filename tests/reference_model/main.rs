//! Random histories against a plain reference: whatever is done to a ring, one call after another, every result,
//! byte, number, lag and loss is what sequential code of a hundred lines says it must be.
//!
//! A failure prints the smallest ring and history that show it; both are plain data, so they can be pasted into a
//! test. What threads do to each other is the business of the models and of `threads.rs`.
#![allow(missing_docs)]

mod batches;
#[path = "../common/mod.rs"]
mod common;
mod driver;
mod model;
mod operations;
mod reading;
mod taking;

use driver::Driver;
use operations::{history, shape};
use proptest::prelude::*;
use proptest::test_runner::Config;

proptest! {
    #![proptest_config(Config { cases: Config::default().cases.max(1500), failure_persistence: None, ..Config::default() })]

    /// Edits that make it fail, for example: a writer's limit one higher, `missed` one higher, a stamp with one bit less
    /// for the length, `Place::step` without its carry, a second view that is set aside.
    #[test]
    fn a_ring_does_what_sequential_code_says(shape in shape(), history in history()) {
        Driver::new(&shape).run(&history);
    }
}
