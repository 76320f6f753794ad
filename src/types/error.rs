//! Every error of the ring. An error says the case, the number, and what to do next.

mod call;
mod ring;
mod table;

use crate::types::config::Delivery;
use crate::types::participant::{self, BlockedOn, Peer};

pub use call::CallError;
pub use ring::{RingError, Warning};
pub use table::TableError;

/// A reader was overtaken by a writer, or moved forward by others, and lost this many messages.
///
/// Its next call goes on after them. A reader that was overtaken goes on a quarter of the ring
/// above the oldest message that is left: at the oldest it would be overtaken again at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{lost} messages were overwritten or skipped before they were read; the reader goes on after them")]
pub struct Lagged {
    /// Messages that this reader will never see, between the last one it got and its new position.
    pub lost: u64,
}

/// A value in shared memory that no correct peer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the segment is damaged: {what}; recreate the ring")]
#[non_exhaustive]
pub struct Corrupt {
    /// Which value, and what is wrong with it.
    pub what: &'static str,
}

/// Why nothing was read, from a call that does not wait. See the example of [`ReadError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TryReadError {
    /// No message yet.
    #[error("no message yet")]
    Empty,
    /// Messages were overwritten, or skipped for this reader; the next call goes on after them.
    #[error(transparent)]
    Lagged(#[from] Lagged),
    /// Every message is read and no writer is registered, or the ring was closed for good.
    #[error("closed: every message was read and no writer is left")]
    Closed,
    /// Every message is read that the last writer published before it died. Reported once for each
    /// such death; the next call goes on, with what a successor published or with `Closed`.
    #[error("the last writer, process {pid}, died; what it published was read, and another may go on")]
    WriterDied {
        /// The process of the writer.
        pid: u32,
    },
    /// This process was forked, and inherited this handle.
    #[error("this handle belongs to the parent process; open the ring again in the child")]
    Forked,
    /// The message is longer than the caller's buffer. It is still there.
    #[error("the message has {needed} bytes; offer a buffer that long, or read it with a view")]
    TooSmall {
        /// Bytes of the message.
        needed: usize,
    },
    /// The message has another length than the values that were asked for. It is still there.
    #[error("the message has {len} bytes, not {expected}; it is still there, to be read as bytes")]
    OtherLength {
        /// Bytes of the message.
        len: usize,
        /// Bytes of what was asked for.
        expected: usize,
    },
    /// See [`Corrupt`].
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// Why nothing was read, from a call that waits.
///
/// ```
/// use seqring::{Config, Delivery, ReadError, Ring, Start};
/// let ring = Ring::heap(&Config::slots(2).of_bytes(8).delivery(Delivery::Lossy))?;
/// let mut reader = ring.reader(Start::Next)?;
/// ring.writer()?.write_each(&["1", "2", "3", "4"])?; // The writer leaves at the end.
///
/// let (mut read, mut lost, mut message) = (0, 0, [0; 8]);
/// loop {
///     match reader.read(&mut message) {
///         Ok(_) => read += 1,
///         Err(ReadError::Lagged(lagged)) => lost += lagged.lost, // Read on.
///         Err(ReadError::WriterDied { pid }) => eprintln!("process {pid} died"), // Read on.
///         Err(ReadError::Closed) => break,
///         Err(error) => return Err(error.into()),
///     }
/// }
/// assert_eq!(read + lost, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Messages were overwritten, or skipped for this reader; the next call goes on after them.
    #[error(transparent)]
    Lagged(#[from] Lagged),
    /// Every message is read and no writer is registered, or the ring was closed for good.
    #[error("closed: every message was read and no writer is left")]
    Closed,
    /// Every message is read that the last writer published before it died. Reported once for each
    /// such death; the next call goes on, with what a successor published or with `Closed`.
    #[error("the last writer, process {pid}, died; what it published was read, and another may go on")]
    WriterDied {
        /// The process of the writer.
        pid: u32,
    },
    /// This process was forked, and inherited this handle.
    #[error("this handle belongs to the parent process; open the ring again in the child")]
    Forked,
    /// The message is longer than the caller's buffer. It is still there.
    #[error("the message has {needed} bytes; offer a buffer that long, or read it with a view")]
    TooSmall {
        /// Bytes of the message.
        needed: usize,
    },
    /// The message has another length than the values that were asked for. It is still there.
    #[error("the message has {len} bytes, not {expected}; it is still there, to be read as bytes")]
    OtherLength {
        /// Bytes of the message.
        len: usize,
        /// Bytes of what was asked for.
        expected: usize,
    },
    /// No message came within the timeout.
    #[non_exhaustive]
    #[error("no message came within the timeout; {writers}")]
    TimedOut {
        /// The writers that the reader waits for.
        writers: BlockedOn,
    },
    /// See [`Corrupt`].
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

impl ReadError {
    /// The error of a waiting call for one of its attempts, which was not `Empty`.
    pub(crate) fn from_try(error: TryReadError) -> Self {
        match error {
            TryReadError::Empty => unreachable!("a waiting call goes on waiting"),
            TryReadError::Lagged(lagged) => ReadError::Lagged(lagged),
            TryReadError::Closed => ReadError::Closed,
            TryReadError::WriterDied { pid } => ReadError::WriterDied { pid },
            TryReadError::Forked => ReadError::Forked,
            TryReadError::TooSmall { needed } => ReadError::TooSmall { needed },
            TryReadError::OtherLength { len, expected } => ReadError::OtherLength { len, expected },
            TryReadError::Corrupt(corrupt) => ReadError::Corrupt(corrupt),
        }
    }
}

/// Why nothing was written, from a call that does not wait. See the example of [`WriteError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TryWriteError {
    /// A gated ring holds as many unread messages as it has slots, or a queue as many messages that
    /// are not taken. In a gated ring also for a moment while a joining reader has not found its
    /// position yet. Never from a lossy ring.
    #[error("full: no slot has been freed yet")]
    Full,
    /// The payload or its metadata is longer than the ring's slots have room for.
    #[error("{len} bytes do not fit into {max}, the ring's slot_bytes (of metadata: its meta_bytes)")]
    TooLarge {
        /// Bytes offered.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The slice is not as long as the frame that the ring describes.
    #[error("{len} bytes are no frame of the ring, which has {expected}")]
    OtherLength {
        /// Bytes offered.
        len: usize,
        /// Bytes of the ring's frames.
        expected: usize,
    },
    /// The ring was closed for good.
    #[error("closed for good: no message is accepted any more")]
    Closed,
    /// This process was forked, and inherited this handle.
    #[error("this handle belongs to the parent process; open the ring again in the child")]
    Forked,
    /// See [`Corrupt`].
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// Why nothing was written, from a call that waits.
///
/// ```
/// use seqring::{Config, Ring, Start, WriteError};
/// use std::time::Duration;
/// let ring = Ring::heap(&Config::slots(1).of_bytes(8))?;
/// let (mut writer, _reader) = (ring.writer()?, ring.reader(Start::Next)?);
/// writer.write(b"one")?;
/// match writer.write_timeout(b"two", Duration::from_millis(1)) {
///     Err(WriteError::TimedOut { slowest: Some(reader), .. }) => assert_eq!(reader.lag, 1),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The payload or its metadata is longer than the ring's slots have room for.
    #[error("{len} bytes do not fit into {max}, the ring's slot_bytes (of metadata: its meta_bytes)")]
    TooLarge {
        /// Bytes offered.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The slice is not as long as the frame that the ring describes.
    #[error("{len} bytes are no frame of the ring, which has {expected}")]
    OtherLength {
        /// Bytes offered.
        len: usize,
        /// Bytes of the ring's frames.
        expected: usize,
    },
    /// The ring was closed for good.
    #[error("closed for good: no message is accepted any more")]
    Closed,
    /// This process was forked, and inherited this handle.
    #[error("this handle belongs to the parent process; open the ring again in the child")]
    Forked,
    /// No slot was freed within the timeout.
    #[non_exhaustive]
    #[error("no slot was freed within the timeout{}", blocked_by(.slowest.as_ref(), *.awaited_readers))]
    TimedOut {
        /// In a gated ring, the reader that the writer waits for, if it is still registered.
        slowest: Option<Peer>,
        /// The readers that the ring still [awaits](crate::Config::await_readers).
        awaited_readers: u32,
    },
    /// See [`Corrupt`].
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// Why a wait for several sources reported none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The set has no source, and the wait no end.
    #[error("the set has no source, so the wait would never end; add one, or wait with a timeout")]
    NoSource,
    /// No source became ready within the timeout.
    #[non_exhaustive]
    #[error("no source became ready within the timeout; waiting for {}", awaited(peers))]
    TimedOut {
        /// The writers that readers, takers and observers wait for, and the readers and takers that
        /// writers wait for.
        peers: Vec<Peer>,
    },
    /// The system has no thread or descriptor for the wait.
    #[error("the system refused what a wait for descriptors, or for many rings, needs: {0}")]
    System(#[from] std::io::Error),
}

fn awaited(peers: &[Peer]) -> String {
    if peers.is_empty() { "no participant: none is there".into() } else { participant::list(peers) }
}

impl WriteError {
    /// The error of a waiting call for one of its attempts, which was not `Full`.
    pub(crate) fn from_try(error: TryWriteError) -> Self {
        match error {
            TryWriteError::Full => unreachable!("a waiting call goes on waiting"),
            TryWriteError::TooLarge { len, max } => WriteError::TooLarge { len, max },
            TryWriteError::OtherLength { len, expected } => WriteError::OtherLength { len, expected },
            TryWriteError::Closed => WriteError::Closed,
            TryWriteError::Forked => WriteError::Forked,
            TryWriteError::Corrupt(corrupt) => WriteError::Corrupt(corrupt),
        }
    }
}

fn blocked_by(slowest: Option<&Peer>, awaited_readers: u32) -> String {
    match (awaited_readers, slowest) {
        (0, None) => String::new(),
        (0, Some(peer)) => format!("; waiting for {peer}"),
        (1, _) => "; the ring awaits one more reader".into(),
        (readers, _) => format!("; the ring awaits {readers} more readers"),
    }
}

/// Why a writer, reader or taker could not join.
///
/// ```
/// use seqring::{Config, RegisterError, Ring};
/// let ring = Ring::heap(&Config::slots(4).of_bytes(8))?;
/// let _writer = ring.writer()?;
/// let Err(RegisterError::WriterTaken { pid }) = ring.writer() else { panic!("two writers") };
/// assert_eq!(pid, Some(std::process::id()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The ring has one writer at a time, a ring for calls one server, and that one lives.
    #[error(
        "the ring already has its one writer or server, in {}; wait for it to leave, or create a ring \
         with Writers::Many (in Python writers=\"many\"), which tables and calls cannot have",
        participant::process(.pid.unwrap_or_default())
    )]
    WriterTaken {
        /// The process of the writer or server; `None` while it registers.
        pid: Option<u32>,
    },
    /// All entries are taken by living participants.
    #[error(
        "all entries are taken; create the ring with more participants, or end some: {}",
        participant::list(.holders)
    )]
    TableFull {
        /// The participants that hold the entries.
        holders: Vec<Peer>,
    },
    /// A process that is no participant holds shared locks on the entries. The right to read the
    /// ring's file is enough for that. Registered participants are not affected.
    #[error(
        "a process that is no participant holds a shared lock on the entries; end it (`fuser` lists the \
         processes that have the ring's file open), or create the ring with a mode that it cannot read"
    )]
    Obstructed,
    /// This process was forked, and inherited this handle.
    #[error("this handle belongs to the parent process; open the ring again in the child")]
    Forked,
    /// The ring has another [`Delivery`].
    #[error(
        "this ring's delivery is {delivery:?}: a queue has takers and assigned numbers, a ring for calls a server and \
         callers, a table (Latest) a table writer and table readers, the others have readers"
    )]
    Delivery {
        /// How the ring delivers.
        delivery: Delivery,
    },
    /// The file system, or the memory limit of a cgroup, has no room for the buffer that another
    /// writer or taker needs.
    #[error(
        "another buffer needs {wanted} bytes, and {available} are free; enlarge /dev/shm or the memory limit \
         of the cgroup, or use smaller slots"
    )]
    NoSpace {
        /// Bytes of a buffer.
        wanted: u64,
        /// Bytes that were free.
        available: u64,
    },
    /// The reader was resumed by another process, left, or ended with its process.
    #[error("no reader is parked in entry {entry}: another process resumed it, or it ended with its process")]
    NotParked {
        /// The entry that its ticket names.
        entry: usize,
    },
    /// The ring was closed for good. Readers and takers can still join, for what is left.
    #[error("closed for good: no writer can join any more")]
    Closed,
    /// See [`Corrupt`].
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}
