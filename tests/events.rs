//! A subscriber of `tracing` is the caller's code, and runs inside calls of the library.
#![cfg(all(target_os = "linux", feature = "tracing"))]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{TEST_TIMEOUT, create};
use seqring::{Config, Ring, Start};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((_, name)) = order() else { return };
    let _reader = Ring::open(&name).unwrap().reader(Start::Next).unwrap();
    answer("joined");
    wait_for_parent();
}

/// Panics at each warning.
struct Panics;

impl Subscriber for Panics {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        panic!("a subscriber panics");
    }
}

/// Fails if the entry of a dead participant stays locked when its recovery is reported.
#[test]
fn a_panic_of_a_subscriber_keeps_no_entry_locked() {
    let (name, ring) = create("events", &Config::slots(1).of_bytes(8).participants(2));
    Peer::ready("join", &name).kill();
    let mut writer = ring.writer().unwrap();
    writer.write(b"message").unwrap();
    // The reader may not be found dead at once.
    let begin = Instant::now();
    let write =
        AssertUnwindSafe(|| while writer.try_write(b"more").is_err() && begin.elapsed() < TEST_TIMEOUT {});
    let reported = tracing::subscriber::with_default(Panics, || catch_unwind(write));
    assert!(reported.is_err(), "no death was reported");
    // Another handle, as of another process.
    Ring::open(&name).unwrap().reader(Start::Next).unwrap();
}
