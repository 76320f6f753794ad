//! The points at which segments come and go: a victim that creates, opens or leaves a ring, and others who want to use
//! the same name meanwhile and afterwards.

use crate::case::Fate;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use seqring::failpoints::{Failpoint, on_failpoint};
use seqring::{Backend, Config, Location, Ring, RingError, Start};
use std::process::{Child, Command};
use std::sync::OnceLock;

/// Whether a victim that comes and goes gets to the point.
pub(crate) fn passes(stop: Failpoint) -> bool {
    matches!(
        stop,
        Failpoint::SegmentFilled
            | Failpoint::SegmentNamed
            | Failpoint::SegmentEntered
            | Failpoint::SegmentLeft
            | Failpoint::SegmentDeserted
    )
}

/// The backends whose rings have names.
pub(crate) const BACKENDS: [Backend; 2] = [Backend::File, Backend::Portable];

fn location(backend: Backend, name: &str) -> Location {
    if backend == Backend::Portable { Location::portable(name) } else { Location::named(name) }
}

/// What the victim process does: it has the ring for a moment, and stops itself at the point that its parent named.
pub(crate) fn come_and_go(stop: usize, backend: usize, name: &str) {
    static TARGET: OnceLock<Failpoint> = OnceLock::new();
    TARGET.set(Failpoint::ALL[stop]).expect("once");
    on_failpoint(|stop| {
        if TARGET.get() == Some(&stop) {
            kill_process(rustix::process::getpid(), Signal::STOP).expect("a process may stop itself");
        }
    });
    let ring = Ring::open_or_create(location(BACKENDS[backend], name), &config())
        .expect("whoever was first, there is a ring");
    assert_eq!(ring.config(), &config());
}

fn config() -> Config {
    Config::new(4, 8)
}

/// Runs the case. Returns how many messages others moved through the ring of that name.
pub(crate) fn run(stop: Failpoint, backend: Backend, fate: Fate, messages: u64) -> Result<u64, String> {
    let name = format!("stop-test-{}-{stop:?}-{fate:?}", std::process::id());
    let at = location(backend, &name);
    // Whoever shall open the ring must find one.
    let found = (stop == Failpoint::SegmentEntered).then(|| create(&at)).transpose()?;
    let mut victim = Command::new(std::env::current_exe().map_err(text)?);
    let index = Failpoint::ALL.iter().position(|known| *known == stop).expect("one of them");
    let index_of_backend = usize::from(backend == Backend::Portable);
    let arguments = ["comer", &index.to_string(), &index_of_backend.to_string(), &name];
    let victim = victim.args(arguments).spawn().map_err(text)?;
    let stopped = waitpid(Some(Pid::from_child(&victim)), WaitOptions::UNTRACED).map_err(text)?;
    if !stopped.is_some_and(|(_, status)| status.stopped()) {
        return Err("the victim never got there".into());
    }
    let ring = match (stop, found) {
        // Nobody sees what has no name.
        (Failpoint::SegmentFilled, _) => match Ring::open(&at) {
            Err(RingError::NotFound { .. }) => Some(create(&at)?),
            other => return Err(format!("a ring without a name: {other:?}")),
        },
        // The opener counts as a user, so the name stays when the other leaves.
        (Failpoint::SegmentEntered, found) => {
            drop(found);
            Some(Ring::open(&at).map_err(text)?)
        }
        // Between the last one's decision and its deed nobody gets in, and everybody is told why. Nor does anybody else
        // remove the name: the deed would then befall the next ring of that name.
        (Failpoint::SegmentDeserted, _) => {
            for told in [Ring::open(&at).map(drop), Ring::unlink(&at)] {
                match told {
                    Err(RingError::Unusable { reason, .. }) if reason.contains("leaving") => {}
                    other => return Err(format!("the name of a ring that goes: {other:?}")),
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
    meet(victim, fate)?;
    // The leaver has removed the name, or its killer has left it: either way it can be used.
    let ring = ring.map_or_else(|| Ring::open_or_create(&at, &config()).map_err(text), Ok)?;
    moved += exchange(&ring, messages)?;
    let other = Ring::open(&at).map_err(text)?;
    if other.next_sequence() != ring.next_sequence() {
        return Err("the name leads to another ring".into());
    }
    drop((ring, other));
    match Ring::open(&at) {
        Err(RingError::NotFound { .. }) => Ok(moved),
        other => Err(format!("the last one left, and the name stays: {other:?}")),
    }
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

fn meet(mut victim: Child, fate: Fate) -> Result<(), String> {
    match fate {
        Fate::Continued => kill_process(Pid::from_child(&victim), Signal::CONT).map_err(text)?,
        Fate::Killed => victim.kill().map_err(text)?,
    }
    let status = victim.wait().map_err(text)?;
    if fate == Fate::Continued && !status.success() {
        return Err(format!("the victim went on and ended with {status}"));
    }
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
