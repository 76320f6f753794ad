//! Random draws, and deaths of participants at failpoints of a call.

use crate::linearizable::message::Message;
use seqring::model::{Failpoint, abandon, bury, dies_at};
use seqring::{Ring, TryWriteError, Writer};
use shuttle::rand::Rng;

/// A number below `end`, decided by the schedule's seed.
pub(crate) fn draw(end: usize) -> usize {
    shuttle::rand::thread_rng().gen_range(0..end)
}

pub(crate) fn one_in(n: usize) -> bool {
    draw(n) == 0
}

/// The failpoint at which the caller of the next call dies, in one of `n` cases; never if `n` is 0.
pub(crate) fn fate(n: usize, points: &[Failpoint]) -> Option<Failpoint> {
    (n > 0 && one_in(n)).then(|| points[draw(points.len())])
}

/// The end of a call.
pub(crate) enum Ended<T> {
    With(T),
    /// The caller died at this point.
    InDeath(Failpoint),
}

/// Makes a call, in which the caller may die.
pub(crate) fn call<T>(fate: Option<Failpoint>, call: impl FnOnce() -> T) -> Ended<T> {
    let Some(point) = fate else { return Ended::With(call()) };
    let mut result = None;
    dies_at(point, || result = Some(call()));
    result.map_or(Ended::InDeath(point), Ended::With)
}

/// At these points the message of a writer is published.
const PUBLISHED: [Failpoint; 3] =
    [Failpoint::ExchangeDone, Failpoint::ExchangeOwned, Failpoint::ExchangeSettled];

/// A writer writes `count` messages. It may die in a call, and then a successor continues. Calls
/// `published` once per message, with its sequence if the writer got it.
pub(crate) fn write(
    ring: &Ring,
    mut writer: Writer,
    (id, count): (usize, usize),
    (deaths, points): (usize, &[Failpoint]),
    published: impl Fn(Message, Option<u64>),
) {
    for message in (0..count).map(|n| Message { writer: id, n }) {
        loop {
            match call(fate(deaths, points), || writer.try_write(&message.bytes())) {
                Ended::With(Ok(sequence)) => break published(message, Some(sequence)),
                Ended::With(Err(TryWriteError::Full)) => shuttle::thread::yield_now(),
                Ended::With(Err(error)) => panic!("{error}"),
                Ended::InDeath(point) => {
                    bury(ring, abandon(writer));
                    writer = ring.writer().unwrap();
                    if PUBLISHED.contains(&point) {
                        break published(message, None);
                    }
                }
            }
        }
    }
}
