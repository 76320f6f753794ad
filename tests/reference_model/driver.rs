//! Applies each operation to the ring and to the model, and compares. Reads are in `reading.rs`,
//! takes in `taking.rs`.

use crate::common::bytes_of;
use crate::model::{Model, Phase};
use crate::operations::{Call, From, Len, Op, Shape};
use seqring::{
    Claim, Delivery, MessageHeader, Reader, RegisterError, Ring, Role, SlotClass, Taker, TryWriteError,
    WriteError, Writer, Writers,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// A ring and its model. An endpoint that an operation uses is taken out of its list meanwhile.
pub(crate) struct Driver {
    pub(crate) shape: Shape,
    pub(crate) model: Model,
    pub(crate) ring: Ring,
    pub(crate) writers: Vec<Option<Writer>>,
    /// Same indices as in the model.
    pub(crate) readers: Vec<Option<Reader>>,
    pub(crate) takers: Vec<Option<Taker>>,
    /// The time stamp of each message, as the readers got it.
    pub(crate) times: BTreeMap<u64, Option<u64>>,
}

impl Driver {
    pub(crate) fn new(shape: &Shape) -> Self {
        let ring = Ring::heap(&shape.config()).unwrap();
        let (slots, meta_bytes) = (shape.slots as u64, shape.options.meta_bytes);
        let mut model = Model::new(
            slots,
            shape.slot_bytes,
            meta_bytes,
            shape.delivery,
            shape.first_sequence,
            shape.await_readers,
        );
        model.has_standby = shape.writers == Writers::One;
        Driver {
            shape: shape.clone(),
            ring,
            model,
            writers: Vec::new(),
            readers: Vec::new(),
            takers: Vec::new(),
            times: BTreeMap::new(),
        }
    }

    pub(crate) fn run(&mut self, history: &[Op]) {
        for op in history {
            self.apply(op);
            self.compare();
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Write { writer, count, call, len, tag, meta } => {
                for _ in 0..*count {
                    self.write(*writer, *call, *len, *tag, *meta);
                }
            }
            Op::Claim { writer, len, call, keep, publish, meanwhile } => {
                let Some(id) = pick(&self.writers, *writer) else { return };
                let mut writer = self.writers[id].take().expect("picked from those present");
                let keep = Len::Share(*keep);
                if let Some(mut claim) = self.claim(&mut writer, *call, *len) {
                    let first = self.model.next;
                    self.fill(&mut claim);
                    self.run(meanwhile);
                    self.finish(claim, first, keep, *publish);
                }
                self.writers[id] = Some(writer);
            }
            Op::Read { reader, count, call, form } => {
                for _ in 0..*count {
                    self.read(*reader, *call, form);
                }
            }
            Op::WriteBatch { writer, batch, call } => self.write_batch(*writer, batch, *call),
            Op::ReadBatch { reader, batch, call } => self.read_batch(*reader, batch, *call),
            Op::Join { from } => self.join(*from),
            Op::Leave { reader } => {
                if let Some(id) = pick(&self.readers, *reader) {
                    self.readers[id] = None;
                    self.model.readers[id] = None;
                }
            }
            Op::Skip => {
                self.ring.skip_readers_to_newest();
                self.model.skip_readers_to_newest();
            }
            Op::SkipToNewest { reader } => {
                if let Some(id) = pick(&self.readers, *reader) {
                    let reader = self.readers[id].as_mut().expect("picked from those present");
                    assert_eq!(reader.skip_to_newest(), self.model.skip_to_newest(id));
                }
            }
            Op::WriterJoins => self.writer_joins(),
            Op::Take { taker, count, call, meanwhile } => self.take(*taker, *count, *call, meanwhile),
            Op::TakerJoins => self.taker_joins(),
            Op::TakerLeaves { taker } => {
                if let Some(id) = pick(&self.takers, *taker) {
                    self.takers[id] = None;
                }
            }
            Op::WriterLeaves { writer } => self.writer_leaves(*writer),
            Op::Close => {
                self.ring.close();
                self.model.phase = Phase::Closed;
            }
        }
    }

    /// Compares the state that can be queried at any time.
    fn compare(&self) {
        assert_eq!(self.ring.next_sequence(), self.model.next);
        for writer in self.writers.iter().flatten() {
            assert_eq!(writer.next_sequence(), self.model.next);
        }
        for (reader, model) in self.readers.iter().zip(&self.model.readers) {
            let (Some(reader), Some(model)) = (reader, model) else {
                continue;
            };
            assert_eq!(reader.position(), model.position);
            assert_eq!(reader.lag(), self.model.next - model.position);
            assert_eq!(reader.lost(), model.lost);
            assert_eq!(reader.metadata(), model.metadata);
        }
        let lost: u64 = self.model.readers.iter().flatten().map(|reader| reader.lost).sum();
        let readers = self.ring.participants().into_iter().filter(|one| one.role == Role::Reader);
        assert_eq!(readers.map(|reader| reader.lost).sum::<u64>(), lost);
    }

    fn write(&mut self, writer: usize, call: Call, len: Len, tag: u64, meta: Option<Len>) {
        let Some(id) = pick(&self.writers, writer) else { return };
        let writer = self.writers[id].as_mut().expect("picked from those present");
        let payload = bytes_of(self.model.next, len.bytes(self.shape.slot_bytes));
        let metadata = bytes_of(!self.model.next, meta.map_or(0, |meta| meta.bytes(self.model.meta_bytes)));
        let header = MessageHeader { tag, metadata: &metadata };
        let full = self.model.admits(payload.len(), metadata.len()) == Err(TryWriteError::Full);
        let (result, tag) = match (call, meta) {
            (Call::Try, None) => (writer.try_write(&payload), 0),
            (Call::Try, Some(_)) => (writer.try_write_with(&payload, &header), tag),
            (Call::Wait, Some(_)) if !full => (tried(writer.write_with(&payload, &header)), tag),
            (Call::Wait, None) if !full => (tried(writer.write(&payload)), 0),
            (Call::Wait, _) => {
                let error = writer.write_timeout(&payload, Duration::ZERO).unwrap_err();
                self.model.assert_timed_out(error);
                return;
            }
        };
        let tag = if self.shape.options.tag { tag } else { 0 };
        assert_eq!(result, self.model.write(&payload, tag, &metadata));
    }

    fn claim<'w>(&self, writer: &'w mut Writer, call: Call, len: Len) -> Option<Claim<'w>> {
        let len = len.bytes(self.shape.slot_bytes);
        let expected = self.model.admits(len, 0);
        let claim = match call {
            Call::Wait if expected != Err(TryWriteError::Full) => tried(writer.claim(len)),
            Call::Wait => {
                let error = writer.claim_timeout(len, Duration::ZERO).unwrap_err();
                self.model.assert_timed_out(error);
                return None;
            }
            Call::Try => writer.try_claim(len),
        };
        assert_eq!(claim.as_ref().map(|_| ()).map_err(|error| *error), expected);
        claim.ok()
    }

    fn fill(&self, claim: &mut Claim<'_>) {
        let bytes = bytes_of(self.model.next, claim.len());
        let exclusive = self.shape.delivery != Delivery::Lossy && !self.shape.options.observers;
        assert_eq!(claim.is_in_place(), exclusive && self.shape.class == SlotClass::Arena);
        claim.copy_from_slice(&bytes);
    }

    /// The claim contains the bytes of the message that was next when it was filled: others may
    /// have published since.
    fn finish(&mut self, mut claim: Claim<'_>, filled_as: u64, keep: Len, publish: bool) {
        let filled = bytes_of(filled_as, claim.len());
        claim.truncate(keep.bytes(claim.len()));
        let len = claim.len();
        if publish {
            let published = claim.try_publish().map_err(|unpublished| unpublished.error);
            assert_eq!(published, self.model.write(&filled[..len], 0, &[]));
        }
    }

    fn join(&mut self, from: From) {
        // Includes readers in use. There are entries for eight.
        if self.ring.participants().iter().filter(|one| one.role == Role::Reader).count() >= 8 {
            return;
        }
        let start = from.start(self.model.next);
        let delivery = self.shape.delivery;
        if delivery == Delivery::Queue {
            assert_eq!(self.ring.reader(start).unwrap_err(), RegisterError::Delivery { delivery });
            return;
        }
        let reader = self.ring.reader(start).unwrap();
        let allowed = self.model.may_join_at(start);
        assert!(allowed.contains(&reader.position()), "{start:?}: {} not in {allowed:?}", reader.position());
        self.model.join(reader.position());
        self.readers.push(Some(reader));
    }

    /// All writers, including those in use.
    fn registered_writers(&self) -> usize {
        self.ring.participants().iter().filter(|one| one.role == Role::Writer).count()
    }

    fn writer_joins(&mut self) {
        let registered = self.registered_writers();
        if registered == 4 {
            return;
        }
        let taken = registered > 0 && self.shape.writers == Writers::One;
        match self.ring.writer() {
            Ok(writer) => {
                assert!(!taken && self.model.phase != Phase::Closed);
                self.model.phase = Phase::Open;
                self.writers.push(Some(writer));
            }
            Err(RegisterError::WriterTaken { pid }) => assert!(taken && pid == Some(std::process::id())),
            Err(error) => assert!(error == RegisterError::Closed && self.model.phase == Phase::Closed),
        }
    }

    fn writer_leaves(&mut self, writer: usize) {
        let Some(id) = pick(&self.writers, writer) else { return };
        self.writers[id] = None;
        if self.registered_writers() == 0 && self.model.phase == Phase::Open {
            self.model.phase = Phase::Ended;
        }
    }
}

/// One of the endpoints that are not in use.
pub(crate) fn pick<T>(all: &[Option<T>], draw: usize) -> Option<usize> {
    let present: Vec<_> = (0..all.len()).filter(|id| all[*id].is_some()).collect();
    (!present.is_empty()).then(|| present[draw % present.len()])
}

/// The error of a call that waits, as that of its non-blocking form.
pub(crate) fn tried<T>(result: Result<T, WriteError>) -> Result<T, TryWriteError> {
    result.map_err(|error| match error {
        WriteError::TooLarge { len, max } => TryWriteError::TooLarge { len, max },
        WriteError::OtherLength { len, expected } => TryWriteError::OtherLength { len, expected },
        WriteError::Closed => TryWriteError::Closed,
        WriteError::Forked => TryWriteError::Forked,
        WriteError::Corrupt(corrupt) => TryWriteError::Corrupt(corrupt),
        error => panic!("not from a call without a timeout: {error}"),
    })
}
