//! The ring: creating and opening it, registering with it, and what concerns it as a whole.

use crate::api::reader::Reader;
use crate::api::taker::Taker;
use crate::api::writer::Writer;
use crate::memory::Memory;
use crate::memory::format::WRITER_ENTRY;
use crate::memory::stamp::ArenaStamp;
use crate::protocol::attachment::{self, Attachment};
use crate::protocol::diagnostics;
use crate::protocol::reader_entry;
use crate::protocol::registry::{self, Adoption, REGISTER_TRIES, Registration};
use crate::protocol::slots::{Class, Slots};
use crate::protocol::stats::{Participant, Stats};
use crate::protocol::stream_state;
use crate::protocol::take;
use crate::segment::{Backing, Liveness};
use crate::sync::event_count::EventCounts;
use crate::sync::futex::Scope;
use crate::sync::yield_now;
use crate::types::backend::{Backend, Capabilities};
use crate::types::config::{Config, Delivery, Writers};
use crate::types::error::{RegisterError, RingError, Warning};
use crate::types::location::Location;
use crate::types::message::Start;
use crate::types::open_options::OpenOptions;
use crate::types::participant::Role;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A ring of slots in memory that threads or processes share.
///
/// Clones are handles on the same ring. Messages are published by a [`Writer`], and read by
/// [`Reader`]s or taken by [`Taker`]s; each of these belongs to one thread at a time.
///
/// # Forks
/// A forked child cannot use the handles that it inherited: registering, reading and writing return
/// `Forked`, a [`View`](crate::View) continues to show what its parent's shows, and dropping does
/// nothing. The child opens the ring itself.
///
/// # Trust
/// A process that may open a ring for writing is trusted. One that stores garbage cannot make safe
/// code read out of bounds, but it can make messages, and the bytes under a [`View`](crate::View)
/// or [`Claim`](crate::Claim), anything at any time.
///
/// ```
/// use seqring::{Config, Ring, Start};
/// let ring = Ring::heap(&Config::slots(64).of_bytes(256))?;
/// let mut writer = ring.writer()?;
/// let mut reader = ring.reader(Start::Next)?;
/// writer.write(b"hello")?;
/// let mut buffer = [0; 256];
/// let received = reader.read(&mut buffer)?;
/// assert_eq!(&buffer[..received.len], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Ring {
    pub(crate) attachment: Arc<Attachment>,
}

/// Creating and opening.
impl Ring {
    /// Creates a ring in shared memory under a name, for this and other processes of this user.
    ///
    /// The name disappears with the last process that closes the ring, unless [`Config::keep`]
    /// keeps it. If that process is killed, the name stays: [`Self::unlink_unused`] and `seqring gc
    /// --remove` remove such a ring, and [`OpenOptions::replace_unused`] replaces it.
    /// [`OpenOptions`] has other access rights and kinds of pages, [`Location`] other places.
    ///
    /// # Errors
    /// - [`RingError::AlreadyExists`] if the name is taken; [`RingError::Unusable`] if something
    ///   else than a file has it.
    /// - [`RingError::NoSpace`] if `/dev/shm` is too small (in containers it often has 64 MB);
    ///   [`RingError::Limit`] if a limit of this process is.
    /// - [`RingError::Config`] and [`RingError::Name`] for invalid arguments.
    /// - In another directory [`RingError::NoDirectory`] if there is none, and
    ///   [`RingError::PermissionDenied`].
    /// - [`RingError::Unsupported`]; [`RingError::Io`].
    pub fn create(location: impl Into<Location>, config: &Config) -> Result<Self, RingError> {
        OpenOptions::new().create(location, config)
    }

    /// Opens the ring of that name.
    ///
    /// # Errors
    /// [`RingError::NotFound`]; [`RingError::PermissionDenied`]; [`RingError::ForeignOwner`];
    /// [`RingError::Unusable`] unless it is a complete ring of a version that this build supports;
    /// [`RingError::Name`]; [`RingError::Unsupported`]; [`RingError::Io`].
    pub fn open(location: impl Into<Location>) -> Result<Self, RingError> {
        OpenOptions::new().open(location)
    }

    /// Opens the ring of that name. Waits for at most `timeout` until it is created.
    ///
    /// A ring whose users were all killed, and that is not [kept](Config::keep), is awaited too: if
    /// another process opens or replaces it within `timeout`, this call opens that ring; if none
    /// does, it opens the ring that was left, as [`Self::open`] does at once.
    ///
    /// # Errors
    /// As [`Self::open`], at once, but [`RingError::NotFound`] only after the timeout.
    ///
    /// # Cost
    /// Some system calls every millisecond.
    pub fn open_timeout(location: impl Into<Location>, timeout: Duration) -> Result<Self, RingError> {
        OpenOptions::new().open_timeout(location, timeout)
    }

    /// Opens the ring of that name, or creates it. If several processes call this at once, one
    /// creates the ring.
    ///
    /// # Errors
    /// As [`Self::create`] and [`Self::open`]; [`RingError::Unusable`] if there is a ring with
    /// another configuration.
    pub fn open_or_create(location: impl Into<Location>, config: &Config) -> Result<Self, RingError> {
        OpenOptions::new().open_or_create(location, config)
    }

    /// Creates a ring for the threads of this process. Core dumps do not have it, unless
    /// [`OpenOptions::core_dump`] asks for it.
    ///
    /// # Errors
    /// [`RingError::Config`]; [`RingError::Limit`].
    pub fn heap(config: &Config) -> Result<Self, RingError> {
        OpenOptions::new().heap(config)
    }

    /// Creates a ring without a name, in a memfd whose size is sealed: no process can shrink it.
    /// Linux only.
    ///
    /// Other processes get a [descriptor](Self::descriptor). The memory is freed with the last of
    /// them.
    ///
    /// # Errors
    /// [`RingError::Config`]; [`RingError::NoSpace`]; [`RingError::Limit`].
    #[cfg(target_os = "linux")]
    pub fn anonymous(config: &Config) -> Result<Self, RingError> {
        OpenOptions::new().anonymous(config)
    }
}

/// Registering.
impl Ring {
    /// Registers a writer: the only one, or one of many. A stream that had ended continues with the
    /// next sequence.
    ///
    /// # Errors
    /// - [`RegisterError::Closed`]; [`RegisterError::Forked`]; [`RegisterError::Corrupt`];
    ///   [`RegisterError::Obstructed`].
    /// - With one writer: [`RegisterError::WriterTaken`] while another one lives, or while a
    ///   process that recovers the entry of a dead one is suspended.
    /// - With many: [`RegisterError::TableFull`].
    /// - [`RegisterError::NoSpace`] if there is no room for a buffer of its own.
    /// - [`RegisterError::Delivery`] if the ring is a table or for calls.
    pub fn writer(&self) -> Result<Writer, RegisterError> {
        if self.config().writers == Writers::Many {
            // The death of the last writer is reported only if it is detected before another writer
            // joins.
            registry::recover_dead(&self.attachment, Role::Writer);
            return Writer::join(self.registration(Role::Writer, 0..self.config().participants)?);
        }
        if let delivery @ (Delivery::Call | Delivery::Latest) = self.config().delivery {
            return Err(RegisterError::Delivery { delivery });
        }
        Writer::join(self.only_writer(Role::Writer)?)
    }

    /// Registers a reader. In a gated ring writers wait for it from now on.
    ///
    /// # Errors
    /// [`RegisterError::TableFull`]; [`RegisterError::Delivery`] if the ring is a queue, a table or
    /// for calls; [`RegisterError::Forked`]; [`RegisterError::Obstructed`].
    pub fn reader(&self, start: Start) -> Result<Reader, RegisterError> {
        if let delivery @ (Delivery::Queue | Delivery::Call | Delivery::Latest) = self.config().delivery {
            return Err(RegisterError::Delivery { delivery });
        }
        let first = match self.config().writers {
            Writers::One => WRITER_ENTRY + 1,
            Writers::Many => 0,
        };
        let registration = self.registration(Role::Reader, first..self.config().participants)?;
        Ok(Reader::join(registration, start))
    }

    /// Registers a taker of a queue. If only the entry of a dead taker is left, the new taker gets
    /// that one's message first.
    ///
    /// # Errors
    /// [`RegisterError::TableFull`]; [`RegisterError::NoSpace`] if there is no room for its buffer;
    /// [`RegisterError::Delivery`] unless the ring is a queue; [`RegisterError::Forked`];
    /// [`RegisterError::Corrupt`]; [`RegisterError::Obstructed`].
    pub fn taker(&self) -> Result<Taker, RegisterError> {
        let stamps = self.queue_stamps()?;
        match self.registration(Role::Taker, 0..self.config().participants) {
            Ok(registration) => Taker::join(registration, stamps),
            Err(full @ RegisterError::TableFull { .. }) => self.heir_of_a_taker(stamps).ok_or(full),
            Err(error) => Err(error),
        }
    }
}

/// Properties and state.
impl Ring {
    /// The configuration that the ring was created with.
    pub fn config(&self) -> &Config {
        &self.attachment.memory.layout().config
    }

    /// The most memory that the ring takes, in bytes: with many writers, with a writer in each
    /// entry.
    pub fn total_bytes(&self) -> usize {
        self.attachment.memory.layout().total_bytes
    }

    /// The path of the ring's file, if it has a name.
    pub fn path(&self) -> Option<&Path> {
        self.attachment.liveness.backing.path()
    }

    /// What the ring's backend offers.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(self.attachment.liveness.backing.backend())
    }

    /// What this process asked for and the system refused. The ring works without it.
    pub fn warnings(&self) -> &[Warning] {
        &self.attachment.warnings
    }

    /// The application's own words in the segment. Their meaning and memory order are the
    /// application's business.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub fn user_words(&self) -> &[std::sync::atomic::AtomicU64] {
        self.attachment.memory.user_words()
    }

    /// The sequence of the next message; in a ring for calls, how many questions were asked.
    pub fn next_sequence(&self) -> u64 {
        Slots::new(self.attachment.memory.clone()).next_sequence()
    }

    /// The messages of a queue that are not finished: those that a taker took and has not
    /// finished, then those that are not taken; a dead taker's too, until another takes it.
    /// Messages that are published, taken or finished meanwhile may or may not be among them.
    /// Other rings have none.
    ///
    /// # Cost
    /// A line for each message that is not taken, and for each entry that was ever taken.
    pub fn unfinished(&self) -> Vec<u64> {
        match self.config().delivery {
            Delivery::Queue => take::unfinished(&Slots::new(self.attachment.memory.clone())),
            _ => Vec::new(),
        }
    }

    /// The registered participants, dead or alive.
    ///
    /// # Cost
    /// As [`Self::stats`].
    pub fn participants(&self) -> Vec<Participant> {
        self.stats().participants
    }

    /// The participants, and how far each of them is.
    ///
    /// # Cost
    /// For each entry that was ever taken two cache lines and, between processes, a system call.
    pub fn stats(&self) -> Stats {
        let Attachment { memory, liveness, .. } = &*self.attachment;
        Stats::collect(memory, |entry| liveness.is_held(entry))
    }
}

/// Ending.
impl Ring {
    /// Closes the ring for good: writes return `Closed`; readers get the messages that are there,
    /// then `Closed`.
    ///
    /// A write that runs at the same time is either refused or accepted. If it is accepted, a
    /// reader that had read everything before may report the end without it. If every message
    /// matters, drop the writer instead.
    pub fn close(&self) {
        let Attachment { memory, event_counts, .. } = &*self.attachment;
        stream_state::close(memory);
        event_counts.notify(&memory.control().published);
        event_counts.notify(&memory.control().freed);
    }

    /// Moves every registered reader behind the messages published so far.
    ///
    /// A reader's next call returns [`Lagged`](crate::Lagged). A read in progress is finished or
    /// refused, never torn. Bytes that a view shows stay until it is dropped, and those of a read
    /// of arena slots until it ends; [`View`](crate::View) describes when they hold a gated writer
    /// back.
    pub fn skip_readers_to_newest(&self) {
        let Attachment { memory, event_counts, .. } = &*self.attachment;
        reader_entry::raise_floors(memory, self.next_sequence());
        // A floor frees slots as a cursor does. Readers need not wake: a sleeping reader has read
        // everything.
        event_counts.notify(&memory.control().freed);
    }
}

/// For the other modules of the crate.
impl Ring {
    pub(crate) fn attach(memory: Memory, backing: Backing, warnings: Vec<Warning>) -> Self {
        let event_counts = EventCounts::new(scope(backing.backend()));
        attachment::keep_from_children(&backing, &memory);
        let liveness = Liveness::new(backing);
        let attachment = Attachment { liveness, memory, event_counts, warnings };
        Ring { attachment: Arc::new(attachment) }
    }

    /// Whether this is a forked child's copy of a handle.
    pub(crate) fn is_inherited(&self) -> bool {
        self.attachment.liveness.is_inherited()
    }

    /// Registers one of many writers in one of these entries.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn writer_in(&self, entries: Range<usize>) -> Result<Writer, RegisterError> {
        Writer::join(self.registration(Role::Writer, entries)?)
    }

    /// Registers a taker in one of these entries, for callers that agree which entry is whose.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn taker_in(&self, entries: Range<usize>) -> Result<Taker, RegisterError> {
        let stamps = self.queue_stamps()?;
        Taker::join(self.registration(Role::Taker, entries)?, stamps)
    }

    /// Wakes all sleepers: the process that was to wake them may have died.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn wake_all(&self) {
        let Attachment { memory, event_counts, .. } = &*self.attachment;
        event_counts.wake_all(&memory.control().published);
        event_counts.wake_all(&memory.control().freed);
    }

    /// Registers the participant of that role of which there is one at a time.
    pub(super) fn only_writer(&self, role: Role) -> Result<Registration, RegisterError> {
        self.registration(role, WRITER_ENTRY..WRITER_ENTRY + 1).map_err(|error| match error {
            RegisterError::TableFull { .. } => {
                let writer = diagnostics::peer(&self.attachment.memory, WRITER_ENTRY, u64::MAX);
                RegisterError::WriterTaken { pid: writer.map(|writer| writer.pid) }
            }
            other => other,
        })
    }

    /// Registers a participant of that role in one of these entries.
    pub(super) fn registration(
        &self,
        role: Role,
        entries: Range<usize>,
    ) -> Result<Registration, RegisterError> {
        if self.is_inherited() {
            return Err(RegisterError::Forked);
        }
        for _ in 0..REGISTER_TRIES {
            if let Some(registration) = Registration::register(&self.attachment, role, entries.clone()) {
                return Ok(registration);
            }
            // Another process may hold an entry for a moment, to recover it after a death.
            yield_now();
        }
        Err(registry::no_entry(&self.attachment, entries))
    }

    /// Registers a taker in the entry of a dead one, which keeps its message. If no other entry is
    /// left, there may never be another taker to take that message.
    fn heir_of_a_taker(&self, stamps: ArenaStamp) -> Option<Taker> {
        for _ in 0..REGISTER_TRIES {
            match Registration::adopt(&self.attachment) {
                Adoption::Message(registration, recovered) => {
                    return Some(Taker::inherit(registration, recovered, stamps));
                }
                Adoption::None => break,
                Adoption::Unknown => yield_now(),
            }
        }
        None
    }

    fn queue_stamps(&self) -> Result<ArenaStamp, RegisterError> {
        let class = Slots::new(self.attachment.memory.clone()).class;
        match (self.config().delivery, class) {
            (Delivery::Queue, Class::Arena(stamps)) => Ok(stamps),
            (delivery, _) => Err(RegisterError::Delivery { delivery }),
        }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.attachment.fmt(f)
    }
}

/// How the participants of a ring wake each other.
fn scope(backend: Backend) -> Scope {
    match backend {
        Backend::Heap => Scope::Threads,
        Backend::File | Backend::Memfd => Scope::Processes,
        Backend::Portable => Scope::Timed,
    }
}
