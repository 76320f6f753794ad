//! The default methods of the engine traits, on the plainest engine there is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use harness::engine::{Batch, Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadError, ReadRefused, WriteError, WriteRefused};
use harness::ring_spec::{Capabilities, Delivery, Place, RingSpec, Writers};
use harness::sink::Scratch;

/// A locked queue, with lags that a test can put into it.
#[derive(Clone)]
struct Locked {
    items: Arc<Mutex<VecDeque<Item>>>,
    spec: RingSpec,
}

enum Item {
    Message(Vec<u8>),
    Lag(u64),
}

impl Locked {
    fn items(&self) -> MutexGuard<'_, VecDeque<Item>> {
        self.items.lock().unwrap()
    }
}

impl Engine for Locked {
    const NAME: &'static str = "locked";
    const CAPABILITIES: Capabilities = Capabilities { queue: true, ..Capabilities::NONE };
    type Writer = Self;
    type Reader = Self;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        Ok(Self { items: Arc::default(), spec: *spec })
    }

    fn open(_name: &str) -> Result<Self, EngineError> {
        Err(EngineError::Unsupported { what: "use between processes" })
    }

    fn writer(&self) -> Result<Self, EngineError> {
        Ok(self.clone())
    }

    fn reader(&self) -> Result<Self, EngineError> {
        Ok(self.clone())
    }
}

impl EngineWriter for Locked {
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        let slot_bytes = self.spec.slot_bytes;
        if message.len() > slot_bytes {
            return Err(WriteRefused::TooLarge { bytes: message.len(), slot_bytes });
        }
        let mut items = self.items();
        if items.len() == self.spec.slots {
            return Err(WriteRefused::Full);
        }
        items.push_back(Item::Message(message.to_vec()));
        Ok(())
    }
}

impl EngineReader for Locked {
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        match self.items().pop_front().ok_or(ReadRefused::Empty)? {
            Item::Lag(missed) => Err(ReadRefused::Lagged { missed }),
            Item::Message(message) if message.len() > buffer.len() => {
                Err(ReadRefused::OtherLength { bytes: message.len(), expected: buffer.len() })
            }
            Item::Message(message) => {
                buffer[..message.len()].copy_from_slice(&message);
                Ok(message.len())
            }
        }
    }
}

fn locked() -> Locked {
    let spec =
        RingSpec { slots: 3, slot_bytes: 8, delivery: Delivery::Queue, writers: Writers::One, readers: 1 };
    Locked::create(&spec, &Place::Heap).unwrap()
}

#[test]
fn a_batch_is_written_as_far_as_there_is_room() {
    let mut ring = locked();
    assert_eq!(ring.try_write_batch(2, b"aabbccdd").unwrap(), 3);
    assert!(matches!(ring.try_write_batch(2, b"dd"), Err(WriteRefused::Full)));
    let mut buffer = [0; 8];
    assert_eq!(ring.try_read_batch(2, &mut buffer).unwrap(), Batch { messages: 3, missed: 0 });
    assert_eq!(&buffer, b"aabbcc\0\0");
    assert!(matches!(ring.try_read_batch(2, &mut buffer), Err(ReadRefused::Empty)));
}

#[test]
fn a_lag_inside_a_batch_is_counted_and_loses_no_message_that_was_read() {
    let mut ring = locked();
    ring.try_write(b"aa").unwrap();
    ring.items().push_back(Item::Lag(7));
    ring.try_write(b"bb").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(ring.try_read_batch(2, &mut buffer).unwrap(), Batch { messages: 2, missed: 7 });
    assert_eq!(&buffer[..4], b"aabb");
    ring.items().push_back(Item::Lag(5));
    assert_eq!(ring.try_read_batch(2, &mut buffer).unwrap(), Batch { messages: 0, missed: 5 });
}

#[test]
fn a_message_of_another_length_is_no_part_of_a_batch() {
    let mut ring = locked();
    ring.try_write(b"abc").unwrap();
    let refused = ring.try_read_batch(4, &mut [0; 8]).unwrap_err();
    assert!(matches!(refused, ReadRefused::OtherLength { bytes: 3, expected: 4 }), "{refused}");
}

#[test]
fn a_message_filled_in_pieces_arrives_whole_and_can_be_viewed() {
    let mut ring = locked();
    let mut scratch = Scratch::new(8);
    let fill = |sink: &mut dyn harness::sink::Sink| {
        assert_eq!(sink.message_bytes(), 5);
        sink.put(2, b"llo");
        sink.put(0, b"he");
    };
    ring.try_write_with(5, &mut scratch, fill).unwrap();
    let seen = ring.try_read_with(&mut Scratch::new(8), <[u8]>::to_vec).unwrap();
    assert_eq!(seen, b"hello");
}

#[test]
fn filling_and_viewing_have_waiting_twins_that_give_up() {
    let mut ring = locked();
    let mut scratch = Scratch::new(8);
    let moment = Duration::from_millis(1);
    for _ in 0..3 {
        ring.write_with(2, &mut scratch, moment, |sink| sink.as_mut_slice().unwrap().fill(b'x')).unwrap();
    }
    let full = ring.write_with(2, &mut scratch, moment, |sink| sink.put(0, b"yy")).unwrap_err();
    assert!(matches!(full, WriteError::TimedOut { .. }), "{full}");
    for _ in 0..3 {
        assert_eq!(ring.read_with(&mut scratch, moment, <[u8]>::to_vec).unwrap(), b"xx");
    }
    let empty = ring.read_with(&mut scratch, moment, <[u8]>::to_vec).unwrap_err();
    assert!(matches!(empty, ReadError::TimedOut { .. }), "{empty}");
}

#[test]
fn waiting_ends_with_the_message_that_another_thread_writes() {
    let ring = locked();
    let mut reader = ring.reader().unwrap();
    let mut writer = ring.writer().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..100_u8 {
                writer.write(&[number], Duration::MAX).unwrap();
            }
        });
        for number in 0..100_u8 {
            let mut buffer = [0; 8];
            assert_eq!(reader.read(&mut buffer, Duration::MAX).unwrap(), 1);
            assert_eq!(buffer[0], number);
        }
    });
}

#[test]
fn waiting_in_vain_times_out_and_a_lasting_refusal_is_reported_at_once() {
    let mut ring = locked();
    let short = Duration::from_millis(1);
    assert!(matches!(ring.read(&mut [0; 8], short), Err(ReadError::TimedOut { after }) if after == short));
    ring.try_write_batch(1, b"abc").unwrap();
    assert!(matches!(ring.write(b"d", short), Err(WriteError::TimedOut { .. })));
    let too_large = ring.write(&[0; 9], Duration::MAX).unwrap_err();
    assert_eq!(too_large.to_string(), "a message of 9 bytes does not fit into a slot of 8");
}
