//! What processes that share a ring may rely on, also when one of them is killed.
//!
//! The other processes are this very test binary: [`Peer::start`] runs it again for the one test `child`, with an
//! order in its environment. A child answers on standard error and goes on when its standard input ends.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{CLASSES, DELIVERIES, assert_whole, fresh_name, message, path_of};
use rustix::event::{PollFd, PollFlags, poll};
use seqring::{
    Config, Delivery, Lagged, ReadError, Reader, Ring, SlotClass, Start, TryReadError, TryWriteError, Waiting,
};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

const SLOT_BYTES: usize = 300;
/// How long a call that must not hang may take before the test says that it hangs.
const NEVER: Duration = Duration::from_secs(20);

#[test]
#[ignore = "this is what the children of the other tests run"]
fn child() {
    let Ok(order) = std::env::var("SEQRING_CHILD") else {
        return;
    };
    let (what, name) = order.split_once(' ').expect("an order is a verb and a name");
    let ring = Ring::open(name).unwrap();
    match what {
        "open" => answer("opened"),
        "read" => {
            let mut reader = ring.reader(Start::Next).unwrap();
            answer("joined");
            let (read, missed) = read_until_closed(&mut reader);
            return answer(&format!("read {read} missed {missed}"));
        }
        "view" => {
            let mut reader = ring.reader(Start::Oldest).unwrap();
            let view = reader.view().unwrap();
            answer("viewing");
            wait_for_parent();
            return drop(view);
        }
        "write" => {
            let mut writer = ring.writer().unwrap();
            answer("joined");
            loop {
                writer.write(&message(writer.next_sequence(), SLOT_BYTES)).unwrap();
            }
        }
        other => panic!("unknown order {other}"),
    }
    wait_for_parent();
}

fn answer(what: &str) {
    eprintln!("child: {what}");
}

fn wait_for_parent() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A child process, killed when it is dropped.
struct Peer {
    process: Child,
    answers: Lines<BufReader<ChildStderr>>,
}

impl Peer {
    fn start(what: &str, name: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env("SEQRING_CHILD", format!("{what} {name}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stderr.take().unwrap()).lines();
        Peer { process, answers }
    }

    /// As [`Self::start`], and waits for its first answer.
    fn ready(what: &str, name: &str) -> Self {
        let mut peer = Self::start(what, name);
        peer.answer();
        peer
    }

    fn answer(&mut self) -> String {
        for line in &mut self.answers {
            let line = line.unwrap();
            match line.strip_prefix("child: ") {
                Some(answer) => return answer.into(),
                None => eprintln!("{line}"),
            }
        }
        panic!("a child ended without an answer");
    }

    /// `SIGKILL`, at whatever instruction it is.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn finish(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn create(what: &str, delivery: Delivery, class: SlotClass) -> (String, Ring) {
    let name = fresh_name(what);
    let config = Config::new(5, SLOT_BYTES).delivery(delivery).slot_class(class);
    let ring = Ring::create(&name, &config).unwrap();
    (name, ring)
}

/// Reads one message or gap, verified; returns how many messages it read and missed, or nothing at the end.
fn read_one(reader: &mut Reader) -> Option<(u64, u64)> {
    let (mut out, expected) = ([0; SLOT_BYTES], reader.position());
    match reader.read_timeout(&mut out, NEVER) {
        Ok(received) => {
            assert_eq!(received.sequence, expected);
            assert_whole(received, &out[..received.len], SLOT_BYTES);
            Some((1, 0))
        }
        Err(ReadError::Lagged(Lagged { missed })) => Some((0, missed)),
        Err(ReadError::Closed) => None,
        Err(other) => panic!("{other}"),
    }
}

fn read_until_closed(reader: &mut Reader) -> (u64, u64) {
    std::iter::from_fn(|| read_one(reader)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Fails if the name stays, and with anything that works within one mapping only.
#[test]
fn every_process_gets_every_message_whole_or_counts_it_as_missed() {
    const COUNT: u64 = 4000;
    for class in CLASSES {
        for delivery in DELIVERIES {
            let (name, ring) = create("stream", delivery, class);
            let mut readers: Vec<_> = (0..3).map(|_| Peer::ready("read", &name)).collect();
            let mut writer = ring.writer().unwrap();
            for sequence in 0..COUNT {
                writer.write_timeout(&message(sequence, SLOT_BYTES), NEVER).unwrap();
            }
            drop(writer);
            for reader in &mut readers {
                let answer = reader.answer();
                let counts: Vec<u64> = answer.split(' ').filter_map(|word| word.parse().ok()).collect();
                assert_eq!(counts[0] + counts[1], COUNT, "{class:?} {delivery:?}: {answer}");
                assert!(delivery == Delivery::Lossy || counts[1] == 0, "{class:?}: {answer}");
            }
            readers.into_iter().for_each(Peer::finish);
            drop(ring);
            assert!(!path_of(&name).exists());
        }
    }
}

fn outlive_a_reader(class: SlotClass, waiting: Waiting) {
    let (name, ring) = create("dead-reader", Delivery::Gated, class);
    let mut writer = ring.writer().unwrap();
    writer.set_waiting(waiting);
    let mut sequence = 0..;
    let mut next = || message(sequence.next().unwrap(), SLOT_BYTES);
    writer.write(&next()).unwrap();
    let reader = Peer::ready("view", &name);
    let refused = std::iter::repeat_with(|| writer.try_write(&next())).find_map(Result::err);
    assert_eq!(refused, Some(TryWriteError::Full));
    reader.kill();
    for _ in 0..20 {
        let written = writer.write_timeout(&next(), NEVER);
        assert!(written.is_ok(), "{class:?} {waiting:?}: {written:?}");
    }
    assert_eq!(ring.participants().len(), 1, "the dead reader is still in the table");
}

/// Fails if a waiting writer does not look who died.
#[test]
fn a_killed_reader_holds_a_writer_back_only_until_the_writer_waits_for_it() {
    for class in CLASSES {
        outlive_a_reader(class, Waiting::BALANCED);
        outlive_a_reader(class, Waiting::SLEEPING);
    }
}

/// Fails if who died is looked for after sleeps only: a wait that spins has none.
#[test]
fn a_killed_reader_does_not_hold_back_a_writer_that_never_sleeps() {
    outlive_a_reader(SlotClass::Lines, Waiting::SPINNING);
}

/// Fails if a new writer takes the shared hint for the next sequence, if it takes a buffer that a slot still names, or
/// if a waiting reader does not look who died.
#[test]
fn a_killed_writer_leaves_a_stream_that_ends_and_that_the_next_one_continues() {
    for class in CLASSES {
        for delivery in DELIVERIES {
            let (name, ring) = create("dead-writer", delivery, class);
            let mut reader = ring.reader(Start::Next).unwrap();
            for round in 0..12 {
                let writer = Peer::ready("write", &name);
                // A different place in the ring, and in the stream, each time.
                for _ in 0..100 + 37 * round {
                    read_one(&mut reader).expect("the writer lives");
                }
                writer.kill();
                if round % 3 == 0 {
                    continue; // The next one takes over before anybody looked at what happened.
                }
                read_until_closed(&mut reader);
                let mut writer = ring.writer().unwrap();
                assert_eq!(writer.next_sequence(), reader.position(), "{class:?} {delivery:?}");
                writer.write(&message(writer.next_sequence(), SLOT_BYTES)).unwrap();
                assert_eq!(read_one(&mut reader), Some((1, 0)));
            }
        }
    }
}

/// Fails if a watcher that sleeps in its reader's place does not look who died.
#[test]
fn a_killed_writer_makes_the_descriptor_of_a_reader_readable() {
    let (name, ring) = create("notified", Delivery::Lossy, SlotClass::Lines);
    let mut reader = ring.reader(Start::Next).unwrap();
    let notifier = reader.notifier().unwrap();
    let writer = Peer::ready("write", &name);
    read_one(&mut reader).expect("the writer lives");
    writer.kill();
    loop {
        match reader.try_read(&mut [0; SLOT_BYTES]) {
            Ok(_) | Err(TryReadError::Lagged(_)) => {}
            Err(TryReadError::Empty) => {
                poll(&mut [PollFd::new(&notifier, PollFlags::IN)], None).unwrap();
            }
            Err(error) => break assert_eq!(error, TryReadError::Closed),
        }
    }
}

/// Fails if the creator removes the name, or nobody does.
#[test]
fn the_name_goes_with_the_last_process_however_the_others_went() {
    let (name, ring) = create("last", Delivery::Gated, SlotClass::Lines);
    let (killed, last) = (Peer::ready("open", &name), Peer::ready("open", &name));
    drop(ring);
    assert!(path_of(&name).exists());
    killed.kill();
    drop(Ring::open(&name).unwrap());
    assert!(path_of(&name).exists());
    last.finish();
    assert!(!path_of(&name).exists());
}

/// Fails if whoever waits for messages, and looks meanwhile whether the writer died, can be taken for a living writer.
#[test]
fn a_writer_can_always_join_where_none_is() {
    let (name, ring) = create("join", Delivery::Lossy, SlotClass::Packed);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (other, done) = (Ring::open(&name).unwrap(), &done);
            scope.spawn(move || {
                let mut reader = other.reader(Start::Next).unwrap();
                reader.set_waiting(Waiting::SLEEPING);
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    let _ = reader.read_timeout(&mut [0; SLOT_BYTES], Duration::from_micros(100));
                }
            });
        }
        let joined = (0..200_000).map(|_| ring.writer().map(drop)).find(Result::is_err);
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(joined, None);
    });
}
