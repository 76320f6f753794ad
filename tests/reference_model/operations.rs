//! Operations on a ring, and configurations of rings, drawn at random.

use crate::common::{CLASSES, DELIVERIES};
use proptest::prelude::*;
use seqring::{Config, Delivery, SlotClass, Start, Writers};

/// A length as a share of the slot size, in permille, or so many bytes above it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Len {
    Share(usize),
    Beyond(usize),
}

impl Len {
    pub(crate) fn bytes(self, slot_bytes: usize) -> usize {
        match self {
            Len::Share(permille) => slot_bytes * permille / 1000,
            Len::Beyond(more) => slot_bytes + more,
        }
    }
}

/// One of several calls with the same effect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// The non-blocking call.
    Try,
    /// The blocking call if the model predicts that it returns at once, else the call with a
    /// timeout of zero.
    Wait,
}

/// A reader's start position, relative to the ring's content.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    Next,
    Oldest,
    Newest,
    /// So far from the next sequence.
    Near(i64),
}

impl From {
    pub(crate) fn start(self, next: u64) -> Start {
        match self {
            From::Next => Start::Next,
            From::Oldest => Start::Oldest,
            From::Newest => Start::Newest,
            From::Near(offset) => Start::Sequence(next.saturating_add_signed(offset)),
        }
    }
}

/// The form of a read.
#[derive(Clone, Debug)]
pub(crate) enum ReadForm {
    /// A copy to a buffer with this much room.
    Copy(Len),
    /// A closure on racy bytes.
    Closure,
    /// The iterator.
    Iterate,
    /// A view that is held during these operations.
    View(Vec<Op>),
}

/// A batch: messages of one length end to end, or messages of any lengths.
#[derive(Clone, Debug)]
pub(crate) enum Batch {
    EndToEnd { count: usize, len: Len },
    Each { count: usize, bytes: Len },
}

/// One operation. The indices of writers, readers and takers select among the registered ones, so
/// each is valid.
#[rustfmt::skip]
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Write { writer: usize, count: usize, call: Call, len: Len, tag: u64, meta: Option<Len> },
    Claim {
        writer: usize, len: Len, call: Call, keep: usize, publish: bool, meanwhile: Vec<Op>,
    },
    Read { reader: usize, count: usize, call: Call, form: ReadForm },
    WriteBatch { writer: usize, batch: Batch, call: Call },
    ReadBatch { reader: usize, batch: Batch, call: Call },
    Join { from: From },
    Leave { reader: usize },
    /// The last of so many taken messages is held during the operations `meanwhile`.
    Take { taker: usize, count: usize, call: Call, meanwhile: Vec<Op> },
    TakerJoins,
    TakerLeaves { taker: usize },
    Skip,
    SkipToNewest { reader: usize },
    WriterLeaves { writer: usize },
    WriterJoins,
    Close,
}

fn len() -> impl Strategy<Value = Len> {
    prop_oneof![20 => (0..=1000usize).prop_map(Len::Share), 1 => (1..9usize).prop_map(Len::Beyond)]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![3 => Just(Call::Try), 1 => Just(Call::Wait)]
}

fn from() -> impl Strategy<Value = From> {
    let near = (-60..60i64).prop_map(From::Near);
    prop_oneof![Just(From::Next), Just(From::Oldest), Just(From::Newest), near]
}

fn write() -> impl Strategy<Value = Op> {
    let count = prop_oneof![3 => 1..4usize, 1 => 40..70usize];
    (0..4usize, count, call(), len(), any::<u64>(), proptest::option::of(len()))
        .prop_map(|(writer, count, call, len, tag, meta)| Op::Write { writer, count, call, len, tag, meta })
}

/// Batches of few messages and of more than there are slots. Half of the end-to-end batches use
/// whole slots, so that several have the same length.
fn batch() -> impl Strategy<Value = Batch> {
    let count = || prop_oneof![3 => 0..5usize, 1 => 10..70usize];
    let each = prop_oneof![1 => Just(Len::Share(1000)), 1 => len()];
    prop_oneof![
        (count(), each).prop_map(|(count, len)| Batch::EndToEnd { count, len }),
        (count(), len()).prop_map(|(count, bytes)| Batch::Each { count, bytes }),
    ]
}

fn take(meanwhile: impl Strategy<Value = Vec<Op>>) -> impl Strategy<Value = Op> {
    let count = prop_oneof![3 => 1..4usize, 1 => 40..70usize];
    (0..4usize, count, call(), meanwhile).prop_map(|(taker, count, call, meanwhile)| Op::Take {
        taker,
        count,
        call,
        meanwhile,
    })
}

/// Operations that may run while a view, a claim or a taken message is held.
fn simple() -> impl Strategy<Value = Op> {
    let form = prop_oneof![
        4 => len().prop_map(ReadForm::Copy),
        1 => Just(ReadForm::Closure),
        1 => Just(ReadForm::Iterate),
        1 => Just(ReadForm::View(Vec::new())),
    ];
    let count = prop_oneof![3 => 1..4usize, 1 => 40..70usize];
    prop_oneof![
        10 => write(),
        10 => (0..8usize, count, call(), form)
            .prop_map(|(reader, count, call, form)| Op::Read { reader, count, call, form }),
        5 => (0..4usize, batch(), call())
            .prop_map(|(writer, batch, call)| Op::WriteBatch { writer, batch, call }),
        5 => (0..8usize, batch(), call())
            .prop_map(|(reader, batch, call)| Op::ReadBatch { reader, batch, call }),
        2 => from().prop_map(|from| Op::Join { from }),
        1 => (0..8usize).prop_map(|reader| Op::Leave { reader }),
        6 => take(Just(Vec::new())),
        1 => Just(Op::TakerJoins),
        1 => (0..4usize).prop_map(|taker| Op::TakerLeaves { taker }),
        1 => Just(Op::Skip),
        1 => (0..8usize).prop_map(|reader| Op::SkipToNewest { reader }),
        1 => (0..4usize).prop_map(|writer| Op::WriterLeaves { writer }),
        2 => Just(Op::WriterJoins),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let meanwhile = || proptest::collection::vec(prop_oneof![40 => simple(), 1 => Just(Op::Close)], 0..6);
    let claim = (0..4usize, len(), call(), 0..=1000usize, any::<bool>(), meanwhile()).prop_map(
        |(writer, len, call, keep, publish, meanwhile)| Op::Claim {
            writer,
            len,
            call,
            keep,
            publish,
            meanwhile,
        },
    );
    let view = (0..8usize, call(), meanwhile()).prop_map(|(reader, call, ops)| Op::Read {
        reader,
        count: 1,
        call,
        form: ReadForm::View(ops),
    });
    prop_oneof![100 => simple(), 15 => claim, 15 => view, 6 => take(meanwhile()), 1 => Just(Op::Close)]
}

/// A history: often a writer and a reader or taker register first; then random operations.
pub(crate) fn history() -> impl Strategy<Value = Vec<Op>> {
    let opening = prop_oneof![
        Just(vec![Op::WriterJoins, Op::Join { from: From::Next }, Op::TakerJoins]),
        Just(vec![Op::WriterJoins, Op::WriterJoins, Op::TakerJoins, Op::TakerJoins]),
        Just(vec![Op::Join { from: From::Oldest }, Op::Join { from: From::Next }, Op::WriterJoins]),
        Just(vec![]),
    ];
    (opening, proptest::collection::vec(op(), 0..60)).prop_map(|(opening, rest)| [opening, rest].concat())
}

/// First sequences from which a history passes a value at which some counter gets one more bit or
/// wraps. Stamps keep 63 bits less those of a length; the words of arena slots 62 bits less those
/// of a buffer, in laps of the ring.
fn first_sequence(slots: usize) -> impl Strategy<Value = u64> {
    let limit = prop_oneof![
        1 => Just(0),
        1 => Just(1 << 32),
        6 => (30..=61u32).prop_map(|bit| 1u64 << bit),
        2 => (45..=60u32).prop_map(move |bit| (1u64 << bit).saturating_mul(slots as u64)),
    ];
    (limit, 0..150u64).prop_map(|(limit, before)| limit.saturating_sub(before).min((1 << 61) - 1))
}

/// The configuration of a ring.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) slots: usize,
    pub(crate) slot_bytes: usize,
    pub(crate) class: SlotClass,
    pub(crate) delivery: Delivery,
    pub(crate) writers: Writers,
    pub(crate) options: Options,
    pub(crate) first_sequence: u64,
    pub(crate) await_readers: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) tag: bool,
    pub(crate) timestamp: bool,
    pub(crate) meta_bytes: usize,
    pub(crate) observers: bool,
}

impl Shape {
    pub(crate) fn config(&self) -> Config {
        Config::slots(self.slots).of_bytes(self.slot_bytes)
            .participants(16) // Eight readers, four writers, four takers.
            .slot_class(self.class)
            .delivery(self.delivery)
            .writers(self.writers)
            .tag(self.options.tag)
            .timestamp(self.options.timestamp)
            .meta_bytes(self.options.meta_bytes)
            .observers(self.options.observers)
            .first_sequence(self.first_sequence)
            .await_readers(self.await_readers)
    }
}

fn options() -> impl Strategy<Value = Options> {
    let meta_bytes = prop_oneof![Just(0usize), 1..=40usize];
    let any = (any::<bool>(), any::<bool>(), meta_bytes, any::<bool>()).prop_map(
        |(tag, timestamp, meta_bytes, observers)| Options { tag, timestamp, meta_bytes, observers },
    );
    // Half the rings carry payloads only: they take the fast path through writer and reader.
    prop_oneof![Just(Options::default()), any]
}

/// A ring of any class, delivery, size and options.
pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    let slots = prop_oneof![Just(1usize), Just(2), Just(3), Just(10), Just(50)];
    let slot_bytes = prop_oneof![1..=24usize, 1..=2000usize];
    let sized = slots.prop_flat_map(|slots| (Just(slots), first_sequence(slots)));
    (sized, slot_bytes, kind(), options(), 0..3u32).prop_map(
        |((slots, first_sequence), slot_bytes, (class, delivery, writers), options, awaited)| Shape {
            slots,
            slot_bytes,
            class,
            delivery,
            writers,
            options,
            first_sequence,
            await_readers: if delivery == Delivery::Gated { awaited } else { 0 },
        },
    )
}

/// The valid combinations: rings with many writers, and queues, have arena slots.
fn kind() -> impl Strategy<Value = (SlotClass, Delivery, Writers)> {
    let delivery = || proptest::sample::select(&DELIVERIES[..]);
    prop_oneof![
        6 => (proptest::sample::select(&CLASSES[..]), delivery())
            .prop_map(|(class, delivery)| (class, delivery, Writers::One)),
        2 => delivery().prop_map(|delivery| (SlotClass::Arena, delivery, Writers::Many)),
        2 => Just((SlotClass::Arena, Delivery::Queue, Writers::Many)),
    ]
}
