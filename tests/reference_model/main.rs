//! Random histories against a reference model: for every sequence of calls on a ring, each result,
//! byte, number, lag and loss equals that of simple sequential code.
//!
//! A failure prints the smallest ring and history that show it; both are plain data and can be
//! pasted into a test. The models and `threads.rs` test concurrency.
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

    /// Edits that make it fail, for example: a writer's limit one higher, `lost` one higher, a
    /// stamp with one bit less for the length, `SlotIndex::step` without its carry, a second view
    /// in standby.
    #[test]
    fn a_ring_behaves_like_its_reference_model(shape in shape(), history in history()) {
        Driver::new(&shape).run(&history);
    }
}
