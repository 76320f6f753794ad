//! The other end of a repetition, in a process of its own: this program again.

use super::text;
use crate::child::{self, die_with_parent, ended};
use crate::engine::Engine;
use crate::pin::{CorePair, pin_to};
use crate::ring_spec::{Place, RingSpec};
use std::io::{self, Read};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// A ring, and the name by which the other end opens it.
pub(super) fn create<E: Engine>(spec: &RingSpec) -> Result<(E, String), String> {
    static CREATED: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: a number of its own for each name, orders nothing.
    let number = CREATED.fetch_add(1, Ordering::Relaxed);
    let name = format!("seqring-bench-{}-{number}", std::process::id());
    Ok((E::create(spec, &Place::Named(name.clone())).map_err(text)?, name))
}

/// The other end, which is to end when this is dropped.
pub(super) struct OtherEnd(Child);

impl OtherEnd {
    /// Starts the other end of row, candidate and mode. To be called before the thread is tied to
    /// its core: a child inherits where its parent may run.
    pub(super) fn start(name: &[&str], rings: &[String]) -> Result<Self, String> {
        let mut command = child::other_end_of(name[0])?;
        command.args(&name[1..]).args(rings).stdin(Stdio::piped()).spawn().map(Self).map_err(text)
    }

    pub(super) fn end(mut self) -> Result<(), String> {
        drop(self.0.stdin.take());
        ended(self.0).map_err(|error| format!("the other end: {error}"))
    }
}

/// Runs `part` on the other core until standard input ends.
pub(super) fn serve(part: impl FnOnce(&AtomicBool) -> Result<(), String>) -> Result<(), String> {
    die_with_parent()?;
    let cores = CorePair::first_allowed().map_err(text)?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    thread::spawn(move || {
        // A failure is an end, too.
        let _ = io::stdin().read(&mut [0]);
        flag.store(true, Ordering::Relaxed); // Relaxed: a request, orders nothing.
    });
    pin_to(cores.theirs()).map_err(text)?;
    part(&stop)
}
