//! The arguments of the calls that create and open rings.

use crate::array_layout::{self, frame_of};
use crate::claim_shape::extents;
use crate::options::{self, Keywords, argument};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use seqring::{Config, Delivery, Location, OpenOptions, Writers};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Entries reserved for writers in a ring with many.
const RESERVED_WRITERS: usize = 16;

/// A name that no other ring has.
pub(crate) fn unused_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Relaxed); // Relaxed: only has to differ.
    let random = RandomState::new().build_hasher().finish() as u32;
    format!("py-{}-{number}-{random:08x}", std::process::id())
}

/// Where a ring of that name is.
pub(crate) fn location(name: &str, directory: Option<&PathBuf>) -> Location {
    directory.map_or_else(|| Location::named(name), |directory| Location::in_directory(directory, name))
}

/// How the ring is mapped.
pub(crate) fn mapping(keywords: &Keywords<'_>) -> PyResult<OpenOptions> {
    let mut options = OpenOptions::new()
        .huge_pages(keywords.flag("huge_pages")?)
        .lock_memory(keywords.flag("lock_memory")?)
        .core_dump(keywords.flag("core_dump")?);
    if let Some(node) = keywords.take("numa_node")? {
        options = options.numa_node(node);
    }
    Ok(options)
}

/// The properties of a new ring, and how its file is made and mapped.
pub(crate) fn creation(
    slots: &Bound<'_, PyAny>,
    slot_bytes: Option<&Bound<'_, PyAny>>,
    keywords: Keywords<'_>,
    function: &str,
) -> PyResult<(Config, OpenOptions)> {
    let shape = keywords.take::<Bound<'_, PyAny>>("shape")?.map(|shape| extents(&shape)).transpose()?;
    let frame = match (shape, keywords.take::<Bound<'_, PyAny>>("dtype")?) {
        (None, None) => None,
        (Some((_, shape)), Some(dtype)) => Some(frame_of(&dtype, &shape)?),
        _ => return Err(PyValueError::new_err("shape and dtype go together")),
    };
    if function == "create" && slots.is_instance_of::<PyString>() {
        let text = format!("slots must be a number, not {slots:?}; a name is a keyword: name={slots:?}");
        return Err(PyTypeError::new_err(text));
    }
    let slots = argument("slots", slots)?;
    let slot_bytes = slot_bytes.map(|bytes| argument("slot_bytes", bytes)).transpose()?;
    let framed = frame.as_ref().and_then(array_layout::bytes);
    let Some(slot_bytes) = slot_bytes.or(framed) else {
        return Err(PyValueError::new_err("a ring needs slot_bytes, or shape and dtype"));
    };
    if let Some(bytes) = framed.filter(|bytes| *bytes > slot_bytes) {
        let text = format!("frames of {bytes} bytes do not fit into slots of {slot_bytes}");
        return Err(PyValueError::new_err(text));
    }
    let delivery = keywords.choice("delivery", options::DELIVERIES)?.unwrap_or(Delivery::Gated);
    let writers = keywords.choice("writers", options::WRITERS)?.unwrap_or(Writers::One);
    let mut config = if delivery == Delivery::Call {
        Config::calls(slots).of_bytes(slot_bytes).writers(writers)
    } else {
        let writers = if delivery == Delivery::Queue { Writers::Many } else { writers };
        let for_writers = if writers == Writers::Many { RESERVED_WRITERS } else { 1 };
        let readers = keywords.take("readers")?.unwrap_or(16_usize);
        let streams = Config::slots(slots).of_bytes(slot_bytes).delivery(delivery).writers(writers);
        streams.participants(readers.saturating_add(for_writers))
    };
    if let Some(participants) = keywords.take("participants")? {
        config = config.participants(participants);
    }
    config = config
        .meta_bytes(keywords.take("meta_bytes")?.unwrap_or(0))
        .tag(keywords.flag("tag")?)
        .timestamp(keywords.flag("timestamps")?)
        .user_words(keywords.take("words")?.unwrap_or(0))
        .first_sequence(keywords.take("first_sequence")?.unwrap_or(0))
        .observers(keywords.flag("observers")?)
        .keep(keywords.flag("keep")?);
    if let Some(frame) = frame {
        config = config.frame(frame);
    }
    if let Some(class) = keywords.choice("slot_class", options::SLOT_CLASSES)? {
        config = config.slot_class(class);
    }
    if let Some(readers) = keywords.take("await_readers")? {
        config = config.await_readers(readers);
    }
    if let Some(seconds) = keywords.take("evict_after")? {
        config = config.evict_after(options::positive_seconds("evict_after", seconds)?);
    }
    if let Some(redelivery) = keywords.choice("unfinished", options::UNFINISHED)? {
        config = config.redelivery(redelivery);
    }
    let mut file = mapping(&keywords)?.replace_unused(keywords.flag("replace_unused")?);
    if let Some(mode) = keywords.take("mode")? {
        file = file.mode(mode);
    }
    if let Some(group) = keywords.take("group")? {
        file = file.group(group);
    }
    keywords.end(function)?;
    Ok((config, file))
}
