//! The layout of a segment: offsets and strides, computed from the configuration alone.
//!
//! ```text
//! 0      Superblock   written once, read once by every opener
//! 4096   Control      counters, event counts, stream state (`format::Control`)
//! 8192   Entry × participants
//!        user words   the application's own, if the ring has any
//!        slots        inline: stamp | message header | payload, × slots; arena: one word × slots;
//!                     a table has two inline slots a key
//!        buffer headers    arena only, if payloads are large: one line a buffer
//!        message headers   arena only: one a buffer, if the ring has any
//!        payloads          arena only: the buffers, each with its header behind it if it is small
//! ```
//!
//! Each process computes the layout from the configuration in the segment's header and follows no
//! offset that a peer wrote. All arithmetic is checked: a configuration that does not fit is an
//! error.

use crate::memory::copy::WORDS_UP_TO;
use crate::memory::format::{BUFFER_HEADER_BYTES, Control, Entry};
use crate::types::config::{CELL_BYTES, CELL_SLOTS, Config, Delivery, SlotClass, Writers};
use std::time::Duration;

pub(crate) const PAGE: usize = 4096;
pub(crate) const CONTROL_OFFSET: usize = PAGE;
pub(crate) const ENTRIES_OFFSET: usize = 2 * PAGE;
pub(crate) const LINE: usize = 64;
const WORD: usize = 8;

/// Sequences stay below this, so that a cursor has bits to spare: enough at 10⁹ messages a second
/// for 146 years.
pub(crate) const SEQUENCE_LIMIT: u64 = 1 << 62;
/// Slots, participants and buffers stay below this.
const COUNT_LIMIT: usize = 1 << 30;
/// Inline payloads stay within this, so that a stamp has 46 bits for the sequence beside the
/// length.
const INLINE_BYTES_LIMIT: usize = 1 << 16;
/// Payloads stay within this: 1 TiB.
const SLOT_BYTES_LIMIT: usize = 1 << 40;

/// Offsets and strides of one ring, in bytes from the start of its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) config: Config,
    pub(crate) user_words_offset: usize,
    pub(crate) slots_offset: usize,
    pub(crate) slot_stride: usize,
    /// Inline: from the start of a slot to its payload. The words between stamp and payload are the
    /// message header.
    pub(crate) payload_offset: usize,
    /// Room of a payload in bytes, a multiple of 8.
    pub(crate) payload_bytes: usize,
    /// Arena: `slots` buffers that slots hold at first, then those of [`owned_buffers`]. Inline: 0.
    pub(crate) buffers: usize,
    pub(crate) headers_offset: usize,
    pub(crate) header_stride: usize,
    pub(crate) message_headers_offset: usize,
    pub(crate) message_header_stride: usize,
    pub(crate) payloads_offset: usize,
    pub(crate) buffer_stride: usize,
    pub(crate) total_bytes: usize,
    /// What is backed with pages from the start. Behind it lie the buffers of entries that were
    /// never taken.
    pub(crate) resident_bytes: usize,
}

impl Layout {
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        check(config)?;
        Self::compute(config).ok_or_else(|| {
            format!("{} slots of {} bytes exceed the address space", config.slots, config.slot_bytes)
        })
    }

    fn compute(config: &Config) -> Option<Self> {
        let entries_end = size_of::<Entry>().checked_mul(config.participants)?.checked_add(ENTRIES_OFFSET)?;
        let user_words_end = WORD.checked_mul(config.user_words)?.checked_add(entries_end)?;
        let slots_offset = round_up(user_words_end, PAGE)?;
        match config.slot_class {
            SlotClass::Packed | SlotClass::Lines => Self::inline(config, entries_end, slots_offset),
            SlotClass::Arena => Self::arena(config, entries_end, slots_offset),
        }
    }

    fn inline(config: &Config, user_words_offset: usize, slots_offset: usize) -> Option<Self> {
        let head = WORD + WORD * message_header_words(config);
        let payload_bytes = round_up(config.slot_bytes, WORD)?;
        let (payload_offset, granule) = match config.slot_class {
            SlotClass::Packed => (head, 16),
            // A payload that fills lines starts on one: its copies then never split a line.
            _ if config.slot_bytes >= LINE => (round_up(head, LINE)?, LINE),
            _ => (head, LINE),
        };
        let slot_stride = round_up(payload_offset.checked_add(payload_bytes)?, granule)?;
        let total_bytes = slot_stride.checked_mul(inline_slots(config)?)?.checked_add(slots_offset)?;
        Some(Layout {
            config: config.clone(),
            user_words_offset,
            slots_offset,
            slot_stride,
            payload_offset,
            payload_bytes,
            buffers: 0,
            headers_offset: 0,
            header_stride: 0,
            message_headers_offset: 0,
            message_header_stride: 0,
            payloads_offset: 0,
            buffer_stride: 0,
            total_bytes: round_up(total_bytes, PAGE)?,
            resident_bytes: round_up(total_bytes, PAGE)?,
        })
    }

    fn arena(config: &Config, user_words_offset: usize, slots_offset: usize) -> Option<Self> {
        let buffers = config.slots.checked_add(owned_buffers(config))?;
        let slots_end = round_up(WORD.checked_mul(config.slots)?.checked_add(slots_offset)?, LINE)?;
        // A header behind a small payload mostly costs no further line. A large payload keeps its
        // alignment, and its header is not looked for at its far end.
        let beside = config.slot_bytes <= WORDS_UP_TO;
        let header_lines = if beside { 0 } else { LINE.checked_mul(buffers)? };
        let message_headers_offset = header_lines.checked_add(slots_end)?;
        let message_header_stride = WORD * message_header_words(config);
        let message_headers_end =
            message_header_stride.checked_mul(buffers)?.checked_add(message_headers_offset)?;
        let payloads_offset = round_up(message_headers_end, PAGE)?;
        let payload_bytes = round_up(config.slot_bytes, if beside { WORD } else { LINE })?;
        let header_bytes = if beside { BUFFER_HEADER_BYTES } else { 0 };
        let buffer_stride = round_up(payload_bytes.checked_add(header_bytes)?, LINE)?;
        let up_to =
            |buffer: usize| round_up(buffer_stride.checked_mul(buffer)?.checked_add(payloads_offset)?, PAGE);
        Some(Layout {
            config: config.clone(),
            user_words_offset,
            slots_offset,
            slot_stride: WORD,
            payload_offset: 0,
            payload_bytes,
            buffers,
            headers_offset: if beside { payloads_offset.checked_add(payload_bytes)? } else { slots_end },
            header_stride: if beside { buffer_stride } else { LINE },
            message_headers_offset,
            message_header_stride,
            payloads_offset,
            buffer_stride,
            total_bytes: up_to(buffers)?,
            resident_bytes: match config.writers {
                Writers::One => up_to(config.slots + 1)?,
                Writers::Many => up_to(config.slots)?,
            },
        })
    }

    /// The pages of a buffer, as offsets from the start.
    pub(crate) fn buffer_pages(&self, buffer: usize) -> std::ops::Range<usize> {
        let start = self.payloads_offset + buffer * self.buffer_stride;
        start / PAGE * PAGE..(start + self.buffer_stride).next_multiple_of(PAGE)
    }

    /// The slots of a ring whose slots name no buffers.
    pub(crate) fn inline_slots(&self) -> usize {
        inline_slots(&self.config).expect("a layout has room for them")
    }

    /// Whether slots name buffers.
    pub(crate) fn is_arena(&self) -> bool {
        self.buffers > 0
    }

    /// 8-byte words of a message's header.
    pub(crate) fn message_header_words(&self) -> usize {
        message_header_words(&self.config)
    }
}

/// A table has two for each key.
fn inline_slots(config: &Config) -> Option<usize> {
    config.slots.checked_mul(if config.delivery == Delivery::Latest { 2 } else { 1 })
}

/// Buffers that belong to participants, not to slots: one for each entry of a ring for many
/// writers. The one writer has one, in a gated ring a second as its standby buffer.
fn owned_buffers(config: &Config) -> usize {
    match config.writers {
        Writers::One if config.delivery == Delivery::Gated => 2,
        Writers::One => 1,
        Writers::Many => config.participants,
    }
}

/// 8-byte words of a message's header: tag, time, length of the metadata, metadata
/// ([`crate::memory::message_header`]).
fn message_header_words(config: &Config) -> usize {
    let meta = if config.meta_bytes == 0 { 0 } else { 1 + config.meta_bytes.div_ceil(WORD) };
    usize::from(config.tag) + usize::from(config.timestamp) + meta
}

fn round_up(n: usize, to: usize) -> Option<usize> {
    n.checked_next_multiple_of(to)
}

fn check(config: &Config) -> Result<(), String> {
    let within = |what: &str, found: usize, least: usize, most: usize| {
        if (least..=most).contains(&found) {
            Ok(())
        } else {
            Err(format!("{what} must be {least} to {most}, not {found}"))
        }
    };
    within("slots", config.slots, 1, COUNT_LIMIT)?;
    let slot_bytes_limit = match config.slot_class {
        SlotClass::Packed | SlotClass::Lines => INLINE_BYTES_LIMIT,
        SlotClass::Arena => SLOT_BYTES_LIMIT,
    };
    if config.delivery == Delivery::Queue && config.writers != Writers::Many {
        return Err("a queue has many writers".into());
    }
    if config.writers == Writers::Many && config.slot_class != SlotClass::Arena {
        return Err(format!("many writers need arena slots, not {:?}", config.slot_class));
    }
    if config.delivery == Delivery::Latest {
        if config.writers == Writers::Many || config.slot_class == SlotClass::Arena {
            return Err("a table has one writer, and no arena slots".into());
        }
        if config.tag || config.meta_bytes > 0 || config.observers || config.first_sequence > 0 {
            let options = "tag, meta_bytes, observers and first_sequence";
            return Err(format!("a table has none of the options {options}"));
        }
    }
    if config.evict_after.is_some() && config.delivery != Delivery::Gated {
        return Err("evict_after is for gated rings: in others no writer waits for a reader".into());
    }
    if config.await_readers > 0 && config.delivery != Delivery::Gated {
        return Err("await_readers is for gated rings: in others no writer waits for a reader".into());
    }
    if let Some(frame) = config.frame
        && frame.extents().contains(&0)
        && config.slot_bytes == 0
    {
        let extents = frame.extents();
        return Err(format!("a frame of extents {extents:?} has no bytes; each must be at least 1"));
    }
    within("slot_bytes", config.slot_bytes, 1, SLOT_BYTES_LIMIT)?;
    within("slot_bytes without arena slots", config.slot_bytes, 1, slot_bytes_limit)?;
    within("participants", config.participants, 2, 1 << 16)?;
    within("await_readers", config.await_readers as usize, 0, config.participants - 1)?;
    within("meta_bytes", config.meta_bytes, 0, 1 << 20)?;
    within("user_words", config.user_words, 0, 1 << 27)?;
    if let Some(blocked) = config.evict_after {
        let ms = usize::try_from(blocked.as_millis()).unwrap_or(usize::MAX);
        within("evict_after in ms", ms, 1, u32::MAX as usize)?;
        if blocked != Duration::from_millis(ms as u64) {
            return Err(format!("evict_after must be whole ms, not {blocked:?}"));
        }
    }
    let frame = config.frame.unwrap_or_default();
    within("dimensions of the frame", usize::from(frame.dimensions), 0, 8)?;
    if config.frame.is_some() && frame.bits == 0 {
        return Err("elements of the frame must have bits".into());
    }
    let frame_bytes = frame.bytes().unwrap_or(u64::MAX);
    if frame_bytes > config.slot_bytes as u64 {
        return Err(format!(
            "a frame of {frame_bytes} bytes does not fit into slots of {}",
            config.slot_bytes
        ));
    }
    if config.delivery == Delivery::Call {
        check_calls(config)?;
    }
    if config.first_sequence >= SEQUENCE_LIMIT / 2 {
        return Err(format!("first_sequence must be below 2^61, not {}", config.first_sequence));
    }
    Ok(())
}

/// A ring for calls is as [`Config::calls`] makes it: nothing of a stream has a meaning there.
fn check_calls(config: &Config) -> Result<(), String> {
    let callers = config.participants - 1;
    let made = Config::calls(callers).of_bytes(config.slot_bytes);
    let wanted = Config { keep: config.keep, user_words: config.user_words, ..made };
    match config.differences(&wanted).as_str() {
        "" => Ok(()),
        other => Err(format!(
            "a ring for {callers} callers has cells of {CELL_SLOTS} slots with room for {CELL_BYTES} bytes or \
             more, and no option of a stream: {other}"
        )),
    }
}

const _: () = assert!(size_of::<Control>() <= PAGE && CONTROL_OFFSET + PAGE == ENTRIES_OFFSET);
