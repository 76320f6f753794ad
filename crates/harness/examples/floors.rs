//! Prints what no ring on this machine can beat (the 64-byte exchange and the copies), and what stamping and
//! checking a message cost.
//!
//! ```text
//! cargo run --release -p bench-support --example floors
//! ```
//! Each floor is a contestant of one interleaved record, so each comes with its class, its spread, and what was
//! left out.

use std::hint::black_box;
use std::io;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use harness::class::LineClass;
use harness::clock::Moment;
use harness::exchange::{Exchange, Shape};
use harness::floor::{Geometry, one_core_copy, two_core_copy};
use harness::line::LineProbe;
use harness::machine::Machine;
use harness::payload;
use harness::peer::Peers;
use harness::pin::CorePair;
use harness::plan::Plan;
use harness::repeat::{Contestant, Record, interleave};
use harness::restamp::Restamper;
use harness::surroundings::ThisMachine;

const EACH: Duration = Duration::from_millis(200);
const BUDGET: Duration = Duration::from_mins(5);
const ROUNDS: usize = 7;

fn main() -> io::Result<()> {
    println!("{}\n", Machine::this()?);
    let cores = CorePair::first_allowed()?;
    let mut contestants = Vec::new();
    contestants.extend([64, 1 << 10, 1 << 20, 100_000_000].map(one_core));
    contestants.extend([64, 1 << 10, 1 << 20].map(restamp));
    contestants.extend([64, 1 << 10, 1 << 20].map(check));
    for peers in [Peers::Threads, Peers::Processes] {
        contestants.extend([Shape::OneLine, Shape::TwoLines].map(|shape| exchange(cores, peers, shape)));
        let geometries =
            [(1024, 64), (65_536, 64), (1024, 1 << 10), (4, 1 << 20), (64, 1 << 20), (3, 100_000_000)];
        contestants.extend(
            geometries.map(|(slots, slot_bytes)| two_cores(cores, peers, Geometry { slots, slot_bytes })),
        );
    }
    let plan = Plan::comparable(ROUNDS, None).within(usize::MAX, BUDGET);
    let mut machine = ThisMachine::new(LineProbe::new(cores));
    let stop = AtomicBool::new(false);
    let record = interleave(&mut contestants, &plan, &mut machine, &stop, |progress| {
        eprint!("\r{} of {} rounds: {:<40}", progress.have, progress.want, progress.name);
    })?;
    eprintln!("\r{}", record.ending);
    print(&record);
    Ok(())
}

fn one_core(bytes: usize) -> Contestant<'static, f64> {
    Contestant::new(format!("one core, {bytes} B, GB/s"), move || {
        one_core_copy(bytes, EACH)
            .map(|rate| rate.bytes_per_second() / 1e9)
            .map_err(|error| error.to_string())
    })
}

fn restamp(bytes: usize) -> Contestant<'static, f64> {
    let mut restamper = Restamper::new(bytes, 1);
    Contestant::new(format!("restamp, {bytes} B, ns"), move || {
        Ok(nanos_each(|sequence| {
            black_box(restamper.message(sequence));
        }))
    })
}

fn check(bytes: usize) -> Contestant<'static, f64> {
    let mut message = vec![0; bytes];
    payload::fill(&mut message, 1, 1);
    Contestant::new(format!("check, {bytes} B, ns"), move || {
        Ok(nanos_each(|_| {
            // What it says is of no interest here: the message is whole.
            let _ = black_box(payload::check(black_box(&message)));
        }))
    })
}

/// Nanoseconds of one call of `action`, over [`EACH`].
fn nanos_each(mut action: impl FnMut(u64)) -> f64 {
    const BATCH: u64 = 64;
    let begin = Moment::now();
    let mut calls = 0;
    while begin.elapsed() < EACH {
        for call in calls..calls + BATCH {
            action(call);
        }
        calls += BATCH;
    }
    begin.elapsed().as_nanos() as f64 / calls as f64
}

fn exchange(cores: CorePair, peers: Peers, shape: Shape) -> Contestant<'static, f64> {
    Contestant::new(format!("exchange, {peers:?}, {shape:?}, ns"), move || {
        let bursts = Exchange::new(cores, peers, shape)
            .with_effort(9, 200_000)
            .measure()
            .map_err(|error| error.to_string())?;
        Ok(bursts.median())
    })
}

fn two_cores(cores: CorePair, peers: Peers, geometry: Geometry) -> Contestant<'static, f64> {
    let Geometry { slots, slot_bytes } = geometry;
    Contestant::new(format!("two cores, {peers:?}, {slots} x {slot_bytes} B, GB/s"), move || {
        let rate = two_core_copy(geometry, peers, cores, EACH).map_err(|error| error.to_string())?;
        Ok(rate.bytes_per_second() / 1e9)
    })
}

fn print(record: &Record<f64>) {
    for (contestant, name) in record.names.iter().enumerate() {
        for class in LineClass::ALL {
            let summary = record.summary(contestant, class, |&value| value);
            if let Some(spread) = summary.spread {
                println!("{name:<48} {class:<9} {spread}; {}", summary.dropped);
            }
        }
    }
}
