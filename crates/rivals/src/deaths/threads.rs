//! Contestants between threads: each participant is a thread of this process, and stops in the
//! handler of a signal, at any instruction.
#![allow(unsafe_code, reason = "signal handlers")]

use super::{BYTES, SLOTS};
use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};
use disruptor::build_single_producer;
use disruptor::{
    BusySpin, EventPoller, MultiConsumerBarrier, Polling, Producer, SingleProducer, SingleProducerBarrier,
};
use harness::deaths::{Answer, End, Kin, PATIENCE, Part, Role, serve};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Plays all parts, each in a thread, with the end that `end` gives it.
fn play<E: End + Send>(
    directory: &Path,
    parts: &[Part],
    bytes: usize,
    mut end: impl FnMut(Role) -> Result<E, String>,
) -> io::Result<()> {
    stop_by_signals();
    thread::scope(|scope| {
        let threads: Vec<_> = parts
            .iter()
            .map(|part| {
                let end = end(part.role);
                scope.spawn(move || serve(directory, *part, bytes, Kin::Threads, || end))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })
}

/// SIGUSR1 stops a thread for a second, and SIGUSR2 for ever.
fn stop_by_signals() {
    extern "C" fn for_a_second(_: libc::c_int) {
        let mut left = libc::timespec { tv_sec: 1, tv_nsec: 0 };
        // SAFETY: both pointers are of this frame, and a handler may call nanosleep.
        while unsafe { libc::nanosleep(&raw const left, &raw mut left) } != 0 {}
    }
    extern "C" fn for_ever(_: libc::c_int) {
        loop {
            // SAFETY: a handler may call pause.
            unsafe { libc::pause() };
        }
    }
    for (signal, handler) in [(libc::SIGUSR1, for_a_second as extern "C" fn(_)), (libc::SIGUSR2, for_ever)] {
        // SAFETY: the handlers call only functions that a handler may call.
        unsafe { libc::signal(signal, handler as *const () as libc::sighandler_t) };
    }
}

type Message = [u64; BYTES / 8];

enum Channel {
    Sender(Sender<Message>),
    Receiver(Receiver<Message>),
}

pub(super) fn crossbeam(directory: &Path, parts: &[Part]) -> io::Result<()> {
    let (sender, receiver) = bounded(SLOTS);
    let mut ends = Some((sender, receiver));
    let mut left = parts.len();
    play(directory, parts, BYTES, |role| {
        left -= 1;
        // The last part gets the originals' clones, too; then they go, so that ends can disconnect.
        let made = ends.as_ref().map(|(sender, receiver)| match role {
            Role::Writer => Channel::Sender(sender.clone()),
            Role::Reader => Channel::Receiver(receiver.clone()),
        });
        if left == 0 {
            ends = None;
        }
        made.ok_or_else(|| "no end is left".into())
    })
}

impl End for Channel {
    fn send(&mut self, message: &[u8], _: &mut dyn FnMut()) -> Result<(), Answer> {
        let Self::Sender(sender) = self else { return Err(Answer::Report("this end does not write".into())) };
        let mut copy = [0; BYTES / 8];
        zerocopy::IntoBytes::as_mut_bytes(&mut copy).copy_from_slice(message);
        sender.send_timeout(copy, PATIENCE).map_err(|error| match error {
            SendTimeoutError::Timeout(_) => Answer::Nothing,
            SendTimeoutError::Disconnected(_) => Answer::Report("disconnected".into()),
        })
    }

    fn receive(&mut self, seen: &mut dyn FnMut(&[u8], bool)) -> Result<(), Answer> {
        let Self::Receiver(receiver) = self else {
            return Err(Answer::Report("this end does not read".into()));
        };
        match receiver.recv_timeout(PATIENCE) {
            Ok(message) => {
                seen(zerocopy::IntoBytes::as_bytes(&message), false);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Err(Answer::Nothing),
            Err(RecvTimeoutError::Disconnected) => Err(Answer::Report("disconnected".into())),
        }
    }
}

/// Smaller than elsewhere: the factory of events copies them on the stack.
const EVENT: usize = 1024;
type Event = [u64; EVENT / 8];

enum Disruptor {
    Producer(SingleProducer<Event, MultiConsumerBarrier>),
    Poller(EventPoller<Event, SingleProducerBarrier>),
}

pub(super) fn disruptor(directory: &Path, parts: &[Part]) -> io::Result<()> {
    let (one, builder) = build_single_producer(SLOTS, || [0; EVENT / 8], BusySpin).new_event_poller();
    let (other, builder) = builder.new_event_poller();
    let (mut producer, mut pollers) = (Some(builder.build()), vec![one, other]);
    play(directory, parts, EVENT, |role| {
        let end = match role {
            Role::Writer => producer.take().map(Disruptor::Producer),
            Role::Reader => pollers.pop().map(Disruptor::Poller),
        };
        end.ok_or_else(|| "producers and pollers are given when a disruptor is built".into())
    })
}

/// Tries until it succeeds or the time is up.
fn patiently<T>(mut attempt: impl FnMut() -> Option<Result<T, Answer>>) -> Result<T, Answer> {
    let begin = Instant::now();
    loop {
        match attempt() {
            Some(done) => return done,
            None if begin.elapsed() > PATIENCE => return Err(Answer::Nothing),
            None => thread::sleep(Duration::from_micros(20)),
        }
    }
}

impl End for Disruptor {
    fn send(&mut self, message: &[u8], inside: &mut dyn FnMut()) -> Result<(), Answer> {
        let Self::Producer(producer) = self else {
            return Err(Answer::Report("this end does not write".into()));
        };
        patiently(|| {
            let published = producer.try_publish(|event| {
                let bytes = zerocopy::IntoBytes::as_mut_bytes(event);
                bytes[..EVENT / 2].copy_from_slice(&message[..EVENT / 2]);
                inside();
                bytes[EVENT / 2..].copy_from_slice(&message[EVENT / 2..]);
            });
            published.ok().map(|_| Ok(()))
        })
    }

    fn receive(&mut self, seen: &mut dyn FnMut(&[u8], bool)) -> Result<(), Answer> {
        let Self::Poller(poller) = self else { return Err(Answer::Report("this end does not read".into())) };
        patiently(|| match poller.take(1) {
            Ok(mut events) => (&mut events).next().map(|event| {
                seen(zerocopy::IntoBytes::as_bytes(event), false);
                Ok(())
            }),
            Err(Polling::NoEvents) => None,
            Err(Polling::Shutdown) => Some(Err(Answer::Report("shut down".into()))),
        })
    }
}
