//! The writer of a table is stopped and killed in the middle of a value, while a reader gets it.
//!
//! The reader gets whole values all the time, and no earlier one than before. After a kill the
//! successor continues the versions.

use crate::case::afterwards;
use crate::message::{SLOT_BYTES, message, numbers};
use crate::victim::{self, Fate, text};
use seqring::failpoints::Failpoint;
use seqring::table::TableReader;
use seqring::{Config, Delivery, Ring};

/// The values that the victim sets.
const VALUES: u64 = 1_000;

pub(crate) fn reaches(point: Failpoint) -> bool {
    matches!(point, Failpoint::PublishMarked | Failpoint::PublishStored | Failpoint::PublishDone)
}

/// The victim.
pub(crate) fn be_victim(point: Failpoint, name: &str) {
    victim::stop_at(point, VALUES / 2);
    let table = Ring::open(name).expect("the parent created it");
    let mut writer = table.table_writer().expect("there is an entry");
    for n in 0..VALUES {
        writer.set(0, &message(0, n)).expect("the table stays open");
    }
}

/// Runs a case. Returns how many values the reader got while the victim was stopped.
pub(crate) fn run(point: Failpoint, fate: Fate, messages: u64) -> Result<u64, String> {
    let name = format!("stop-test-{}-table-{point:?}-{fate:?}", std::process::id());
    let config = Config::slots(1).of_bytes(SLOT_BYTES).participants(8).delivery(Delivery::Latest);
    let table = Ring::create(&name, &config).map_err(text)?;
    let mut reader = table.table_reader().map_err(text)?;
    let mut victim = victim::start("table-writer", point, &[&name])?;
    victim::await_stop(&mut victim)?;
    let stopped_at = get(&mut reader)?;
    let expected = VALUES / 2 + u64::from(point == Failpoint::PublishDone);
    if stopped_at != expected {
        return Err(format!("a reader got version {stopped_at}, not {expected}"));
    }
    for _ in 0..messages {
        if get(&mut reader)? != stopped_at {
            return Err("the value of a stopped writer has changed".into());
        }
    }
    victim::end(&mut victim, fate)?;
    let last = if fate == Fate::Killed { stopped_at } else { VALUES };
    let mut successor = table.table_writer().map_err(|error| format!("no successor: {error}"))?;
    for version in last + 1..=last + afterwards(messages) {
        let set = successor.set(0, &message(0, version - 1)).map_err(text)?;
        let got = get(&mut reader)?;
        if (set, got) != (version, version) {
            return Err(format!("the successor set version {set}, and a reader got {got}, not {version}"));
        }
    }
    Ok(messages)
}

/// The version of the value, which must be whole.
fn get(reader: &mut TableReader) -> Result<u64, String> {
    let mut out = [0; SLOT_BYTES];
    let latest = reader.get(0, &mut out).map_err(text)?.ok_or("the key has no value")?;
    match numbers(&out[..latest.len])? {
        (0, n) if n + 1 == latest.version => Ok(latest.version),
        other => Err(format!("version {} is value {other:?}", latest.version)),
    }
}
