//! Histories of operations against the reference model of `tests/reference_model`: here coverage
//! guides the choice.
#![no_main]

#[path = "../../tests/reference_model/batches.rs"]
mod batches;
#[path = "../../tests/common/mod.rs"]
mod common;
mod draw;
#[path = "../../tests/reference_model/driver.rs"]
mod driver;
#[path = "../../tests/reference_model/model.rs"]
mod model;
#[path = "../../tests/reference_model/operations.rs"]
#[allow(dead_code, reason = "`draw` replaces the strategies")]
mod operations;
#[path = "../../tests/reference_model/reading.rs"]
mod reading;
#[path = "../../tests/reference_model/taking.rs"]
mod taking;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct Input {
    shape: operations::Shape,
    history: Vec<operations::Op>,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(source: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Input { shape: draw::shape(source)?, history: draw::history(source, 0)? })
    }
}

fuzz_target!(|input: Input| driver::Driver::new(&input.shape).run(&input.history));
