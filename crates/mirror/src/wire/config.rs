//! The properties of the source that its mirror has, too.

use super::codec::{Input, Output};
use super::{MESSAGE_BYTES, Result, refuse};
use seqring::{Config, Delivery, Frame, Redelivery, SlotClass};
use std::time::Duration;

/// For what a mirror cannot be like. [`read`] refuses it.
const UNKNOWN: u8 = u8::MAX;

pub(super) fn put(out: &mut Output, config: &Config) {
    for count in [config.slots, config.slot_bytes, config.participants, config.meta_bytes, config.user_words]
    {
        out.put((count as u64).to_le_bytes());
    }
    let class = match config.slot_class {
        SlotClass::Packed => 0,
        SlotClass::Lines => 1,
        SlotClass::Arena => 2,
        _ => UNKNOWN,
    };
    out.put([
        class,
        match config.delivery {
            Delivery::Lossy => 0,
            Delivery::Gated => 1,
            Delivery::Queue => 2,
            _ => UNKNOWN,
        },
        u8::from(config.redelivery == Redelivery::Drop),
        u8::from(config.keep),
        u8::from(config.tag),
        u8::from(config.timestamp),
    ]);
    out.put([u8::from(config.observers), u8::from(config.frame.is_some())]);
    out.put(config.await_readers.to_le_bytes());
    out.put(config.evict_after.map_or(0, |after| after.as_millis() as u64).to_le_bytes());
    let frame = config.frame.unwrap_or_default();
    out.put([frame.kind, frame.dimensions]);
    out.put(frame.bits.to_le_bytes());
    for extent in frame.shape {
        out.put(extent.to_le_bytes());
    }
}

pub(super) fn read(input: &mut Input<'_>) -> Result<Config> {
    let [slots, slot_bytes, participants, meta_bytes, user_words] =
        [input.usize()?, input.usize()?, input.usize()?, input.usize()?, input.usize()?];
    let class = match input.u8()? {
        0 => SlotClass::Packed,
        1 => SlotClass::Lines,
        2 => SlotClass::Arena,
        other => return refuse(format!("an unknown class {other} of slots")),
    };
    let delivery = match input.u8()? {
        0 => Delivery::Lossy,
        1 => Delivery::Gated,
        2 => Delivery::Queue,
        other => return refuse(format!("an unknown delivery {other}")),
    };
    let redelivery = if input.bool()? { Redelivery::Drop } else { Redelivery::Redeliver };
    let keep = input.bool()?;
    let (tag, timestamp, observers, has_frame) = (input.bool()?, input.bool()?, input.bool()?, input.bool()?);
    let (await_readers, evict_after) = (input.u32()?, input.u64()?);
    let mut frame = Frame { kind: input.u8()?, dimensions: input.u8()?, bits: input.u16()?, shape: [0; 8] };
    for extent in &mut frame.shape {
        *extent = input.u64()?;
    }
    if slot_bytes > MESSAGE_BYTES {
        return refuse(format!("messages of {slot_bytes} bytes; a link carries at most {MESSAGE_BYTES}"));
    }
    let mut config = Config::slots(slots)
        .of_bytes(slot_bytes)
        .slot_class(class)
        .delivery(delivery)
        .redelivery(redelivery)
        .keep(keep)
        .participants(participants)
        .tag(tag)
        .timestamp(timestamp)
        .meta_bytes(meta_bytes)
        .observers(observers)
        .await_readers(await_readers)
        .user_words(user_words);
    if evict_after > 0 {
        config = config.evict_after(Duration::from_millis(evict_after));
    }
    Ok(if has_frame { config.frame(frame) } else { config })
}
