//! Litmus tests of the heavy barrier: a message is published while its reader decides to sleep. The
//! delay between the two is drawn from a printed seed.

use super::{GUARD, Place, Sleepers};
use crate::{Config, Delivery, Reader, Ring, SlotClass, Start, WaitStrategy, Writer};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// Without the heavy barrier a reader sleeps for ever within a second.
const LITMUS: Duration = Duration::from_secs(2);
/// Each end spins for up to so many pauses before it acts: somewhat longer than the decision to
/// sleep takes.
const LONGEST_JITTER: u64 = 256;

/// `xorshift64`.
struct Jitter(u64);

impl Jitter {
    fn pause(&mut self) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        for _ in 0..self.0 % LONGEST_JITTER {
            std::hint::spin_loop();
        }
    }
}

fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = now.as_nanos() as u64 | 1;
    println!("seed {seed}");
    seed
}

/// Answers each message of `questions` by one on `answers`, until the stream ends.
pub(super) fn answer_all(questions: &mut Reader, answers: &mut Writer, seed: u64) {
    let mut jitter = Jitter(seed);
    questions.set_wait_strategy(WaitStrategy::SLEEPING);
    while questions.read(&mut [0; 8]).is_ok() {
        answers.write(b"answer").unwrap();
        jitter.pause();
    }
}

/// Asks until the time is over; each question is published while the other end falls asleep.
/// Panics if an answer does not come.
fn ask(questions: &mut Writer, answers: &mut Reader, seed: u64) -> u64 {
    let (begin, mut jitter) = (Instant::now(), Jitter(seed));
    answers.set_wait_strategy(WaitStrategy::STREAMING);
    let mut asked = 0;
    while begin.elapsed() < LITMUS {
        questions.write(b"question").unwrap();
        asked += 1;
        answers.read_timeout(&mut [0; 8], GUARD).expect("the other end is asleep: a wake is lost");
        jitter.pause();
    }
    asked
}

#[test]
fn the_heavy_barrier_loses_no_wake_of_a_thread() {
    let seed = seed();
    let [questions, answers] =
        [(); 2].map(|()| Ring::heap(&Config::new(4, 8).delivery(Delivery::Lossy)).unwrap());
    let mut question_reader = questions.reader(Start::Next).unwrap();
    let mut answer_reader = answers.reader(Start::Next).unwrap();
    let mut writer = questions.writer().unwrap();
    let mut answer_writer = answers.writer().unwrap();
    // Detached: a reader that is never woken ends with the process.
    let (ended, end) = channel();
    thread::spawn(move || {
        answer_all(&mut question_reader, &mut answer_writer, !seed);
        ended.send(()).unwrap();
    });
    println!("{} wakes", ask(&mut writer, &mut answer_reader, seed));
    drop(writer);
    end.recv_timeout(GUARD).expect("the end of the stream wakes the reader");
}

#[test]
fn the_heavy_barrier_loses_no_wake_of_a_process() {
    let seed = seed();
    let config = Config::new(4, 8).slot_class(SlotClass::Packed).delivery(Delivery::Lossy);
    let (mut sleepers, say, name) = Sleepers::on(Place::Processes, &config);
    let answers = Ring::create(format!("{name}-answers"), &config).unwrap();
    let mut reader = answers.reader(Start::Next).unwrap();
    let mut writer = sleepers.ring.writer().unwrap();
    sleepers.start(Place::Processes, "answer", &say, &name);
    println!("{} wakes", ask(&mut writer, &mut reader, seed));
    drop(writer);
    assert_eq!(sleepers.line(), "answered all");
}
