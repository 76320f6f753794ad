//! The failpoints in the creation and removal of segments: a victim creates, opens or leaves a
//! ring, and other processes use the same name meanwhile and afterwards.

use crate::victim::{self, Fate, text};
use seqring::failpoints::Failpoint;
use seqring::{Backend, Config, Location, Ring, RingError, Start};

/// Whether a victim that opens and leaves a ring reaches the point.
pub(crate) fn reaches(point: Failpoint) -> bool {
    matches!(
        point,
        Failpoint::SegmentFilled
            | Failpoint::SegmentNamed
            | Failpoint::SegmentEntered
            | Failpoint::SegmentLeft
            | Failpoint::SegmentUnused
    )
}

/// The backends with named rings.
pub(crate) const BACKENDS: [Backend; 2] = [Backend::File, Backend::Portable];

fn location(backend: Backend, name: &str) -> Location {
    if backend == Backend::Portable { Location::portable(name) } else { Location::named(name) }
}

/// The victim: it opens the ring and leaves.
pub(crate) fn open_and_leave(point: Failpoint, backend: Backend, name: &str) {
    victim::stop_at(point, 0);
    let ring = Ring::open_or_create(location(backend, name), &config()).expect("it exists or is created");
    assert_eq!(ring.config(), &config());
}

fn config() -> Config {
    Config::slots(4).of_bytes(8)
}

/// Runs the case. Returns how many messages others moved through the ring of that name.
pub(crate) fn run(point: Failpoint, backend: Backend, fate: Fate, messages: u64) -> Result<u64, String> {
    let name = format!("stop-test-{}-{point:?}-{fate:?}", std::process::id());
    let at = location(backend, &name);
    // A victim that is to open the ring must find one.
    let found = (point == Failpoint::SegmentEntered).then(|| create(&at)).transpose()?;
    let backend = usize::from(backend == Backend::Portable).to_string();
    let mut victim = victim::start("opener", point, &[&backend, &name])?;
    victim::await_stop(&mut victim)?;
    let ring = match (point, found) {
        // A ring without a name cannot be opened.
        (Failpoint::SegmentFilled, _) => match Ring::open(&at) {
            Err(RingError::NotFound { .. }) => Some(create(&at)?),
            other => return Err(format!("a ring without a name: {other:?}")),
        },
        // The opener counts as a user: the name stays when the other leaves.
        (Failpoint::SegmentEntered, found) => {
            drop(found);
            Some(Ring::open(&at).map_err(text)?)
        }
        // Between the decision of the last user and the removal, no process can open the ring, and
        // the error gives the reason. No other process may remove the name either: the removal
        // would then hit the next ring of that name.
        (Failpoint::SegmentUnused, _) => {
            for result in [Ring::open(&at).map(drop), Ring::unlink(&at)] {
                match result {
                    Err(RingError::Unusable { reason, .. }) if reason.contains("its last user") => {}
                    other => return Err(format!("the name of a ring that is being removed: {other:?}")),
                }
            }
            None
        }
        _ => Some(Ring::open(&at).map_err(text)?),
    };
    let mut moved = 0;
    if let Some(ring) = &ring {
        moved += exchange(ring, messages)?;
    }
    victim::end(&mut victim, fate)?;
    // A continued victim has removed the name; a killed one has left it. The name can be used in
    // both cases.
    let ring = ring.map_or_else(|| Ring::open_or_create(&at, &config()).map_err(text), Ok)?;
    moved += exchange(&ring, messages)?;
    let other = Ring::open(&at).map_err(text)?;
    if other.next_sequence() != ring.next_sequence() {
        return Err("the name leads to another ring".into());
    }
    drop((ring, other));
    match Ring::open(&at) {
        Err(RingError::NotFound { .. }) => Ok(moved),
        other => Err(format!("the last user left, and the name stays: {other:?}")),
    }
}

/// The victim: it removes the name of a ring that others have open.
pub(crate) fn unlink(point: Failpoint, name: &str) {
    victim::stop_at(point, 0);
    Ring::unlink(name).expect("it has the name");
}

/// A process stops between the check that the name leads to its ring and the removal. Until it
/// ends, no other process may remove the name: it would then remove that of the next ring.
pub(crate) fn run_unlink(point: Failpoint, fate: Fate, messages: u64) -> Result<u64, String> {
    let name = format!("stop-test-{}-unlink-{fate:?}", std::process::id());
    let ring = create(&Location::named(&name))?;
    let mut victim = victim::start("unlinker", point, &[&name])?;
    victim::await_stop(&mut victim)?;
    match Ring::unlink(&name) {
        Err(RingError::Unusable { reason, .. }) if reason.contains("does not finish") => {}
        other => return Err(format!("a name that another process removes: {other:?}")),
    }
    victim::end(&mut victim, fate)?;
    match (fate, Ring::unlink(&name)) {
        (Fate::Continued, Err(RingError::NotFound { .. })) | (Fate::Killed, Ok(())) => {}
        (_, other) => return Err(format!("after the removal: {other:?}")),
    }
    let next = create(&Location::named(&name))?;
    drop(ring);
    if !next.path().is_some_and(std::path::Path::exists) {
        return Err("the last user of the old ring removed the name of the next".into());
    }
    exchange(&next, messages)
}

fn create(at: &Location) -> Result<Ring, String> {
    Ring::create(at, &config()).map_err(text)
}

fn exchange(ring: &Ring, messages: u64) -> Result<u64, String> {
    let mut reader = ring.reader(Start::Next).map_err(text)?;
    let mut writer = ring.writer().map_err(text)?;
    let mut out = [0; 8];
    for n in 0..messages {
        writer.write(&n.to_le_bytes()).map_err(text)?;
        reader.read(&mut out).map_err(text)?;
        if u64::from_le_bytes(out) != n {
            return Err(format!("message {n} is another"));
        }
    }
    Ok(messages)
}
