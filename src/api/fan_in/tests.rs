use super::FanIn;
use crate::api::form::Now;
use crate::types::error::TryReadError;
use crate::{Config, Start};
use std::sync::Arc;

/// Fails if the end is reported while there is always a writer: it joins the other ring, and leaves
/// its own, whenever the reader is about to look at its own.
#[test]
fn a_writer_that_is_always_in_the_other_ring_is_no_end() {
    let set = FanIn::heap(&Config::slots(4).of_bytes(8), 2).unwrap();
    let mut reader = set.reader(Start::Next).unwrap();
    drop([set.writer().unwrap(), set.writer().unwrap()]); // Both rings have had one.
    let mut writer = set.writer().unwrap();
    for _ in 0..10 {
        let looked = reader.lanes.call(
            Now,
            |_| 1,
            |reader| {
                let own = &set.rings()[writer.ring()].attachment;
                if Arc::ptr_eq(own, reader.registration().attachment()) {
                    writer = set.writer().unwrap(); // It joins before the former one is dropped.
                }
                let read = reader.try_read(&mut [0; 8]);
                assert_eq!(read, Err(TryReadError::Closed));
                read
            },
        );
        assert_eq!(looked, Err(TryReadError::Empty));
    }
    drop(writer);
    assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Closed));
}
