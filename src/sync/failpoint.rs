//! Failpoints: named points between the steps of the protocols, where tests stop or kill the thread
//! that gets there.
//!
//! In the product [`hit`] is empty. With `--cfg seqring_failpoints` it calls the hook of
//! `on_failpoint`. In the models a participant can die at a failpoint
//! (`testing::model::dies_at`).

macro_rules! failpoints {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A point between two steps. The doc of each begins with its module, whose words it uses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(not(any(seqring_failpoints, seqring_model)), expect(unreachable_pub, reason = "public for tests"))]
        pub enum Failpoint {
            $($(#[$doc])* $name,)*
        }

        #[cfg(any(seqring_failpoints, seqring_model))]
        impl Failpoint {
            /// All of them.
            pub const ALL: [Failpoint; [$(stringify!($name)),*].len()] = [$(Failpoint::$name),*];
        }
    };
}

failpoints! {
    /// `registry`: an entry is taken, and its state says so.
    EntryTaken,
    /// `publisher`: the stream is open for a writer that has written nothing.
    StreamOpened,
    /// `stream_state`: a death is recorded; the state that holds it is not replaced yet.
    DeathRecorded,
    /// `gap`: the end of a gap is stored; the state of the stream does not announce it yet.
    GapStored,
    /// `registry`: the entry of a dead participant is locked by its finder; nothing of it is
    /// cleared.
    DeadFound,
    /// `registry`: a writer that leaves, or was found dead, is marked; whether it was the last is
    /// not checked yet.
    LeaveMarked,
    /// `registry`: the stream's end is stored; readers are not notified.
    StreamEnded,
    /// `registry`: a reader that leaves, or was found dead, no longer holds writers back; writers
    /// are not notified.
    ReaderVacated,
    /// `registry`: the lock for parking a reader is held; the entry is still a reader's.
    ReaderParking,
    /// `registry`: the reader is marked as parked; the parking process still holds its entry.
    ReaderParked,
    /// `registry`: a parked reader's entry is locked by the process that resumes it, and still
    /// marked as parked.
    ReaderResuming,
    /// `backpressure`: a reader is marked as evicted, and not moved.
    ReaderEvicted,
    /// `inline_slot`: the stamp says that the message is being written.
    PublishMarked,
    /// `inline_slot`: the payload is stored, the stamp not.
    PublishStored,
    /// `arena_slot`, one writer: the buffer is filled, the slot's word not stored.
    PublishFilled,
    /// One writer: the message is published; the counter is not stored.
    PublishDone,
    /// `standby_buffer`: a pinned buffer is set aside.
    PinnedSetAside,
    /// `arena_slot`, one writer: a buffer is withdrawn from its slot.
    BufferWithdrawn,
    /// `multi_writer`: the slot's word is loaded.
    ExchangeLoaded,
    /// `multi_writer`: the intent is recorded.
    ExchangeIntended,
    /// `multi_writer`: the buffers are exchanged.
    ExchangeDone,
    /// `multi_writer`: the buffer that the writer got names it; the writer's entry does not name
    /// the buffer.
    ExchangeOwned,
    /// `multi_writer`: the entry names the buffer that its owner got; the counter is not raised.
    ExchangeSettled,
    /// `take`: the intent is recorded.
    TakeIntended,
    /// `take`: the buffers are exchanged.
    TakeDone,
    /// `take`: the buffer that the taker got names it; the taker's entry does not name the buffer.
    TakeOwned,
    /// `take`: the entry names the buffer that the taker got; the counter is not raised.
    TakeSettled,
    /// `registry`: a dead taker's entry is taken over, with the message in it.
    MessageAdopted,
    /// `call`: the server's entry names the question that it took; the application has not got it.
    QuestionTaken,
    /// `call`: the question that a server left is refused; the server's entry still names it.
    QuestionRefused,
    /// `backpressure`: the limit is announced; the readers' cursors are not loaded.
    LimitAnnounced,
    /// `backpressure`: a joining reader has stored its first cursor.
    JoinCursorStored,
    /// `backpressure`: a reader has pinned its position.
    ReadPinned,
    /// `seqlock`: a message is copied, and not validated.
    ReadCopied,
    /// `event_count`: the sleep of a waiter is announced.
    SleepAnnounced,
    /// `event_count`: the bit is cleared; no sleeper is woken yet.
    SleepCleared,
    /// `segment`: a new file is complete, and has no name.
    SegmentFilled,
    /// `segment`: a new file has its name; no other process opened it.
    SegmentNamed,
    /// `segment`: an opener has the file open and locked, and has not checked that it still has its
    /// name.
    SegmentEntered,
    /// `segment`: a leaving user released its lock, and has not checked whether it was the last.
    SegmentLeft,
    /// `segment`: it was the last: it holds the file's exclusive lock, and the name is still there.
    SegmentUnused,
}

#[cfg(seqring_model)]
pub use imp::dies_at;
pub(crate) use imp::hit;
#[cfg(all(seqring_failpoints, not(seqring_model)))]
pub use imp::on_failpoint;

#[cfg(not(any(seqring_failpoints, seqring_model)))]
mod imp {
    #[inline(always)]
    pub(crate) const fn hit(_: super::Failpoint) {}
}

#[cfg(all(seqring_failpoints, not(seqring_model)))]
mod imp {
    use super::Failpoint;
    use std::sync::OnceLock;

    static HOOK: OnceLock<fn(Failpoint)> = OnceLock::new();

    /// From now on every thread calls `hook` at each failpoint that it gets to. Once a process.
    ///
    /// # Panics
    /// The second time.
    pub fn on_failpoint(hook: fn(Failpoint)) {
        HOOK.set(hook).expect("one hook a process");
    }

    pub(crate) fn hit(point: Failpoint) {
        if let Some(hook) = HOOK.get() {
            hook(point);
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

    /// The panic payload of a participant that dies.
    struct Died;

    /// Runs `act` until it returns, or until it dies at `point`: nothing after that point runs, and
    /// the caller forgets what the participant held. Returns whether it died.
    pub fn dies_at(point: Failpoint, act: impl FnOnce()) -> bool {
        FATAL.with(|fatal| fatal.set(Some(point)));
        let ended = catch_unwind(AssertUnwindSafe(act));
        FATAL.with(|fatal| fatal.set(None));
        match ended {
            Ok(()) => false,
            Err(payload) if payload.is::<Died>() => true,
            Err(payload) => resume_unwind(payload),
        }
    }

    pub(crate) fn hit(point: Failpoint) {
        if FATAL.with(|fatal| fatal.get()) == Some(point) {
            resume_unwind(Box::new(Died));
        }
    }
}
