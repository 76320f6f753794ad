//! The pairs of orderings that the protocols rest on, by name.
//!
//! An acquire means something only together with the release it pairs with. So the code never asks
//! for "`Acquire`" but for `acquire(Pair::Publish)`, and a search for that name finds the other
//! end. In the product these functions are the plain orderings. Under the model cfg each call of
//! them, a *site*, can be weakened to `Relaxed` (a fence: to nothing). `scripts/sites.toml` lists
//! the sites, each with the model that then fails. Each pair has a litmus test as well, for
//! processors that reorder more than the models do (`crate::testing::litmus`).

use std::sync::atomic::Ordering;

/// A pairing: what is ordered, where the release and the acquire are, and what goes wrong without
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pair {
    /// Releases: the store of a slot's stamp or word. Acquires: the reader's load of it.
    /// Without it a reader sees the stamp but not yet the payload.
    Publish,
    /// Releases: the fence after a slot is marked (inline) or displaced (arena), before its bytes
    /// change. Acquires: the fence after the copy, before the stamp is loaded again. Without it a
    /// reader accepts later bytes under the old stamp.
    Tear,
    /// Releases: a reader's store of its cursor. Acquires: the writer's load of it.
    /// Without it a writer overwrites bytes that are still being copied.
    Free,
    /// Fences, sequentially consistent: between a writer's store of its limit and its loads of the
    /// cursors (`release` end), and between a joining reader's store of its cursor and its load of
    /// the limit (`acquire` end). Without it a reader joins unseen and the writer overtakes it.
    Join,
    /// Fences, sequentially consistent: between a reader's pin and its load of its floor (`acquire`
    /// end), and between a writer's load of a floor above a cursor and its second load of that
    /// cursor (`release` end). Without it a view is handed out over bytes that a writer may already
    /// overwrite.
    Pin,
    /// Releases: the store that raises a reader's floor. Acquires: the fence of the reader that was
    /// moved. Without it the reader does not see the messages that it was moved beyond.
    Floor,
    /// Fences, sequentially consistent: between a change and the notifier's load of the event count
    /// (`release` end), and between a waiter's store of its sleeping bit and its check for the
    /// change (`acquire` end). Without it a waiter sleeps although the change is there.
    Notify,
    /// Releases: the step that raises a counter of many writers, or of takers. Acquires: the load
    /// of a participant that jumps there. Without it the participant does not see all that was
    /// published (taken) below.
    Next,
    /// Releases: the store of an entry's intent, or of its aim. Acquires: the survivor's load of
    /// it. Without it the survivor that recovers a dead participant's buffer sees neither the
    /// intent of the participant that displaced that buffer, nor the buffer's new owner.
    Owner,
    /// Fences, sequentially consistent, between a writer's mark that it leaves and its check
    /// whether others are left: the same step at both ends (`release` in the models). Without it
    /// two writers that leave at once each see the other as present, and neither ends the stream.
    Leave,
    /// Releases: the store of the number at which the stream continues after a gap. Acquires: a
    /// drained reader's load of it. Without it a reader skips messages that precede the gap.
    Gap,
    /// Releases: the store that ends a stream. Acquires: a drained reader's load of it.
    /// Without it a reader reports the end and misses the last message.
    End,
}

/// Which end of a [`Pair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(seqring_model), expect(unreachable_pub, reason = "public in the model build"))]
pub enum End {
    /// Makes earlier accesses visible.
    Release,
    /// Sees them.
    Acquire,
}

#[cfg(seqring_model)]
pub use imp::weaken;
pub(crate) use imp::{acq_rel, acquire, acquire_fence, full_fence, release, release_fence};

#[cfg(not(seqring_model))]
mod imp {
    use super::{End, Ordering, Pair};
    use std::sync::atomic::fence;

    #[inline(always)]
    pub(crate) const fn acquire(_: Pair) -> Ordering {
        Ordering::Acquire
    }

    #[inline(always)]
    pub(crate) const fn release(_: Pair) -> Ordering {
        Ordering::Release
    }

    /// For an operation that is an end of two pairs: it acquires the first and releases the second.
    #[inline(always)]
    pub(crate) const fn acq_rel(_: Pair, _: Pair) -> Ordering {
        Ordering::AcqRel
    }

    #[inline(always)]
    pub(crate) fn acquire_fence(_: Pair) {
        fence(Ordering::Acquire);
    }

    #[inline(always)]
    pub(crate) fn release_fence(_: Pair) {
        fence(Ordering::Release);
    }

    #[inline(always)]
    pub(crate) fn full_fence(_: Pair, _: End) {
        fence(Ordering::SeqCst);
    }
}

#[cfg(seqring_model)]
mod imp {
    use super::{End, Ordering, Pair};
    use crate::sync::checker::sync::atomic::fence;
    use std::panic::Location;
    use std::sync::OnceLock;

    /// The weakened site: the end of its file's path, its line, and the end that is weakened there.
    static WEAKENED: OnceLock<(String, u32, End)> = OnceLock::new();

    /// Weakens one site in every model that this process runs from now on. Once a process.
    ///
    /// # Panics
    /// The second time.
    pub fn weaken(file: String, line: u32, end: End) {
        WEAKENED.set((file, line, end)).expect("one site a process");
    }

    #[track_caller]
    fn is_strong(end: End) -> bool {
        let site = Location::caller();
        WEAKENED.get().is_none_or(|(file, line, weakened)| {
            (end, site.line()) != (*weakened, *line) || !site.file().ends_with(&**file)
        })
    }

    #[track_caller]
    pub(crate) fn acquire(_: Pair) -> Ordering {
        if is_strong(End::Acquire) { Ordering::Acquire } else { Ordering::Relaxed }
    }

    #[track_caller]
    pub(crate) fn release(_: Pair) -> Ordering {
        if is_strong(End::Release) { Ordering::Release } else { Ordering::Relaxed }
    }

    #[track_caller]
    pub(crate) fn acq_rel(_: Pair, _: Pair) -> Ordering {
        match (is_strong(End::Acquire), is_strong(End::Release)) {
            (true, true) => Ordering::AcqRel,
            (true, false) => Ordering::Acquire,
            (false, true) => Ordering::Release,
            (false, false) => Ordering::Relaxed,
        }
    }

    #[track_caller]
    pub(crate) fn acquire_fence(_: Pair) {
        if is_strong(End::Acquire) {
            fence(Ordering::Acquire);
        }
    }

    #[track_caller]
    pub(crate) fn release_fence(_: Pair) {
        if is_strong(End::Release) {
            fence(Ordering::Release);
        }
    }

    #[track_caller]
    pub(crate) fn full_fence(_: Pair, end: End) {
        if is_strong(end) {
            fence(Ordering::SeqCst);
        }
    }
}
