//! Named points between the steps of the protocols, where tests stop or kill whoever gets there.
//!
//! In the product [`at`] is empty. With `--cfg seqring_failpoints` it calls what [`on_failpoint`] was given; in the models a
//! participant can be told to die at one of them.

/// A point between two steps. The names of steps are those of the module that the point lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(any(seqring_failpoints, seqring_model)), expect(unreachable_pub, reason = "public for tests"))]
pub enum Failpoint {
    /// An entry is taken, and its state says so.
    SeatTaken,
    /// A writer's coming is said, and it has written nothing.
    StreamOpened,
    /// A death is written down, and its verdict not replaced.
    DeathKept,
    /// A dead one is found: its entry is in the finder's hands, and nothing of it is cleared.
    DeadFound,
    /// A writer that leaves, or was found dead, is marked, and nobody has looked whether it was the last.
    LeaveMarked,
    /// A writer's end is settled, and its readers are not told.
    StreamEnded,
    /// A reader that leaves, or was found dead, holds nobody back any more, and nobody is told.
    ReaderVacated,
    /// `handover`: a reader's parking is locked, and it is still a reader.
    ReaderParking,
    /// `handover`: it is marked as parked, and its entry is still in the hands of whoever parked it.
    ReaderParked,
    /// `handover`: a parked reader's entry is taken up, and still marked as parked.
    ReaderResuming,
    /// `gate`: a reader is evicted where it stands, and not moved.
    ReaderEvicted,
    /// `inline`: the stamp says that the message is being written.
    PublishMarked,
    /// `inline`: the payload is stored, the stamp not.
    PublishStored,
    /// `arena`, one writer: the buffer is filled, the slot's word not stored.
    PublishFilled,
    /// One writer: the message is published, and nothing else says so.
    PublishDone,
    /// `standby`: the buffer that a view shows is set aside.
    SetAside,
    /// `arena`, one writer: a buffer is withdrawn from its slot.
    Withdrawn,
    /// `many`: the slot was looked at.
    ExchangeLooked,
    /// `many`: the intent is stored.
    ExchangeArmed,
    /// `many`: the buffers are exchanged.
    ExchangeDone,
    /// `many`: the owner says that it owns the other buffer; the counter stands.
    ExchangeOwned,
    /// `many`: somebody else's publication is witnessed; the counter stands.
    HelpWitnessed,
    /// `queue`: the intent to take is stored.
    TakeArmed,
    /// `queue`: the buffers are exchanged.
    TakeDone,
    /// `queue`: the taker says that it owns the message; the counter stands.
    TakeOwned,
    /// `queue`: somebody else's take is witnessed; the counter stands.
    HelpTakeWitnessed,
    /// `participant`: a dead taker's entry is taken over, with the message in it.
    MessageAdopted,
    /// `gate`: the limit is announced, the readers are not looked at.
    GateAnnounced,
    /// `gate`: a joining reader has stored its first cursor.
    JoinCursor,
    /// `gate`: a reader has pinned its position.
    ReadPinned,
    /// A message is copied and not validated.
    ReadCopied,
    /// `event_count`: somebody is about to sleep.
    BellAnnounced,
    /// `event_count`: the bit is cleared, nobody woken.
    BellCleared,
    /// `segment`: a new file is whole, and has no name.
    SegmentFilled,
    /// `segment`: a new file has its name, and nobody opened it.
    SegmentNamed,
    /// `segment`: an opener has the file open and locked, and has not looked whether it still has its name.
    SegmentEntered,
    /// `segment`: whoever leaves has let go of the file, and has not looked whether it was the last.
    SegmentLeft,
    /// `segment`: it was; nobody can enter, and the name is still there.
    SegmentDeserted,
}

#[cfg(any(seqring_failpoints, seqring_model))]
impl Failpoint {
    /// All of them.
    pub const ALL: [Failpoint; 38] = [
        Failpoint::SeatTaken,
        Failpoint::StreamOpened,
        Failpoint::DeathKept,
        Failpoint::DeadFound,
        Failpoint::LeaveMarked,
        Failpoint::StreamEnded,
        Failpoint::ReaderVacated,
        Failpoint::ReaderParking,
        Failpoint::ReaderParked,
        Failpoint::ReaderResuming,
        Failpoint::ReaderEvicted,
        Failpoint::PublishMarked,
        Failpoint::PublishStored,
        Failpoint::PublishFilled,
        Failpoint::PublishDone,
        Failpoint::SetAside,
        Failpoint::Withdrawn,
        Failpoint::ExchangeLooked,
        Failpoint::ExchangeArmed,
        Failpoint::ExchangeDone,
        Failpoint::ExchangeOwned,
        Failpoint::HelpWitnessed,
        Failpoint::TakeArmed,
        Failpoint::TakeDone,
        Failpoint::TakeOwned,
        Failpoint::HelpTakeWitnessed,
        Failpoint::MessageAdopted,
        Failpoint::GateAnnounced,
        Failpoint::JoinCursor,
        Failpoint::ReadPinned,
        Failpoint::ReadCopied,
        Failpoint::BellAnnounced,
        Failpoint::BellCleared,
        Failpoint::SegmentFilled,
        Failpoint::SegmentNamed,
        Failpoint::SegmentEntered,
        Failpoint::SegmentLeft,
        Failpoint::SegmentDeserted,
    ];
}

pub(crate) use imp::at;
#[cfg(seqring_model)]
pub use imp::dies_at;
#[cfg(all(seqring_failpoints, not(seqring_model)))]
pub use imp::on_failpoint;

#[cfg(not(any(seqring_failpoints, seqring_model)))]
mod imp {
    #[inline(always)]
    pub(crate) const fn at(_: super::Failpoint) {}
}

#[cfg(all(seqring_failpoints, not(seqring_model)))]
mod imp {
    use super::Failpoint;
    use std::sync::OnceLock;

    static HOOK: OnceLock<fn(Failpoint)> = OnceLock::new();

    /// Has `hook` called at every point from now on, in the thread that gets there. Once a process.
    ///
    /// # Panics
    /// The second time.
    pub fn on_failpoint(hook: fn(Failpoint)) {
        HOOK.set(hook).expect("one hook a process");
    }

    pub(crate) fn at(stop: Failpoint) {
        if let Some(hook) = HOOK.get() {
            hook(stop);
        }
    }
}

#[cfg(seqring_model)]
mod imp {
    use super::Failpoint;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    crate::sync::checker::thread_local! {
        static FATAL: Cell<Option<Failpoint>> = Cell::new(None);
    }

    /// How a participant ends that dies.
    struct Died;

    /// Runs `act` until it is done, or until it gets to `stop`, where it dies: nothing after that point runs, and the
    /// caller forgets what the participant held. Returns whether it died.
    pub fn dies_at(stop: Failpoint, act: impl FnOnce()) -> bool {
        FATAL.with(|fatal| fatal.set(Some(stop)));
        let ended = catch_unwind(AssertUnwindSafe(act));
        FATAL.with(|fatal| fatal.set(None));
        match ended {
            Ok(()) => false,
            Err(payload) if payload.is::<Died>() => true,
            Err(payload) => resume_unwind(payload),
        }
    }

    pub(crate) fn at(stop: Failpoint) {
        if FATAL.with(|fatal| fatal.get()) == Some(stop) {
            resume_unwind(Box::new(Died));
        }
    }
}
