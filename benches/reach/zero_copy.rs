//! Row: claim and view move a message without copying it.
//!
//! Shown twice. Between threads the address that the writer fills is compared with the address that the reader
//! is shown: the same, for every message. Between processes (where addresses differ) messages of 4 KiB and of
//! 1 MiB are passed of which only the first word is touched: a copy anywhere would make the larger ones some
//! hundred times slower.

use crate::part::{Part, against};
use crate::place::SharedRing;
use harness::patience::{Patience, Stop};
use harness::peer::Peers;
use harness::repeat::Contestant;
use harness::table::judge::{Bound, by_ratio};
use harness::table::{Figures, Session};
use harness::table::{Finding, Row};
use seqring::{Config, Reader, Ring, SlotClass, Start, TryReadError, TryWriteError};
use std::time::{Duration, Instant};

const SLOTS: usize = 4;
const SMALL: usize = 4 << 10;
const LARGE: usize = 1 << 20;
const WORD: usize = 8;
const PAUSES: u32 = 4;
const MESSAGES_BETWEEN_CLOCKS: u64 = 1024;
const WARM_UP: u64 = 1024;
const COMPARED: u64 = 1000;

pub(crate) fn row() -> Row {
    Row::new(
        "zero-copy",
        format!(
            "claim, fill the first word, publish; view, read the word. Arena, {SLOTS} slots, gated. Two threads: \
             addresses compared. Two processes, /dev/shm, pinned: {LARGE} B against {SMALL} B, the rest untouched"
        ),
        "the same addresses, every view in place, and 1 MiB at >= 0.8 x the rate of 4 KiB (a copy: < 0.02 x)",
        measure,
    )
}

fn measure(session: &Session) -> Result<Finding, String> {
    compare_addresses()?;
    let (cores, duration) = (session.cores, session.effort.repetition);
    let mut contestants = [("4 KiB", SMALL), ("1 MiB", LARGE)].map(|(name, bytes)| {
        Contestant::new(name, move || {
            let shared = SharedRing::create(Peers::Processes, &config(bytes))?;
            let mut reader = shared.ring.reader(Start::Next).map_err(|error| error.to_string())?;
            let rings = [shared];
            against(Peers::Processes, cores, Part::Claim, &rings, || {
                view_for(&mut reader, duration).map_err(Stop::unexpected)
            })
        })
    });
    let record = session.interleave("zero-copy", "M msg/s", None, &mut contestants)?;
    let Finding { verdict, measured } = by_ratio(session, &record, Bound::at_least(0.8), "M msg/s")?;
    let measured = format!("{measured}; {COMPARED} of {COMPARED} addresses the same, every view in place");
    Ok(Finding { verdict, measured })
}

fn config(bytes: usize) -> Config {
    Config::new(SLOTS, bytes).slot_class(SlotClass::Arena)
}

/// One thread on both ends: what is filled is what is shown.
fn compare_addresses() -> Result<(), String> {
    let ring = Ring::heap(&config(LARGE)).map_err(|error| error.to_string())?;
    let failed = |error: seqring::RegisterError| error.to_string();
    let (mut reader, mut writer) =
        (ring.reader(Start::Next).map_err(failed)?, ring.writer().map_err(failed)?);
    for number in 0..COMPARED {
        let mut claim = writer.try_claim(LARGE).map_err(|error| error.to_string())?;
        let bytes = claim.as_mut_slice().ok_or("a claim of a gated arena is not filled in place")?;
        let filled = bytes.as_ptr();
        claim.publish().map_err(|error| error.to_string())?;
        let view = reader.try_view().map_err(|error| error.to_string())?;
        if !view.is_in_place() || view.as_ptr() != filled {
            return Err(format!("message {number} was filled at one place and shown at another"));
        }
    }
    Ok(())
}

/// The writing process: claims, stores the number, publishes, until the ring is closed.
pub(crate) fn claim(ring: &Ring) -> Result<(), Stop> {
    let failed = |what: String| Stop::Failed(what);
    let mut writer = ring.writer().map_err(|error| failed(error.to_string()))?;
    let bytes = ring.config().slot_bytes();
    let mut patience = Patience::default();
    loop {
        let sequence = writer.next_sequence();
        match writer.try_claim(bytes) {
            Ok(mut claim) => {
                let room = claim.as_mut_slice().ok_or_else(|| failed("a claim was not in place".into()))?;
                room[..WORD].copy_from_slice(&sequence.to_le_bytes());
                claim.publish().map_err(|error| match error {
                    TryWriteError::Closed => Stop::Closed,
                    other => failed(other.to_string()),
                })?;
                patience = Patience::default();
            }
            Err(TryWriteError::Full) => patience.pause(PAUSES)?,
            Err(TryWriteError::Closed) => return Err(Stop::Closed),
            Err(other) => return Err(failed(other.to_string())),
        }
    }
}

fn view_for(reader: &mut Reader, duration: Duration) -> Result<Figures, Stop> {
    let mut views = |count: u64| (0..count).try_for_each(|_| view(reader));
    views(WARM_UP)?;
    let (begin, mut viewed) = (Instant::now(), 0);
    while begin.elapsed() < duration {
        views(MESSAGES_BETWEEN_CLOCKS)?;
        viewed += MESSAGES_BETWEEN_CLOCKS;
    }
    Ok(Figures::main(viewed as f64 / begin.elapsed().as_secs_f64() / 1e6))
}

/// Looks at the next message: in place, and its first word is its number.
fn view(reader: &mut Reader) -> Result<(), Stop> {
    let mut patience = Patience::default();
    loop {
        match reader.try_view() {
            Ok(view) => {
                let is_right = view.is_in_place() && view[..WORD] == view.received().sequence.to_le_bytes();
                return if is_right {
                    Ok(())
                } else {
                    Err(Stop::Failed("a view is a copy, or wrong".into()))
                };
            }
            Err(TryReadError::Empty) => patience.pause(PAUSES)?,
            Err(TryReadError::Closed) => return Err(Stop::Closed),
            Err(other) => return Err(Stop::Failed(other.to_string())),
        }
    }
}
