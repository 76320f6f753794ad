//! The properties of a ring: chosen at creation, written into its header, the same for all
//! participants.

use crate::types::frame::Frame;
use std::time::Duration;

/// What happens when readers are slower than the writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Delivery {
    /// No message is lost: writers wait for the slowest registered reader.
    #[default]
    Gated,
    /// Writers never wait. A slow reader gets [`Lagged`](crate::Lagged), with the exact number of
    /// messages it lost.
    Lossy,
    /// Each message goes to exactly one of the takers, first in, first out. Writers wait while
    /// `slots` messages are not taken. Many writers and arena slots only: a message's buffer goes
    /// from writer to taker without a copy. Each registered taker adds the memory of one buffer.
    Queue,
}

/// How many writers a ring may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Writers {
    /// One. A second one is refused while the first lives.
    #[default]
    One,
    /// As many at a time as there are entries. Messages are in the order in which their writes end.
    /// Arena slots only. Each registered writer adds the memory of one buffer.
    Many,
}

/// What happens to a message whose taker died before it was done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Redelivery {
    /// Another taker gets it, after messages that were published later. No message is lost, but the
    /// dead taker may have processed part or all of this one.
    #[default]
    Redeliver,
    /// It is dropped: no two takers get the same message.
    Drop,
}

/// Where payloads lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotClass {
    /// Stamp and payload together, slots packed at multiples of 16 bytes: the densest, for streams
    /// of tiny messages.
    Packed,
    /// Stamp and payload together, each slot on cache lines of its own.
    Lines,
    /// A slot is one word that names a buffer; buffers are exchanged, never copied. For large
    /// payloads, filling in place and zero-copy views.
    Arena,
}

impl SlotClass {
    /// The default class for a payload size: packed up to 16 bytes, cache lines up to 1 KiB, then
    /// the arena.
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
/// Values out of range, and options that exclude each other, are
/// [`RingError::Config`](crate::RingError::Config) when the ring is created.
///
/// ```
/// use seqring::{Config, Delivery};
/// let config = Config::slots(50).of_bytes(1 << 20).delivery(Delivery::Lossy).meta_bytes(64);
/// assert_eq!(config.slots, 50);
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
    pub(crate) await_readers: u32,
    pub(crate) keep: bool,
    pub(crate) frame: Frame,
    pub(crate) user_words: usize,
}

impl Config {
    /// A gated ring for one writer, of `slots` messages of at most `slot_bytes` bytes each, for 128
    /// participants, that awaits one reader, without options.
    ///
    /// `slots` is 1 to 2³⁰. `slot_bytes` is 1 to 2⁴⁰, without [`SlotClass::Arena`] at most 2¹⁶.
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
            await_readers: 1,
            keep: false,
            frame: Frame::default(),
            user_words: 0,
        }
    }

    /// As [`Self::new`], for messages that are values of type `T`.
    pub fn of<T>(slots: usize) -> Self {
        Self::new(slots, size_of::<T>())
    }

    /// As [`Self::new`], for messages that are frames, as the ring then [describes](Self::frame)
    /// them.
    ///
    /// ```
    /// use seqring::{Config, Frame};
    /// let config = Config::slots(4).of_frames(Frame::of::<u8>(&[1080, 1920, 3])?);
    /// assert_eq!(config.slot_bytes, 1080 * 1920 * 3);
    /// # Ok::<(), seqring::ShapeError>(())
    /// ```
    pub fn of_frames(slots: usize, frame: Frame) -> Self {
        let slot_bytes = frame.bytes().and_then(|bytes| usize::try_from(bytes).ok());
        // A frame that no slot can hold is refused when the ring is created.
        Self::new(slots, slot_bytes.unwrap_or(usize::MAX)).frame(frame)
    }

    /// The fields that differ from the `wanted` ones, for a message; empty if none does.
    #[cfg_attr(
        not(any(target_os = "linux", feature = "portable")),
        allow(dead_code, reason = "no ring is opened")
    )]
    pub(crate) fn differences(&self, wanted: &Config) -> String {
        let mut different = Vec::new();
        macro_rules! compare {
            ($($field:ident),*) => {
                let Config { $($field),* } = self; // Does not compile if a field is missing.
                $(if *$field != wanted.$field {
                    different.push(format!("{}: {:?}, not {:?}", stringify!($field), $field, wanted.$field));
                })*
            };
        }
        compare!(
            slots,
            slot_bytes,
            class,
            delivery,
            writers,
            redelivery,
            participants,
            first_sequence,
            tag,
            timestamp,
            meta_bytes,
            observers,
            evict_after_ms,
            await_readers,
            keep,
            frame,
            user_words
        );
        different.join("; ")
    }

    /// The number of slots: messages that the ring holds.
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

    /// The value of [`Self::delivery`].
    pub fn delivery_mode(&self) -> Delivery {
        self.delivery
    }

    /// The value of [`Self::writers`].
    pub fn writers_mode(&self) -> Writers {
        self.writers
    }

    /// Where payloads lie.
    pub fn class(&self) -> SlotClass {
        self.class
    }

    /// The frame that every payload is, if the creator [described](Self::frame) one.
    pub fn described_frame(&self) -> Option<Frame> {
        Some(self.frame).filter(|frame| frame.bits > 0)
    }

    /// Whether messages carry [tags](Self::tag).
    pub fn has_tags(&self) -> bool {
        self.tag
    }

    /// Whether the ring may be [observed](crate::Observer).
    pub fn allows_observers(&self) -> bool {
        self.observers
    }

    /// Whether the ring [stays](Self::keep) when the last process leaves.
    pub fn is_kept(&self) -> bool {
        self.keep
    }

    /// What happens when readers are slower than the writers.
    ///
    /// [`Delivery::Queue`] also sets [`Writers::Many`]. Setting another delivery later does not
    /// undo that. Another delivery than before has its default of [`Self::await_readers`].
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        if delivery != self.delivery {
            self.await_readers = (delivery == Delivery::Gated).into();
        }
        self.delivery = delivery;
        if delivery == Delivery::Queue {
            return self.writers(Writers::Many);
        }
        self
    }

    /// How many writers the ring may have at a time.
    ///
    /// [`Writers::Many`] also sets [`SlotClass::Arena`]. Setting [`Writers::One`] later does not
    /// undo that.
    #[must_use]
    pub fn writers(mut self, writers: Writers) -> Self {
        self.writers = writers;
        if writers == Writers::Many {
            self.class = SlotClass::Arena;
        }
        self
    }

    /// In a queue: what happens to a message whose taker died before it was done with it.
    #[must_use]
    pub fn redelivery(mut self, redelivery: Redelivery) -> Self {
        self.redelivery = redelivery;
        self
    }

    /// Where payloads lie, if not as [`SlotClass::for_slot_bytes`] chooses. Many writers need
    /// [`SlotClass::Arena`].
    #[must_use]
    pub fn slot_class(mut self, class: SlotClass) -> Self {
        self.class = class;
        self
    }

    /// The most writers, readers and takers that are registered at a time, together: 2 to 65536.
    ///
    /// Each takes 128 bytes. With many writers each also adds one buffer to the segment's length,
    /// backed with memory when first used: 128 buffers of 100 MB make a sparse file of 13 GB
    /// ([`Ring::total_bytes`](crate::Ring::total_bytes)).
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

    /// Each message carries a 64-bit tag of the application. Costs 8 bytes a slot and one store a
    /// message.
    #[must_use]
    pub fn tag(mut self, on: bool) -> Self {
        self.tag = on;
        self
    }

    /// Each message carries the time of its publication in ns (`CLOCK_MONOTONIC`). Costs 8 bytes a
    /// slot and a clock read of about 22 ns a message.
    #[must_use]
    pub fn timestamp(mut self, on: bool) -> Self {
        self.timestamp = on;
        self
    }

    /// Each message carries up to this many bytes of metadata beside its payload, at most 2²⁰.
    /// Costs 8 bytes more a slot.
    #[must_use]
    pub fn meta_bytes(mut self, bytes: usize) -> Self {
        self.meta_bytes = bytes;
        self
    }

    /// Whether processes that are not registered may read through a read-only mapping. Then no
    /// writer has exclusive access to a buffer, so claims are filled by copying in, not through
    /// `&mut [u8]`.
    #[must_use]
    pub fn observers(mut self, allowed: bool) -> Self {
        self.observers = allowed;
        self
    }

    /// Gated rings only: the readers that the ring awaits, 1 by default. Until so many have
    /// joined, writers overwrite nothing, and a reader that joins with [`Start::Next`] starts with
    /// the ring's first message. So readers and writers may start in any order, and each awaited
    /// reader gets every message.
    ///
    /// A writer that has filled all slots waits for the readers that are missing; `try_` calls
    /// return `Full`. A reader counts once it has joined, also after it has left. Observers do not
    /// count. With 0 the ring awaits no reader: messages without a reader are overwritten.
    ///
    /// [`Start::Next`]: crate::Start::Next
    #[must_use]
    pub fn await_readers(mut self, readers: u32) -> Self {
        self.await_readers = readers;
        self
    }

    /// Gated rings only: how long a living registered reader may block writers without reading
    /// anything. Then a waiting writer evicts it: the reader skips to the newest message, the
    /// writer goes on, and the reader's next read fails with [`Lagged`](crate::Lagged), with the
    /// number of messages it missed. Without this option writers wait for a reader as long as it
    /// lives.
    ///
    /// The time is in ms, rounded up. Eviction may come up to 60 ms later: a waiting writer checks
    /// after 20 ms, then every
    /// 40. The bytes of a view in place stay as they are. So do those of a read of arena slots that
    ///     is under way, because it
    /// pins its message as a view does. [`View`](crate::View) says when a writer still waits for
    /// it.
    #[must_use]
    pub fn evict_after(mut self, blocked: Duration) -> Self {
        let ms = blocked.as_nanos().div_ceil(1_000_000).max(1);
        self.evict_after_ms = u32::try_from(ms).unwrap_or(u32::MAX);
        self
    }

    /// Room in the segment for so many 64-bit words of the application, at most 2²⁷, initially zero
    /// ([`Ring::user_words`](crate::Ring::user_words)): for state that must live as long as the
    /// ring.
    #[must_use]
    pub fn user_words(mut self, words: usize) -> Self {
        self.user_words = words;
        self
    }

    /// Whether the ring, with its messages, stays when the last process that has it open leaves.
    /// Then only [`Ring::unlink`](crate::Ring::unlink) removes it, or
    /// [`Ring::unlink_unused`](crate::Ring::unlink_unused) and `seqring gc --remove` with their
    /// option `kept`.
    #[must_use]
    pub fn keep(mut self, on: bool) -> Self {
        self.keep = on;
        self
    }

    /// Describes every payload as an array of this element type and shape, which must fit into a
    /// slot. The description is for the readers: the ring moves bytes, and only calls on frames
    /// check it.
    #[must_use]
    pub fn frame(mut self, frame: Frame) -> Self {
        self.frame = frame;
        self
    }
}
