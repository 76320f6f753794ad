//! The structures that participants share beside slots and payloads. FORMAT.md specifies them in
//! prose, and `tests/golden.rs` fails when they change.

use crate::sync::futex::FutexWord;
use crate::sync::{AtomicU64, Line};

/// Deaths that a ring remembers: as many as the count of deaths in the state word can distinguish.
pub(crate) const DEATHS_KEPT: usize = 8;

/// What all participants share beside the slots. Each line has one kind of writer, so that no
/// participant waits for a line that others write for another reason.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Control {
    /// The sequence that is published next, or a lower one: a hint. With many writers
    /// [`crate::protocol::lazy_counter`] says how far it may be behind.
    pub(crate) next: Line<AtomicU64>,
    /// Queue delivery: the sequence that is taken next, or a lower one.
    pub(crate) taken: Line<AtomicU64>,
    /// Gated: the limit up to which a writer may have been admitted, for joining readers
    /// ([`crate::protocol::backpressure`]).
    pub(crate) limit: Line<AtomicU64>,
    /// The event count on which readers wait for messages.
    pub(crate) published: Line<FutexWord>,
    /// The event count on which writers wait for slots.
    pub(crate) freed: Line<FutexWord>,
    /// Changes rarely, read by all participants.
    pub(crate) table: Line<Table>,
}

/// The state of the ring as a whole.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Table {
    /// Whether the stream is open, ended or closed ([`crate::protocol::stream_state`]).
    pub(crate) stream_state: AtomicU64,
    /// Entries from here on were never taken.
    pub(crate) high_water: AtomicU64,
    /// Gated: readers that have joined, counted up to [`Config::await_readers`].
    ///
    /// [`Config::await_readers`]: crate::Config::await_readers
    pub(crate) readers_joined: AtomicU64,
    /// Deaths of last writers, recorded before another state replaces them in `stream_state`.
    pub(crate) deaths: [AtomicU64; DEATHS_KEPT],
    /// Where the one writer continued after its last gap ([`crate::protocol::gap`]).
    pub(crate) skipped_to: AtomicU64,
}

/// The one writer's entry. A participant is the writer iff it holds this entry.
pub(crate) const WRITER_ENTRY: usize = 0;

/// One participant: two lines, the first written by its owner alone while it works.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(crate) struct Entry {
    /// A reader's position and pin ([`crate::protocol::reader_entry::Cursor`]).
    pub(crate) cursor: AtomicU64,
    /// Writers and takers on arena slots: the intent record ([`crate::protocol::intent_log`]).
    pub(crate) intent: AtomicU64,
    /// The aim of `intent`: `[kind:2 | sequence:62]`.
    pub(crate) intent_sequence: AtomicU64,
    /// A reader that pins: the buffer that its pinned message is in. The one writer:
    /// [`crate::protocol::standby_buffer`].
    pub(crate) pinned: AtomicU64,
    /// Statistics: messages that a reader lost, or that a writer was refused. Stored by the owner.
    pub(crate) missed: AtomicU64,
    /// Statistics: sleeps. Stored by the owner.
    pub(crate) sleeps: AtomicU64,
    pub(crate) reserved_hot: [AtomicU64; 2],

    /// Free, or a role, and how often the entry was taken ([`crate::protocol::registry`]).
    pub(crate) state: AtomicU64,
    /// Process and thread: `pid << 32 | tid`.
    pub(crate) owner: AtomicU64,
    /// When the process started (`/proc/PID/stat`, clock ticks since boot): detects a reused pid.
    pub(crate) started: AtomicU64,
    /// Stored by others: the reader must move up to this position at least
    /// ([`crate::protocol::backpressure`]).
    pub(crate) floor: AtomicU64,
    pub(crate) reserved_cold: AtomicU64,
    /// The sequence at which the participant joined.
    pub(crate) joined: AtomicU64,
    /// One more than the cursor at which the reader was evicted ([`crate::protocol::eviction`]); 0:
    /// it was not.
    pub(crate) evicted: AtomicU64,
    /// A parked reader: one more than the change of the stream's state up to which deaths were
    /// reported to it.
    pub(crate) reported: AtomicU64,
}

/// What goes with one buffer of the arena: behind a small payload, else on a line of its own. While
/// the buffer is filled, only its owner writes to it.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct BufferHeader {
    /// Bytes of the payload; in a queue perhaps with [`REDELIVERED`].
    pub(crate) len: AtomicU64,
    pub(crate) reserved: AtomicU64,
    /// For recovery, with many writers: the entry that got this buffer last.
    pub(crate) owner: AtomicU64,
}

/// In the length of a buffer's message: a taker of another queue took the message first, and did
/// not finish it.
pub(crate) const REDELIVERED: u64 = 1 << 63;

/// Bytes of a [`BufferHeader`]. In models its atomics are larger, and the layout is the same.
pub(crate) const BUFFER_HEADER_BYTES: usize = 24;

#[cfg(not(seqring_model))]
const _: () = {
    assert!(size_of::<Control>() == 6 * 128);
    assert!(size_of::<Entry>() == 128 && size_of::<BufferHeader>() == BUFFER_HEADER_BYTES);
    assert!(std::mem::offset_of!(Entry, state) == 64);
};
