//! Rings and histories from the fuzzer's bytes.
//!
//! The strategies of `tests/reference_model` draw from a random generator, whose bytes a fuzzer
//! cannot use. Here each byte decides one choice.

use crate::common::{CLASSES, DELIVERIES};
use crate::operations::{Call, From, Len, Op, Options, ReadForm, Shape};
use arbitrary::{Result, Unstructured};
use seqring::{Delivery, SlotClass, Writers};

type Source<'a, 'b> = &'a mut Unstructured<'b>;

pub(crate) fn shape(source: Source<'_, '_>) -> Result<Shape> {
    let (class, delivery, writers) = match source.int_in_range(0..=8)? {
        one @ 0..6 => (CLASSES[one / 2], DELIVERIES[one % 2], Writers::One),
        many @ 6..8 => (SlotClass::Arena, DELIVERIES[many % 2], Writers::Many),
        _ => (SlotClass::Arena, Delivery::Queue, Writers::Many),
    };
    let options = Options {
        tag: source.arbitrary()?,
        timestamp: source.arbitrary()?,
        meta_bytes: source.int_in_range(0..=40)?,
        observers: source.arbitrary()?,
    };
    Ok(Shape {
        slots: *source.choose(&[1, 2, 3, 10])?,
        slot_bytes: source.int_in_range(1..=400)?,
        class,
        delivery,
        writers,
        options: if source.arbitrary()? { options } else { Options::default() },
        first_sequence: (1_u64 << source.int_in_range(0..=61)?).saturating_sub(source.int_in_range(1..=100)?),
        await_readers: if delivery == Delivery::Gated { source.int_in_range(0..=2)? } else { 0 },
    })
}

/// Operations until the bytes end, at nesting depth `depth` of held views, claims and taken
/// messages.
pub(crate) fn history(source: Source<'_, '_>, depth: usize) -> Result<Vec<Op>> {
    let mut history = Vec::new();
    let most = if depth == 0 { 200 } else { 6 };
    while history.len() < most && !source.is_empty() && !source.ratio(1, 16)? {
        history.push(op(source, depth)?);
    }
    Ok(history)
}

fn op(source: Source<'_, '_>, depth: usize) -> Result<Op> {
    Ok(match source.int_in_range(0..=15)? {
        0..4 => Op::Write {
            writer: index(source)?,
            count: count(source)?,
            call: call(source)?,
            len: len(source)?,
            tag: source.arbitrary::<u8>()?.into(),
            meta: if source.arbitrary()? { Some(len(source)?) } else { None },
        },
        4 => Op::Claim {
            writer: index(source)?,
            len: len(source)?,
            call: call(source)?,
            keep: source.int_in_range(0..=1000)?,
            publish: source.arbitrary()?,
            meanwhile: meanwhile(source, depth)?,
        },
        5..9 => {
            Op::Read { reader: index(source)?, count: 1, call: call(source)?, form: form(source, depth)? }
        }
        9..11 => Op::Take {
            taker: index(source)?,
            count: count(source)?,
            call: call(source)?,
            meanwhile: meanwhile(source, depth)?,
        },
        11 => Op::Join { from: from(source)? },
        12 if source.arbitrary()? => Op::Leave { reader: index(source)? },
        12 => Op::TakerLeaves { taker: index(source)? },
        13 => Op::TakerJoins,
        14 => Op::WriterJoins,
        _ => match source.int_in_range(0..=9)? {
            0 => Op::Close,
            1..3 => Op::Skip,
            3..5 => Op::SkipToNewest { reader: index(source)? },
            _ => Op::WriterLeaves { writer: index(source)? },
        },
    })
}

fn index(source: Source<'_, '_>) -> Result<usize> {
    source.int_in_range(0..=3)
}

fn count(source: Source<'_, '_>) -> Result<usize> {
    Ok(if source.ratio(1, 8)? { source.int_in_range(10..=70)? } else { source.int_in_range(1..=3)? })
}

fn call(source: Source<'_, '_>) -> Result<Call> {
    Ok(if source.arbitrary()? { Call::Try } else { Call::Wait })
}

fn len(source: Source<'_, '_>) -> Result<Len> {
    Ok(if source.ratio(1, 20)? { Len::Beyond(1) } else { Len::Share(source.int_in_range(0..=1000)?) })
}

fn from(source: Source<'_, '_>) -> Result<From> {
    Ok(match source.int_in_range(0..=3)? {
        0 => From::Next,
        1 => From::Oldest,
        2 => From::Newest,
        _ => From::Near(source.int_in_range(-60..=60)?),
    })
}

fn form(source: Source<'_, '_>, depth: usize) -> Result<ReadForm> {
    Ok(match source.int_in_range(0..=5)? {
        0..3 => ReadForm::Copy(len(source)?),
        3 => ReadForm::Closure,
        4 => ReadForm::Iterate,
        _ => ReadForm::View(meanwhile(source, depth)?),
    })
}

fn meanwhile(source: Source<'_, '_>, depth: usize) -> Result<Vec<Op>> {
    if depth == 2 { Ok(Vec::new()) } else { history(source, depth + 1) }
}
