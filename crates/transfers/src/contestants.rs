//! What carries the messages: the rings of this library, a ring whose writers draw tickets, and a
//! ring under a lock of readers and writers that is made of semaphores.

use crate::cores::pause;
use seqring::fuzzing::SharedWord;
use seqring::{Config, Delivery, Reader, Ring, Start, Taker, TryReadError, TryWriteError, Writer, Writers};
use std::rc::Rc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

pub(crate) const BYTES: usize = 64;
const WORDS: usize = BYTES / 8;
pub(crate) const SLOTS: usize = 64;

/// The end that sends; false if there is no room.
pub(crate) type Send = Box<dyn FnMut(u64) -> bool>;
/// The end that receives: how many messages further it is. In a lossy ring it may have lost some.
pub(crate) type Receive = Box<dyn FnMut() -> u64>;

pub(crate) struct Ends {
    pub(crate) writers: Vec<Send>,
    pub(crate) readers: Vec<Receive>,
}

fn payload(number: u64) -> [u8; BYTES] {
    [number as u8; BYTES]
}

pub(crate) fn seqring(delivery: Delivery, writers: usize, readers: usize) -> Ends {
    let mut config = Config::slots(SLOTS)
        .of_bytes(BYTES)
        .delivery(delivery)
        .participants(writers + readers)
        .await_readers(0);
    if writers > 1 {
        config = config.writers(Writers::Many);
    }
    let ring = Ring::heap(&config).expect("the configuration is valid");
    let readers = (0..readers).map(|_| match delivery {
        Delivery::Queue => taking(ring.taker().expect("there is an entry")),
        _ => reading(ring.reader(Start::Next).expect("there is an entry")),
    });
    let readers = readers.collect();
    let writers = (0..writers).map(|_| writing(ring.writer().expect("there is an entry"))).collect();
    Ends { writers, readers }
}

fn writing(mut writer: Writer) -> Send {
    Box::new(move |number| match writer.try_write(&payload(number)) {
        Ok(_) => true,
        Err(TryWriteError::Full) => false,
        Err(error) => panic!("{error}"),
    })
}

fn reading(mut reader: Reader) -> Receive {
    Box::new(move || match reader.try_read(&mut [0; BYTES]) {
        Ok(_) => 1,
        Err(TryReadError::Empty | TryReadError::Closed) => 0,
        Err(TryReadError::Lagged(lagged)) => lagged.lost,
        Err(error) => panic!("{error}"),
    })
}

fn taking(mut taker: Taker) -> Receive {
    Box::new(move || match taker.try_take() {
        Ok(_) => 1,
        Err(TryReadError::Empty | TryReadError::Closed) => 0,
        Err(error) => panic!("{error}"),
    })
}

/// A caller and a server of a ring for calls: a message is a question with its answer.
pub(crate) fn call(callers: usize) -> Ends {
    let ring = Ring::heap(&Config::calls(callers).of_bytes(24)).expect("the configuration is valid");
    let mut server = ring.server().expect("there is none");
    let callers = (0..callers).map(|_| {
        let (mut caller, mut asked) = (ring.caller().expect("there is a cell"), false);
        Box::new(move |number: u64| {
            if !asked {
                caller.ask(&number.to_ne_bytes()).expect("the ring is open");
                asked = true;
            }
            asked = caller.try_answer(&mut [0; 24]).is_err();
            !asked
        }) as Send
    });
    let writers = callers.collect();
    let serve = move || match server.try_take() {
        Ok(question) => {
            question.answer(&[1; 8]).expect("it fits");
            1
        }
        Err(_) => 0,
    };
    Ends { writers, readers: vec![Box::new(serve)] }
}

/// A line of words.
#[derive(Default)]
#[repr(C, align(64))]
struct Line([SharedWord; WORDS]);

fn store(line: &Line, number: u64) {
    line.0.iter().for_each(|word| word.store(number, Relaxed));
}

fn load(line: &Line) -> u64 {
    line.0.iter().map(|word| word.load(Relaxed)).fold(0, |all, word| all | word)
}

/// A slot's stamp, and its payload.
#[derive(Default)]
struct Slot {
    stamp: Line,
    payload: Line,
}

fn slots() -> Vec<Slot> {
    (0..SLOTS).map(|_| Slot::default()).collect()
}

/// Each writer draws the number of its message by a read-modify-write of one counter, waits until
/// the message of the previous lap is complete, and writes. It waits for no reader. Readers copy
/// and check, and may lose messages.
pub(crate) fn ticket(writers: usize, readers: usize) -> Ends {
    let ring = Rc::new((Line::default(), slots()));
    let writing = |ring: Rc<(Line, Vec<Slot>)>| {
        let mut ticket = None;
        Box::new(move |number| {
            let n = *ticket.get_or_insert_with(|| ring.0.0[0].fetch_add(1, AcqRel));
            let slot = &ring.1[n as usize % SLOTS];
            let stamp = &slot.stamp.0[0];
            if n >= SLOTS as u64 && stamp.load(Acquire) != 2 * (n - SLOTS as u64) + 2 {
                return false;
            }
            stamp.store(2 * n + 1, Relaxed);
            store(&slot.payload, number);
            stamp.store(2 * n + 2, Release);
            ticket = None;
            true
        }) as Send
    };
    let reading = |ring: Rc<(Line, Vec<Slot>)>| {
        let mut next = 0;
        Box::new(move || {
            let slot = &ring.1[next as usize % SLOTS];
            let (stamp, due) = (&slot.stamp.0[0], 2 * next + 2);
            let seen = stamp.load(Acquire);
            if seen == due {
                load(&slot.payload);
            }
            let further = if seen < due {
                0
            } else if seen == due && stamp.load(Relaxed) == due {
                1
            } else {
                SLOTS as u64
            };
            next += further;
            further
        }) as Receive
    };
    Ends {
        writers: (0..writers).map(|_| writing(Rc::clone(&ring))).collect(),
        readers: (0..readers).map(|_| reading(Rc::clone(&ring))).collect(),
    }
}

/// Takes a semaphore.
fn take(semaphore: &SharedWord) {
    loop {
        let seen = semaphore.load(Acquire);
        if seen > 0 && semaphore.compare_exchange(seen, seen - 1, AcqRel, Relaxed).is_ok() {
            return;
        }
        pause(4);
    }
}

fn give(semaphore: &SharedWord) {
    semaphore.fetch_add(1, AcqRel);
}

/// A ring under one lock of readers and writers: a semaphore for the writers, and one for the count
/// of readers, of whom the first and the last take and give that of the writers. Each word has a
/// line of its own. A writer waits for no reader. A reader takes the lock only if the counter says
/// that there is a message.
struct Locked {
    writing: Line,
    counting: Line,
    readers: Line,
    next: Line,
    slots: Vec<Slot>,
}

pub(crate) fn locked(writers: usize, readers: usize) -> Ends {
    let ring = Rc::new(Locked {
        writing: Line::default(),
        counting: Line::default(),
        readers: Line::default(),
        next: Line::default(),
        slots: slots(),
    });
    give(&ring.writing.0[0]);
    give(&ring.counting.0[0]);
    let writing = |ring: Rc<Locked>| {
        Box::new(move |number| {
            take(&ring.writing.0[0]);
            let next = ring.next.0[0].load(Relaxed);
            store(&ring.slots[next as usize % SLOTS].payload, number);
            ring.next.0[0].store(next + 1, Release);
            give(&ring.writing.0[0]);
            true
        }) as Send
    };
    let reading = |ring: Rc<Locked>| {
        let mut read = 0;
        Box::new(move || {
            if ring.next.0[0].load(Acquire) == read {
                return 0;
            }
            let count = |by: fn(u64) -> u64, edge: u64, act: fn(&SharedWord)| {
                take(&ring.counting.0[0]);
                let readers = ring.readers.0[0].load(Relaxed);
                ring.readers.0[0].store(by(readers), Relaxed);
                if readers == edge {
                    act(&ring.writing.0[0]);
                }
                give(&ring.counting.0[0]);
            };
            count(|readers| readers + 1, 0, take);
            let oldest = ring.next.0[0].load(Relaxed).saturating_sub(SLOTS as u64);
            let lost = oldest.saturating_sub(read);
            load(&ring.slots[(read + lost) as usize % SLOTS].payload);
            count(|readers| readers - 1, 1, give);
            read += lost + 1;
            lost + 1
        }) as Receive
    };
    Ends {
        writers: (0..writers).map(|_| writing(Rc::clone(&ring))).collect(),
        readers: (0..readers).map(|_| reading(Rc::clone(&ring))).collect(),
    }
}
