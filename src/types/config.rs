//! The properties of a ring: chosen at creation, written into its header, the same for all
//! participants.

use crate::types::frame::Frame;
use std::time::Duration;

/// What happens when readers are slower than the writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
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
    /// No stream, but questions: each caller asks the one server, and gets its answer in the same
    /// place ([`Config::calls`]).
    Call,
    /// A table of latest values: each slot is a cell that keeps the latest value of its key, 0 to
    /// `slots` - 1 ([`Ring::table_writer`](crate::Ring::table_writer)). A later value replaces an
    /// earlier one, and nothing waits. One writer only, and no arena slots.
    Latest,
}

/// How many writers a ring may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
pub struct Config {
    /// The number of [slots](Self::slots): messages that the ring holds.
    pub slots: usize,
    /// The largest payload, in bytes.
    pub slot_bytes: usize,
    /// Where payloads lie.
    pub slot_class: SlotClass,
    /// What happens when readers are slower than the writers.
    pub delivery: Delivery,
    /// How many writers the ring may have at a time.
    pub writers: Writers,
    /// In a queue: what happens to a message whose taker died.
    pub redelivery: Redelivery,
    /// The most participants that are registered at a time.
    pub participants: usize,
    /// The number of the first message.
    pub first_sequence: u64,
    /// Whether messages carry tags.
    pub tag: bool,
    /// Whether messages carry the time of their publication.
    pub timestamp: bool,
    /// The longest metadata of a message, in bytes; 0 if the ring carries none.
    pub meta_bytes: usize,
    /// Whether the ring may be [observed](crate::Observer).
    pub observers: bool,
    /// How long a reader may block writers; `None`: as long as it lives.
    pub evict_after: Option<Duration>,
    /// The readers that the ring awaits.
    pub await_readers: u32,
    /// Whether the ring stays when the last process leaves.
    pub keep: bool,
    /// The frame that every payload is, if the creator described one.
    pub frame: Option<Frame>,
    /// The application's own words in the segment.
    pub user_words: usize,
}

/// A number of slots, by [`Config::slots`]: becomes a [`Config`] with the size of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Slots(usize);

impl Slots {
    /// A ring of messages of at most `slot_bytes` bytes each: 1 to 2⁴⁰, without
    /// [`SlotClass::Arena`] at most 2¹⁶.
    pub fn of_bytes(self, slot_bytes: usize) -> Config {
        Config {
            slots: self.0,
            slot_bytes,
            slot_class: SlotClass::for_slot_bytes(slot_bytes),
            delivery: Delivery::Gated,
            writers: Writers::One,
            redelivery: Redelivery::Redeliver,
            participants: 128,
            first_sequence: 0,
            tag: false,
            timestamp: false,
            meta_bytes: 0,
            observers: false,
            evict_after: None,
            await_readers: 1,
            keep: false,
            frame: None,
            user_words: 0,
        }
    }

    /// A ring of messages that are values of type `T`.
    pub fn of<T>(self) -> Config {
        self.of_bytes(size_of::<T>())
    }

    /// A ring of messages that are frames, as the ring then [describes](Config::frame) them.
    ///
    /// ```
    /// use seqring::{Config, Frame};
    /// let config = Config::slots(4).of_frames(Frame::of::<u8>(&[1080, 1920, 3])?);
    /// assert_eq!(config.slot_bytes, 1080 * 1920 * 3);
    /// # Ok::<(), seqring::ShapeError>(())
    /// ```
    pub fn of_frames(self, frame: Frame) -> Config {
        let slot_bytes = frame.bytes().and_then(|bytes| usize::try_from(bytes).ok());
        // A frame that no slot can hold is refused when the ring is created.
        self.of_bytes(slot_bytes.unwrap_or(usize::MAX)).frame(frame)
    }
}

/// The slots of a caller's cell: that of the question, and that of the answer.
pub(crate) const CELL_SLOTS: usize = 2;
/// The payload with which the two slots of a cell fill a cache line.
pub(crate) const CELL_BYTES: usize = 24;

/// A number of callers, by [`Config::calls`]: becomes a [`Config`] with the size of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Calls(usize);

impl Calls {
    /// Questions and answers of at most `bytes` bytes each, up to 2¹⁶. There is always room for 24:
    /// up to there a call moves one cache line, to the server and back.
    pub fn of_bytes(self, bytes: usize) -> Config {
        let bytes = bytes.max(CELL_BYTES);
        let class = if bytes == CELL_BYTES { SlotClass::Packed } else { SlotClass::Lines };
        Slots(self.0.saturating_mul(CELL_SLOTS))
            .of_bytes(bytes)
            .delivery(Delivery::Call)
            .slot_class(class)
            .participants(self.0.saturating_add(1))
    }

    /// Questions that are values `Q`, and answers that are values `A`.
    pub fn of<Q, A>(self) -> Config {
        self.of_bytes(size_of::<Q>().max(size_of::<A>()))
    }
}

impl Config {
    /// A ring for calls: one server, and up to so many callers at a time, 1 to 65535. [`Calls`]
    /// says how large questions and answers are; [`Caller`](crate::Caller) has an example.
    ///
    /// Of the options, only [`Self::keep`] and [`Self::user_words`] are for such rings.
    pub fn calls(callers: usize) -> Calls {
        Calls(callers)
    }

    /// A gated ring for one writer, for 128 participants, that awaits one reader, without options.
    /// It has so many slots, 1 to 2³⁰: messages that it holds. [`Slots`] says how large each is:
    ///
    /// ```
    /// use seqring::Config;
    /// let bytes = Config::slots(1024).of_bytes(64);
    /// let values = Config::slots(1024).of::<[f32; 16]>();
    /// assert_eq!(bytes, values);
    /// ```
    pub fn slots(slots: usize) -> Slots {
        Slots(slots)
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
            slot_class,
            delivery,
            writers,
            redelivery,
            participants,
            first_sequence,
            tag,
            timestamp,
            meta_bytes,
            observers,
            evict_after,
            await_readers,
            keep,
            frame,
            user_words
        );
        different.join("; ")
    }

    /// What happens when readers are slower than the writers.
    ///
    /// [`Delivery::Queue`] also sets [`Writers::Many`]; [`Delivery::Latest`] sets
    /// [`SlotClass::Lines`], so that no two keys share a cache line, and [`Self::timestamp`].
    /// Setting another delivery later does not undo that. Another delivery than before has its
    /// default of [`Self::await_readers`].
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        if delivery != self.delivery {
            self.await_readers = (delivery == Delivery::Gated).into();
        }
        self.delivery = delivery;
        match delivery {
            Delivery::Queue => self.writers(Writers::Many),
            Delivery::Latest => self.slot_class(SlotClass::Lines).timestamp(true),
            Delivery::Gated | Delivery::Lossy | Delivery::Call => self,
        }
    }

    /// How many writers the ring may have at a time.
    ///
    /// [`Writers::Many`] also sets [`SlotClass::Arena`]. Setting [`Writers::One`] later does not
    /// undo that.
    #[must_use]
    pub fn writers(mut self, writers: Writers) -> Self {
        self.writers = writers;
        if writers == Writers::Many {
            self.slot_class = SlotClass::Arena;
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
        self.slot_class = class;
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
    /// The ring is not kept for them: if the last process that has it open ends before they have
    /// opened it, its name and its messages are gone. [`Self::keep`] keeps them;
    /// [`Writer::wait_for_readers`](crate::Writer::wait_for_readers) waits.
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
    /// number of messages it lost. Without this option writers wait for a reader as long as it
    /// lives.
    ///
    /// The time is in ms, rounded up. Eviction may come up to 60 ms later: a waiting writer checks
    /// after 20 ms, then every 40 ms. The bytes of a view in place stay as they are. So do those of
    /// a read of arena slots that is under way, because it pins its message as a view does.
    /// [`View`](crate::View) says when a writer still waits for it.
    #[must_use]
    pub fn evict_after(mut self, blocked: Duration) -> Self {
        let ms = blocked.as_nanos().div_ceil(1_000_000).clamp(1, u32::MAX.into());
        self.evict_after = Some(Duration::from_millis(ms as u64));
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
    /// Then [`Ring::unlink`](crate::Ring::unlink) removes it, or
    /// [`Ring::unlink_unused_even_kept`](crate::Ring::unlink_unused_even_kept), or `seqring gc
    /// --remove --kept`.
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
        self.frame = Some(frame);
        self
    }
}
