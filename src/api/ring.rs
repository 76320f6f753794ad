//! The ring: creating it, opening it, joining it, and what concerns it as a whole.

use crate::api::reader::Reader;
use crate::api::taker::Taker;
use crate::api::writer::Writer;
use crate::memory::Memory;
use crate::memory::format::WRITER_ENTRY;
use crate::memory::layout::Layout;
use crate::memory::stamp::ArenaStamp;
use crate::protocol::attachment::Attachment;
use crate::protocol::backpressure::{self, Cursor};
use crate::protocol::diagnostics;
use crate::protocol::fork::{self, HoldOff};
use crate::protocol::registry::{self, Adoption, JOIN_TRIES, Registration};
use crate::protocol::slots::{Class, Slots};
use crate::protocol::stats::{Participant, Stats};
use crate::protocol::stream_state;
use crate::segment::{self, Backing, Liveness};
use crate::sync::event_count::EventCounts;
use crate::sync::futex::Scope;
use crate::sync::{Relaxed, yield_now};
use crate::types::capabilities::Capabilities;
use crate::types::config::{Config, Delivery, SlotClass, Writers};
use crate::types::error::{RegisterError, RingError, Warning};
use crate::types::frame::Frame;
use crate::types::location::{Backend, Location};
use crate::types::message::Start;
use crate::types::open_options::OpenOptions;
use crate::types::participant::Role;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A ring of slots in memory that threads or processes share.
///
/// Clones are handles on the same ring. Messages go in through a [`Writer`] and come out through [`Reader`]s;
/// each belongs to one thread at a time.
///
/// A forked child does not take part by what it inherited: joins, reads and writes say `Forked`, a
/// [`View`](crate::View) goes on to show what its parent's shows, and dropping does nothing. It opens the ring itself.
///
/// Whoever may open a ring for writing is trusted: a peer that stores garbage cannot make safe code read out of
/// bounds, but it can make messages, and the bytes under a [`View`](crate::View) or
/// [`Claim`](crate::Claim), be anything at any time.
///
/// ```
/// use seqring::{Config, Ring, Start};
/// let ring = Ring::heap(&Config::new(64, 256))?;
/// let mut writer = ring.writer()?;
/// let mut reader = ring.reader(Start::Next)?;
/// writer.write(b"hello")?;
/// let mut buffer = [0; 256];
/// let received = reader.read(&mut buffer)?;
/// assert_eq!(&buffer[..received.len], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ring {
    pub(crate) attachment: Arc<Attachment>,
}

impl Ring {
    /// Creates a ring for the threads of this process.
    ///
    /// # Errors
    /// [`RingError::Config`].
    pub fn heap(config: &Config) -> Result<Self, RingError> {
        let layout = Layout::new(config).map_err(RingError::Config)?;
        let memory = Memory::heap(Arc::new(layout)).map_err(RingError::Config)?;
        initialise(&memory);
        Ok(Self::attach(memory, Backing::Heap, Vec::new(), fork::hold_off()))
    }

    /// Creates a ring in shared memory under a name, for this and other processes of this user.
    ///
    /// The name disappears with the last process that closes the ring, unless [`Config::keep`] says otherwise; not if
    /// that process is killed: [`Self::unlink_unused`] and `seqring gc --remove` remove such a
    /// ring, and [`OpenOptions::replace_unused`] lets a new one take its place.
    /// [`OpenOptions`] offers other access rights and kinds of pages, [`Location`] other places.
    ///
    /// # Errors
    /// [`RingError::AlreadyExists`] if the name is taken, [`RingError::NoSpace`] if `/dev/shm` is too small (in containers it
    /// often has 64 MB), [`RingError::Config`] and [`RingError::Name`] for what cannot be. In another directory also
    /// [`RingError::NotFound`] if there is none, [`RingError::PermissionDenied`], and [`RingError::Unusable`] if its file system
    /// has no files without names. [`RingError::Unsupported`]; [`RingError::Io`].
    pub fn create(location: impl Into<Location>, config: &Config) -> Result<Self, RingError> {
        OpenOptions::new().create(location, config)
    }

    /// Opens the ring of that name.
    ///
    /// # Errors
    /// [`RingError::NotFound`], [`RingError::PermissionDenied`], [`RingError::ForeignOwner`], and
    /// [`RingError::Unusable`] if what is there is not a whole ring of a version that this build understands.
    /// [`RingError::Name`]; [`RingError::Unsupported`]; [`RingError::Io`].
    pub fn open(location: impl Into<Location>) -> Result<Self, RingError> {
        OpenOptions::new().open(location)
    }

    /// Opens the ring of that name, or creates it: of all who do so at once, one creates it.
    ///
    /// # Errors
    /// As [`Self::create`] and [`Self::open`]; [`RingError::Unusable`] if there is a ring that `config` does not
    /// describe.
    pub fn open_or_create(location: impl Into<Location>, config: &Config) -> Result<Self, RingError> {
        OpenOptions::new().open_or_create(location, config)
    }

    /// Removes the name of a ring. Who has it open keeps it; nobody can open it any more.
    ///
    /// # Errors
    /// [`RingError::NotFound`], [`RingError::PermissionDenied`]; [`RingError::Unusable`] if somebody was stopped who is about
    /// to remove the name itself, as the last one to leave: it would remove the name of the next ring.
    pub fn unlink(location: impl Into<Location>) -> Result<(), RingError> {
        segment::unlink(&location.into())
    }

    /// Removes a ring whose users were all killed before they could: one that no living process has open, and that was
    /// not [made to be kept](Config::keep), or `kept_too`. Says whether it did.
    ///
    /// Whoever opens the ring at the same time either finds it and keeps it from being removed, or does not find it.
    ///
    /// # Errors
    /// As [`Self::open`], without `ForeignOwner`.
    pub fn unlink_unused(location: impl Into<Location>, kept_too: bool) -> Result<bool, RingError> {
        segment::remove_unused(&location.into(), kept_too)
    }

    /// Observes the ring of that name: see [`Observer`](crate::Observer). Linux only.
    ///
    /// # Errors
    /// As [`Observer::open`](crate::Observer::open).
    #[cfg(target_os = "linux")]
    pub fn observe(location: impl Into<Location>, start: Start) -> Result<crate::Observer, RingError> {
        crate::Observer::open(location, start)
    }

    /// `forks` has been held off since before there was a descriptor.
    pub(crate) fn attach(memory: Memory, backing: Backing, warnings: Vec<Warning>, forks: HoldOff) -> Self {
        let event_counts = EventCounts::new(scope(backing.backend()));
        let watched = forks.watch(&backing, &memory);
        let liveness = Liveness::new(backing);
        Ring {
            attachment: Arc::new(Attachment { _watched: watched, memory, liveness, event_counts, warnings }),
        }
    }

    /// Registers a writer: the one, or one of many. A stream that had ended goes on with the next sequence.
    ///
    /// # Errors
    /// - [`RegisterError::Closed`]; [`RegisterError::Forked`]; [`RegisterError::Corrupt`];
    /// - with one writer: [`RegisterError::WriterTaken`] while another one lives, or while a process that clears up after a
    ///   dead one is stopped in the middle of it;
    /// - with many: [`RegisterError::TableFull`];
    /// - [`RegisterError::NoSpace`] if there is no room for a buffer of its own.
    pub fn writer(&self) -> Result<Writer, RegisterError> {
        let (entries, one) = match self.config().writers {
            Writers::Many => {
                // Found dead before there is another writer, the last one's death is told.
                registry::clear_dead(&self.attachment, Role::Writer);
                (0..self.config().participants, false)
            }
            Writers::One => (WRITER_ENTRY..WRITER_ENTRY + 1, true),
        };
        Writer::join(self.registration(Role::Writer, entries).map_err(|full| {
            let owner = self.attachment.memory.entry(WRITER_ENTRY).owner.load(Relaxed); // Relaxed: for a message to people.
            match full {
                RegisterError::TableFull { .. } if one => {
                    RegisterError::WriterTaken { pid: diagnostics::pid(owner) }
                }
                other => other,
            }
        })?)
    }

    /// An entry of `entries` for somebody in that role.
    fn registration(&self, role: Role, entries: Range<usize>) -> Result<Registration, RegisterError> {
        if self.is_inherited() {
            return Err(RegisterError::Forked);
        }
        for _ in 0..JOIN_TRIES {
            if let Some(registration) = Registration::take(&self.attachment, role, entries.clone()) {
                return Ok(registration);
            }
            // Somebody may hold an entry for a moment to clear up after a dead one.
            yield_now();
        }
        Err(registry::table_full(&self.attachment))
    }

    /// Registers a reader.
    ///
    /// In a gated ring writers wait for it from now on.
    ///
    /// # Errors
    /// [`RegisterError::TableFull`]; [`RegisterError::Delivery`] if the ring is a queue; [`RegisterError::Forked`].
    pub fn reader(&self, start: Start) -> Result<Reader, RegisterError> {
        if let delivery @ Delivery::Queue = self.config().delivery {
            return Err(RegisterError::Delivery { delivery });
        }
        let first = match self.config().writers {
            Writers::One => WRITER_ENTRY + 1,
            Writers::Many => 0,
        };
        let registration = self.registration(Role::Reader, first..self.config().participants)?;
        Ok(Reader::join(registration, start))
    }

    /// Registers a taker of a queue. One that finds no entry but that of a dead taker has that one's message first.
    ///
    /// # Errors
    /// [`RegisterError::TableFull`]; [`RegisterError::NoSpace`] if there is no room for its buffer; [`RegisterError::Delivery`] if the
    /// ring is no queue; [`RegisterError::Forked`]; [`RegisterError::Corrupt`].
    pub fn taker(&self) -> Result<Taker, RegisterError> {
        let words = self.queue_words()?;
        match self.registration(Role::Taker, 0..self.config().participants) {
            Ok(registration) => Taker::join(registration, words),
            Err(full @ RegisterError::TableFull { .. }) => self.heir_of_a_taker(words).ok_or(full),
            Err(error) => Err(error),
        }
    }

    /// As [`Self::taker`], in one of these entries: for those who agree on who has which.
    pub(crate) fn taker_in(&self, entries: Range<usize>) -> Result<Taker, RegisterError> {
        let words = self.queue_words()?;
        Taker::join(self.registration(Role::Taker, entries)?, words)
    }

    /// A taker in the entry of a dead one, which is kept with its message: where no other entry is left, nobody else might
    /// ever come to take that message.
    fn heir_of_a_taker(&self, words: ArenaStamp) -> Option<Taker> {
        for _ in 0..JOIN_TRIES {
            match Registration::adopt(&self.attachment) {
                Adoption::Message(registration, settled) => {
                    return Some(Taker::inherit(registration, settled, words));
                }
                Adoption::None => break,
                Adoption::Unknown => yield_now(),
            }
        }
        None
    }

    fn queue_words(&self) -> Result<ArenaStamp, RegisterError> {
        let class = Slots::new(self.attachment.memory.clone()).class;
        match (self.config().delivery, class) {
            (Delivery::Queue, Class::Arena(words)) => Ok(words),
            (delivery, _) => Err(RegisterError::Delivery { delivery }),
        }
    }

    /// Wakes all who sleep: whoever was to wake them may have died.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn wake_all(&self) {
        let Attachment { memory, event_counts, .. } = &*self.attachment;
        event_counts.wake_sleepers(&memory.control().published);
        event_counts.wake_sleepers(&memory.control().freed);
    }

    /// Whether this is a forked child's copy of a handle.
    pub(crate) fn is_inherited(&self) -> bool {
        self.attachment.liveness.is_inherited()
    }

    /// A writer of many, in one of these entries.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn writer_in(&self, entries: Range<usize>) -> Result<Writer, RegisterError> {
        Writer::join(self.registration(Role::Writer, entries)?)
    }

    /// What the ring was made to be.
    pub fn config(&self) -> &Config {
        &self.attachment.memory.layout().config
    }

    /// What happens when a reader is slower than the writers.
    pub fn delivery(&self) -> Delivery {
        self.config().delivery
    }

    /// Where payloads lie.
    pub fn slot_class(&self) -> SlotClass {
        self.config().class
    }

    /// What every payload is, if the creator said so.
    pub fn frame(&self) -> Option<Frame> {
        Some(self.config().frame).filter(|frame| frame.bits > 0)
    }

    /// Bytes of memory that the ring takes, at most: in a ring of many writers, with a writer in each entry.
    pub fn total_bytes(&self) -> usize {
        self.attachment.memory.layout().total_bytes
    }

    /// Where others find the ring, if it has a name.
    pub fn path(&self) -> Option<&Path> {
        self.attachment.liveness.backing.path()
    }

    /// What the ring's backend offers.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(self.attachment.liveness.backing.backend())
    }

    /// What this process asked for and the system refused, and the ring works without.
    pub fn warnings(&self) -> &[Warning] {
        &self.attachment.warnings
    }

    /// The application's own words in the segment: what they mean, and in which order they are stored, is its business.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub fn user_words(&self) -> &[std::sync::atomic::AtomicU64] {
        self.attachment.memory.user_words()
    }

    /// The sequence that is published next.
    pub fn next_sequence(&self) -> u64 {
        Slots::new(self.attachment.memory.clone()).next_sequence()
    }

    /// Closes the ring for good: writers are refused, readers get what is there and then the end.
    ///
    /// A write that runs at the same time is either refused or accepted; if accepted, a reader that had read
    /// everything before may report the end without it. Whoever needs every message lets its writer leave instead.
    pub fn close(&self) {
        let Attachment { memory, event_counts, .. } = &*self.attachment;
        stream_state::close(memory);
        event_counts.ring(&memory.control().published);
        event_counts.ring(&memory.control().freed);
    }

    /// Skips, for every registered reader, all that is published so far.
    ///
    /// Readers learn of it at their next call, as [`Lagged`](crate::Lagged). A read in progress is finished or
    /// refused, never torn; bytes that a view shows stay until it is dropped, and those of a read of arena slots until it is
    /// over; see [`View`](crate::View) for whether they hold a gated writer back.
    pub fn skip_readers_to_newest(&self) {
        let Attachment { memory, event_counts, .. } = &*self.attachment;
        backpressure::raise_floors(memory, self.next_sequence());
        // A floor frees slots as a cursor does. Readers need not wake: a reader that sleeps has read everything.
        event_counts.ring(&memory.control().freed);
    }

    /// Who is registered, dead or alive.
    ///
    /// # Cost
    /// As [`Self::stats`].
    pub fn participants(&self) -> Vec<Participant> {
        self.stats().participants
    }

    /// How far everybody is.
    ///
    /// # Cost
    /// For each entry that was ever taken two cache lines and, between processes, a system call.
    pub fn stats(&self) -> Stats {
        let Attachment { memory, liveness, .. } = &*self.attachment;
        Stats::take(memory, |entry| liveness.is_held(entry))
    }
}

/// How those who share such memory wake each other.
fn scope(backend: Backend) -> Scope {
    match backend {
        Backend::Heap => Scope::Threads,
        Backend::File | Backend::Memfd => Scope::Processes,
        Backend::Portable => Scope::Timed,
    }
}

/// Gives every shared word its first value; nobody else can see the memory yet.
pub(crate) fn initialise(memory: &Memory) {
    let config = &memory.layout().config;
    let first = config.first_sequence;
    // Relaxed, all of them: the memory is handed on by a thread's start or by its publication under a name.
    memory.control().next.store(first, Relaxed);
    memory.control().taken.store(first, Relaxed);
    memory.control().limit.store(first, Relaxed);
    for index in 0..config.participants {
        memory.entry(index).cursor.store(Cursor::VACANT.word(), Relaxed);
    }
    let class = Slots::new(memory.clone()).class;
    let mut place = crate::memory::slot_index::SlotIndex::of(first, config.slots);
    for _ in 0..config.slots {
        match class {
            Class::Inline(stamps) => {
                let stamp = stamps.of(place.sequence);
                memory.inline_slot(&place).stamp.store(stamp.writing(), Relaxed);
            }
            Class::Arena(words) => {
                memory.slot_word(&place).store(words.awaits(place.round(), place.index()), Relaxed);
            }
        }
        place.step();
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Cursor, Relaxed, Ring};
    use crate::protocol::backpressure::Backpressure;

    /// Fails if a writer announces by its own looks alone: then a joiner could stand where a killed predecessor was
    /// overwriting.
    #[test]
    fn a_writer_never_announces_less_than_its_predecessor_was_given() {
        let ring = Ring::heap(&Config::new(4, 8)).unwrap();
        let mut writer = ring.writer().unwrap();
        for n in 0..4_u64 {
            writer.write(&n.to_le_bytes()).unwrap();
        }
        drop(writer);
        let memory = &ring.attachment.memory;
        // As it was killed: given 4 to 7, with nobody registered.
        memory.control().limit.store(8, Relaxed);
        // A joiner that was held up since the limit was 4 stores its first guess only now.
        memory.entry(1).cursor.store(Cursor::at(0).word(), Relaxed);
        memory.control().table.high_water.store(2, Relaxed);
        assert!(!Backpressure::closed(memory).look(memory, 4, None), "the joiner holds the ring back");
        assert_eq!(memory.control().limit.load(Relaxed), 8, "it may not stand below 4");
    }
}
