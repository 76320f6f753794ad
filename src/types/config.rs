//! What a ring is made to be: chosen at creation, written into its header, the same for everybody.

use crate::types::frame::Frame;
use std::time::Duration;

/// What happens when a reader is slower than the writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Delivery {
    /// Nothing is lost: writers wait for the slowest registered reader.
    #[default]
    Gated,
    /// Writers never wait: a slow reader is told exactly how many messages it lost.
    Lossy,
    /// Each message goes to exactly one of the takers, first in, first out; writers wait while `slots` messages are not
    /// taken. Many writers, arena slots only: a message's buffer goes from writer to taker without a copy. Each taker
    /// that comes adds the memory of one buffer.
    Queue,
}

/// How many writers a ring may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Writers {
    /// One. A second one is refused while the first lives.
    #[default]
    One,
    /// As many as there are entries for, coming and going. Messages are in the order in which their writes end. Arena
    /// slots only. Each writer that comes adds the memory of one buffer.
    Many,
}

/// What becomes of a message whose taker died before it was done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Redelivery {
    /// Another taker gets it, after messages that were published later. What the dead one did with it before, it may
    /// have done; but no message is lost.
    #[default]
    Redeliver,
    /// It is dropped: no message is seen by two takers.
    Drop,
}

/// Where payloads lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotClass {
    /// Stamp and payload together, slots packed at multiples of 16 bytes: the densest, for streams of tiny
    /// messages.
    Packed,
    /// Stamp and payload together, each slot on cache lines of its own.
    Lines,
    /// A slot is one word naming a buffer; buffers are exchanged, never copied. For large payloads, in-place
    /// filling and zero-copy views.
    Arena,
}

impl SlotClass {
    /// The class that suits a payload size: packed up to 16 bytes, cache lines up to 1 KiB, then the arena.
    pub fn for_slot_bytes(slot_bytes: usize) -> Self {
        match slot_bytes {
            0..=16 => SlotClass::Packed,
            17..=1024 => SlotClass::Lines,
            _ => SlotClass::Arena,
        }
    }
}

/// The properties of a ring to be created.
///
/// `slots` is exact: a gated ring of 50 accepts 50 unread messages and refuses the 51st.
///
/// What is out of its range, or does not go together, is [`RingError::Config`](crate::RingError::Config) when the ring is
/// created.
///
/// ```
/// use seqring::{Config, Delivery};
/// let config = Config::new(50, 1 << 20).delivery(Delivery::Lossy).meta_bytes(64);
/// assert_eq!(config.slots(), 50);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent options")]
pub struct Config {
    pub(crate) slots: usize,
    pub(crate) slot_bytes: usize,
    pub(crate) class: SlotClass,
    pub(crate) delivery: Delivery,
    pub(crate) writers: Writers,
    pub(crate) redelivery: Redelivery,
    pub(crate) participants: usize,
    pub(crate) first_sequence: u64,
    pub(crate) tag: bool,
    pub(crate) timestamp: bool,
    pub(crate) meta_bytes: usize,
    pub(crate) observers: bool,
    /// 0: never.
    pub(crate) evict_after_ms: u32,
    pub(crate) keep: bool,
    pub(crate) frame: Frame,
    pub(crate) user_words: usize,
}

impl Config {
    /// A gated ring for one writer, of `slots` messages of at most `slot_bytes` bytes each, with room for 128
    /// participants and no options.
    ///
    /// `slots` from 1 to 2³⁰; `slot_bytes` from 1 to 2⁴⁰, in slots that are not [`SlotClass::Arena`] to 2¹⁶.
    pub fn new(slots: usize, slot_bytes: usize) -> Self {
        Config {
            slots,
            slot_bytes,
            class: SlotClass::for_slot_bytes(slot_bytes),
            delivery: Delivery::Gated,
            writers: Writers::One,
            redelivery: Redelivery::Redeliver,
            participants: 128,
            first_sequence: 0,
            tag: false,
            timestamp: false,
            meta_bytes: 0,
            observers: false,
            evict_after_ms: 0,
            keep: false,
            frame: Frame::default(),
            user_words: 0,
        }
    }

    /// As [`Self::new`], for messages that are a `T` each.
    pub fn of<T>(slots: usize) -> Self {
        Self::new(slots, size_of::<T>())
    }

    /// As [`Self::new`], for messages that are such a frame each, and say so.
    ///
    /// ```
    /// use seqring::{Config, Frame};
    /// let config = Config::of_frames(4, Frame::of::<u8>(&[1080, 1920, 3])?);
    /// assert_eq!(config.slot_bytes(), 1080 * 1920 * 3);
    /// # Ok::<(), seqring::ShapeError>(())
    /// ```
    pub fn of_frames(slots: usize, frame: Frame) -> Self {
        let slot_bytes = frame.bytes().and_then(|bytes| usize::try_from(bytes).ok());
        // What no slot can hold is refused when the ring is created.
        Self::new(slots, slot_bytes.unwrap_or(usize::MAX)).frame(frame)
    }

    /// Messages that the ring holds.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The largest payload, in bytes.
    pub fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    /// The longest metadata of a message, in bytes; 0 if the ring carries none.
    pub fn meta_bytes_max(&self) -> usize {
        self.meta_bytes
    }

    /// What happens when a reader is slower than the writers, as it was set.
    pub fn delivery_mode(&self) -> Delivery {
        self.delivery
    }

    /// How many writers the ring may have at a time, as it was set.
    pub fn writers_mode(&self) -> Writers {
        self.writers
    }

    /// Where payloads lie.
    pub fn class(&self) -> SlotClass {
        self.class
    }

    /// Whether the ring may be [observed](crate::Observer).
    pub fn allows_observers(&self) -> bool {
        self.observers
    }

    /// Whether the ring stays when the last process leaves.
    pub fn is_kept(&self) -> bool {
        self.keep
    }

    /// What happens when a reader is slower than the writers.
    ///
    /// [`Delivery::Queue`] also sets [`Writers::Many`]. Another delivery, set later, does not take that back.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        if delivery == Delivery::Queue {
            return self.writers(Writers::Many);
        }
        self
    }

    /// How many writers the ring may have at a time.
    ///
    /// [`Writers::Many`] also sets [`SlotClass::Arena`]. [`Writers::One`], set later, does not take that back.
    #[must_use]
    pub fn writers(mut self, writers: Writers) -> Self {
        self.writers = writers;
        if writers == Writers::Many {
            self.class = SlotClass::Arena;
        }
        self
    }

    /// Queue: what becomes of a message whose taker died before it was done with it.
    #[must_use]
    pub fn redelivery(mut self, redelivery: Redelivery) -> Self {
        self.redelivery = redelivery;
        self
    }

    /// Where payloads lie, when [`SlotClass::for_slot_bytes`] does not fit the use. Many writers need [`SlotClass::Arena`].
    #[must_use]
    pub fn slot_class(mut self, class: SlotClass) -> Self {
        self.class = class;
        self
    }

    /// Writers, readers and takers registered at a time, together: 2 to 65536. 128 bytes each; with many writers also a
    /// buffer each in the segment's length, backed when first used: 128 of 100 MB make a sparse file of 13 GB, as
    /// [`Ring::total_bytes`](crate::Ring::total_bytes) says.
    #[must_use]
    pub fn participants(mut self, participants: usize) -> Self {
        self.participants = participants;
        self
    }

    /// The number of the first message, below 2⁶¹. Tests start near the limits of the counters.
    #[must_use]
    pub fn first_sequence(mut self, sequence: u64) -> Self {
        self.first_sequence = sequence;
        self
    }

    /// Each message carries a 64-bit tag of the user's. 8 bytes a slot, one store a message.
    #[must_use]
    pub fn tag(mut self, on: bool) -> Self {
        self.tag = on;
        self
    }

    /// Each message carries the time of its publication in ns (`CLOCK_MONOTONIC`). 8 bytes a slot and a clock
    /// read of about 22 ns a message.
    #[must_use]
    pub fn timestamp(mut self, on: bool) -> Self {
        self.timestamp = on;
        self
    }

    /// Each message carries up to this many bytes beside its payload, at most 2²⁰. 8 bytes more a slot.
    #[must_use]
    pub fn meta_bytes(mut self, bytes: usize) -> Self {
        self.meta_bytes = bytes;
        self
    }

    /// Whether somebody may read who is not registered, through a read-only mapping. Then no writer ever has
    /// a buffer to itself, and claims are filled by copying in, not through `&mut [u8]`.
    #[must_use]
    pub fn observers(mut self, allowed: bool) -> Self {
        self.observers = allowed;
        self
    }

    /// Gated rings only: how long a registered reader that lives may hold writers back without reading anything. Then
    /// whoever waits for it makes it skip to the newest message, and goes on; the reader is told how many it missed, as
    /// [`Lagged`](crate::Lagged), when it reads again. Without this, writers wait for it as long as it lives.
    ///
    /// In ms, rounded up, and up to 60 ms later: a waiting writer looks after 20 ms, then every 40. The bytes that a
    /// view shows in place stay, and so do those of a read of arena slots that is under way, which pins its message as a view
    /// does; [`View`](crate::View) says when a writer waits for it all the same.
    #[must_use]
    pub fn evict_after(mut self, patience: Duration) -> Self {
        let ms = patience.as_nanos().div_ceil(1_000_000).max(1);
        self.evict_after_ms = u32::try_from(ms).unwrap_or(u32::MAX);
        self
    }

    /// Room in the segment for so many 64-bit words of the application's own, at most 2²⁷, zero at first:
    /// [`Ring::user_words`](crate::Ring::user_words). State that goes with a ring then lives and dies with it.
    #[must_use]
    pub fn user_words(mut self, words: usize) -> Self {
        self.user_words = words;
        self
    }

    /// Whether the ring, with what is in it, stays when the last process that has it open leaves. Then it is removed by
    /// [`Ring::unlink`](crate::Ring::unlink), or by [`Ring::unlink_unused`](crate::Ring::unlink_unused) and `seqring gc
    /// --remove` when told `kept` too.
    #[must_use]
    pub fn keep(mut self, on: bool) -> Self {
        self.keep = on;
        self
    }

    /// What every payload is: an array of this element type and shape, which must fit into a slot. A description for the
    /// readers; the ring moves bytes, and only calls that name frames look at it.
    #[must_use]
    pub fn frame(mut self, frame: Frame) -> Self {
        self.frame = frame;
        self
    }
}
