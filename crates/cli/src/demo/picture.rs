//! The demonstration on a terminal.

use super::{Demo, SLOTS, role};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fmt;
use std::io::stdin;

/// So many events are shown.
const EVENTS: usize = 10;

/// While it exists, keys come as they are pressed, and are not shown.
pub(super) struct Unbuffered(Termios);

impl Unbuffered {
    pub(super) fn new() -> std::io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        tcsetattr(stdin(), OptionalActions::Now, &modes)?;
        Ok(Unbuffered(before))
    }
}

impl Drop for Unbuffered {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0); // The terminal may be gone.
    }
}

/// The ring, its slots, its participants and the last events, drawn over the picture before.
pub(super) struct Picture<'d>(pub(super) &'d Demo);

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const END: &str = "\x1b[K\n"; // Clears the rest of the line.
        let Picture(demo) = self;
        let stats = demo.ring.stats();
        let (next, delivery, slots) = (stats.next_sequence, demo.ring.config().delivery, SLOTS as u64);
        write!(f, "\x1b[H{SLOTS} slots, {delivery:?}; message {next} is next{END}{END}")?;
        for (index, worker) in demo.workers.iter().enumerate() {
            let id = worker.as_ref().map_or(0, std::process::Child::id);
            let Some(one) = stats.participants.iter().find(|one| one.pid == id && one.alive) else {
                write!(f, "{}: not there{END}", role(index))?;
                continue;
            };
            write!(
                f,
                "{:8} {id:>8} {:7} next {:>6} lag {:>2} lost {:>4} [",
                role(index),
                state(id),
                one.position,
                one.lag,
                if index == 0 { 0 } else { one.lost }
            )?;
            for slot in 0..slots {
                let after = (slot + slots - one.position % slots) % slots;
                f.write_str(match (index, after) {
                    (0, 0) => "w",
                    (1.., _) if after < one.lag => "#",
                    (1.., 0) => "r",
                    _ => ".",
                })?;
            }
            write!(f, "]{END}")?;
        }
        write!(f, "{END}In the ring: w is written next, r is read next, # is not read yet{END}{END}")?;
        write!(f, "1 2 3: kill a reader   w: kill the writer   s: stop reader 3 for a second{END}")?;
        write!(f, "r: restart   q: quit{END}")?;
        write!(f, "In another terminal: seqring stat {} 1{END}{END}", demo.name)?;
        for line in &demo.log[demo.log.len().saturating_sub(EVENTS)..] {
            write!(f, "{line}{END}")?;
        }
        write!(f, "\x1b[J")
    }
}

/// What the kernel says about a process.
fn state(pid: u32) -> &'static str {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    match stat.rsplit_once(") ").and_then(|(_, fields)| fields.bytes().next()) {
        Some(b'R') => "runs",
        Some(b'S' | b'D') => "sleeps",
        Some(b'T') => "stopped",
        _ => "ends",
    }
}
