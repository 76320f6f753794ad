//! Rows: the round trip of a message, against what a cache line and a bare exchange need.

use crate::part::{Part, against};
use crate::place::SharedRing;
use crate::wait::{self, Wait};
use harness::bursts::Bursts;
use harness::content::{Content, Small};
use harness::exchange::{Exchange, Shape};
use harness::line::LineProbe;
use harness::patience::Stop;
use harness::peer::Peers;
use harness::pin::CorePair;
use harness::receiver::Got;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_ratio};
use harness::table::{Figures, Session};
use harness::table::{Finding, Row};
use harness::trips::{BURSTS, nanos_a_trip};
use seqring::{Config, Delivery, Reader, SlotClass, Start, Writer};
use std::time::Duration;

const SLOTS: usize = 1024;

/// Round trips of a floor's burst: 9 bursts of near cores take some 0.4 s.
const LINE_TRIPS: u64 = 700_000;
const EXCHANGE_TRIPS: u64 = 350_000;

pub(crate) fn rows() -> [Row; 2] {
    let (threads, processes) = (Bound::at_most(1.7), Bound::at_most(1.4));
    [
        Row::new(
            "round-trip-8",
            format!("8 B there and back, two threads, heap, 2 rings of {SLOTS} packed slots, gated, pinned"),
            "<= 1.7 x the round trip of one cache line",
            move |session| {
                let line = LineProbe::new(session.cores).with_effort(BURSTS as usize, LINE_TRIPS);
                let floor = floor("one line", move || line.measure());
                let rings = &[("Packed", Config::new(SLOTS, 8))];
                measure(session, ("round-trip-8", threads), floor, (Peers::Threads, rings, &Wait::ALL))
            },
        ),
        Row::new(
            "processes-round-trip-64",
            format!(
                "64 B there and back, two processes, /dev/shm, 2 rings of {SLOTS} slots, packed and lines, gated, \
                 and of one slot, lines, lossy; pinned"
            ),
            "<= 1.4 x a bare exchange of 64 B and a stamp, two lines, shared memory, two processes",
            move |session| {
                let bare = Exchange::new(session.cores, Peers::Processes, Shape::TwoLines);
                let bare = bare.with_effort(BURSTS as usize, EXCHANGE_TRIPS);
                let floor = floor("bare exchange", move || bare.measure());
                let name = "processes-round-trip-64";
                let ring = |slots| Config::new(slots, 64);
                let lines = |slots| ring(slots).slot_class(SlotClass::Lines);
                let rings = &[
                    ("Packed", ring(SLOTS).slot_class(SlotClass::Packed)),
                    ("Lines", lines(SLOTS)),
                    ("one slot", lines(1).delivery(Delivery::Lossy)),
                ];
                measure(session, (name, processes), floor, (Peers::Processes, rings, &Wait::POLLED))
            },
        ),
    ]
}

fn floor<'a>(
    name: &str,
    mut measure: impl FnMut() -> std::io::Result<Bursts> + 'a,
) -> Contestant<'a, Figures> {
    Contestant::new(name, move || {
        measure().map(|bursts| Figures::main(bursts.median())).map_err(|error| error.to_string())
    })
}

fn measure(
    session: &Session,
    (name, bound): (&str, Bound),
    floor: Contestant<'_, Figures>,
    (peers, rings, waits): (Peers, &[(&str, Config)], &[Wait]),
) -> Result<Finding, String> {
    let (cores, duration) = (session.cores, session.effort.repetition);
    let mut contestants = vec![floor];
    for (ring, config) in rings {
        contestants.extend(waits.iter().map(|&wait| {
            let trip = Trip { config: config.clone(), peers, cores, duration };
            Contestant::new(format!("{ring}, {wait}"), move || trip.repetition(wait))
        }));
    }
    let record = session.interleave(name, "ns", None, &mut contestants)?;
    by_ratio(session, &record, bound, "ns")
}

/// What is measured, and where.
struct Trip {
    config: Config,
    peers: Peers,
    cores: CorePair,
    duration: Duration,
}

impl Trip {
    /// Nanoseconds for each round trip: the median of [`BURSTS`] means.
    fn repetition(&self, wait: Wait) -> Result<Figures, String> {
        let rings =
            [SharedRing::create(self.peers, &self.config)?, SharedRing::create(self.peers, &self.config)?];
        let failed = |error: seqring::RegisterError| error.to_string();
        let mut writer = rings[0].ring.writer().map_err(failed)?;
        let mut reader = rings[1].ring.reader(Start::Next).map_err(failed)?;
        wait::set_writer(&mut writer, wait);
        wait::set_reader(&mut reader, wait);
        against(self.peers, self.cores, Part::Echo(wait), &rings, || {
            let trips = match self.config.slot_bytes() {
                8 => self.timed(&mut writer, &mut reader, wait, Small::<1>::new()),
                _ => self.timed(&mut writer, &mut reader, wait, Small::<8>::new()),
            };
            trips.map_err(Stop::unexpected)
        })
    }

    fn timed(
        &self,
        writer: &mut Writer,
        reader: &mut Reader,
        wait: Wait,
        mut content: impl Content,
    ) -> Result<Figures, Stop> {
        answer(reader, wait, &mut content, 0)?; // The greeting: the other end listens.
        let nanos = nanos_a_trip(self.duration, |asked| {
            wait::blocking_write(writer, content.message(asked))?;
            answer(reader, wait, &mut content, asked)
        });
        nanos.map(Figures::main)
    }
}

/// Reads the next answer, which must repeat message `asked`.
#[inline(always)]
fn answer(reader: &mut Reader, wait: Wait, content: &mut impl Content, asked: u64) -> Result<(), Stop> {
    let got = match wait {
        Wait::Pauses(pauses) => wait::polled_read(reader, content.out(), pauses)?,
        Wait::Spinning => wait::blocking_read(reader, content.out())?,
    };
    match got {
        Got::Message(arrival) if content.is_whole(asked, arrival.bytes) => Ok(()),
        _ => Err(Stop::Failed(format!("the answer to message {asked} is missing or torn"))),
    }
}
