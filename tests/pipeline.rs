//! Pipelines of threads: order, backpressure, and every way in which a worker fails.

#[path = "common/items.rs"]
mod items;

use items::{check, delivered, delivered_sorted, endless, fill, number, numbers, two_arrays};
use seqring::pipeline::{
    Commander, Commands, Filling, Item, ItemOrder, Items, OnFailure, Pipeline, PipelineError, Producer,
    WorkerError,
};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

/// Fails if results are published in the order in which they are finished.
#[test]
fn items_come_in_the_order_of_the_commands_from_producers_of_any_speed() {
    let pipeline = two_arrays().producers(4).in_flight(16);
    let items = pipeline.start(numbers(2000), |index| {
        move |command: &[u8], item: &mut Filling<'_>| {
            let until = Instant::now() + Duration::from_micros([1, 10, 50, 100][index]);
            while Instant::now() < until {}
            fill(command, item)
        }
    });
    assert_eq!(delivered(items.unwrap()), (0..2000).collect::<Vec<_>>());
}

#[test]
fn unordered_items_overtake_a_slow_one_and_come_once_each() {
    let (release, gate) = channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let pipeline = two_arrays().producers(2).in_flight(4).order(ItemOrder::Unordered);
    let mut items = pipeline
        .start(numbers(100), |_| {
            let gate = gate.clone();
            move |command: &[u8], item: &mut Filling<'_>| {
                if number(command) == 0 {
                    gate.lock().unwrap().recv()?;
                }
                fill(command, item)
            }
        })
        .unwrap();
    // In order, these items would wait for item 0.
    let mut seen: HashSet<u64> = items.by_ref().take(50).map(|item| check(&item.unwrap())).collect();
    assert!(!seen.contains(&0));
    release.send(()).unwrap();
    seen.extend(items.map(|item| check(&item.unwrap())));
    assert_eq!(seen, (0..100).collect());
}

#[test]
fn no_more_commands_are_issued_than_may_be_in_flight() {
    let mut items = two_arrays().producers(2).in_flight(3).start(endless(), |_| fill).unwrap();
    for taken in 1..200 {
        drop(items.next().unwrap().unwrap());
        assert!(items.progress().issued <= taken + 3);
    }
    items.stop().unwrap();
}

/// A producer that panics at item `bad`, for its first `tries` tries.
fn panics_at(bad: u64, tries: u32) -> impl FnMut(&[u8], &mut Filling<'_>) -> Result<(), WorkerError> + Send {
    move |command, item| {
        assert!(number(command) != bad || item.tries() > tries, "no {bad} today");
        fill(command, item)
    }
}

#[test]
fn a_panic_ends_the_pipeline_with_its_number_and_message() {
    for order in [ItemOrder::Ordered, ItemOrder::Unordered] {
        let mut items = two_arrays().producers(2).order(order).start(endless(), |_| panics_at(7, 9)).unwrap();
        let error = items.by_ref().find_map(Result::err).unwrap();
        assert!(
            matches!(&error, PipelineError::Failed { number: 7, tries: 1, message, .. }
            if message == "panicked: no 7 today"),
            "{error}"
        );
        assert!(items.next().is_none());
    }
}

#[test]
fn a_skipped_item_is_reported_in_its_place_and_the_others_come() {
    let pipeline = two_arrays().producers(2).held_items(20).on_failure(OnFailure::Skip);
    let items: Vec<_> = pipeline.start(numbers(20), |_| panics_at(7, 9)).unwrap().collect();
    assert_eq!(items.len(), 20);
    for (n, item) in items.into_iter().enumerate().map(|(n, item)| (n as u64, item)) {
        match item {
            Ok(item) => assert_eq!(check(&item), n),
            Err(PipelineError::Failed { number: 7, .. }) => assert_eq!(n, 7),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_command_is_retried_a_limited_number_of_times() {
    for order in [ItemOrder::Ordered, ItemOrder::Unordered] {
        let pipeline = two_arrays().producers(2).order(order).on_failure(OnFailure::Retry(2));
        let seen = delivered_sorted(pipeline.start(numbers(50), |_| panics_at(7, 2)).unwrap());
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        let error = pipeline.start(numbers(50), |_| panics_at(7, 3)).unwrap().find_map(Result::err).unwrap();
        assert!(matches!(error, PipelineError::Failed { number: 7, tries: 3, .. }), "{error}");
    }
}

/// Fails if the producer that failed at a command retries it while another one is at work.
#[test]
fn a_command_is_retried_by_another_producer_than_the_one_that_failed() {
    let pipeline = two_arrays().producers(2).on_failure(OnFailure::Retry(2));
    let both = Arc::new(Barrier::new(2));
    let items = pipeline.start(numbers(300), |_| {
        let (mut failed_at, mut begin) = (HashMap::new(), Some(both.clone()));
        move |command: &[u8], item: &mut Filling<'_>| {
            if let Some(both) = begin.take() {
                both.wait(); // Until both are at work.
            }
            let (n, tries) = (number(command), item.tries());
            if n.is_multiple_of(3) && tries < 3 {
                assert_eq!(
                    failed_at.insert(n, tries),
                    None,
                    "try {tries} by the producer that failed before"
                );
                return Err("not me".into());
            }
            assert_eq!(failed_at.get(&n).unwrap_or(&1), &1, "try 3 by the producer that failed at try 2");
            fill(command, item)
        }
    });
    assert_eq!(delivered(items.unwrap()), (0..300).collect::<Vec<_>>());
}

/// A pipeline whose first try of command 5 hangs until the gate opens.
fn hangs_at_five(gate: Receiver<()>, pipeline: &Pipeline, count: u64) -> Items {
    let gate = Arc::new(Mutex::new(gate));
    pipeline
        .start(numbers(count), |_| {
            let gate = gate.clone();
            move |command: &[u8], item: &mut Filling<'_>| {
                if number(command) == 5 && item.tries() == 1 {
                    let _ = gate.lock().unwrap().recv(); // An error means that the test is over.
                }
                fill(command, item)
            }
        })
        .unwrap()
}

#[test]
fn the_item_of_a_hung_producer_is_made_by_another_and_its_own_late_one_is_dropped() {
    for order in [ItemOrder::Ordered, ItemOrder::Unordered] {
        let (release, gate) = channel();
        let timeout = Duration::from_millis(50);
        let pipeline = two_arrays().producers(2).order(order).on_failure(OnFailure::Retry(20));
        let mut items = hangs_at_five(gate, &pipeline.produce_timeout(timeout), 200);
        let mut seen: Vec<u64> = items.by_ref().take(100).map(|item| check(&item.unwrap())).collect();
        assert!(seen.contains(&5) || order == ItemOrder::Unordered);
        release.send(()).unwrap();
        seen.extend(items.map(|item| check(&item.unwrap())));
        seen.sort_unstable();
        assert_eq!(seen, (0..200).collect::<Vec<_>>(), "each once");
    }
}

#[test]
fn a_hung_producer_is_named_and_stop_reports_it_as_stuck() {
    let (release, gate) = channel();
    let pipeline = two_arrays().producers(2).on_failure(OnFailure::Skip);
    let mut items = hangs_at_five(gate, &pipeline.produce_timeout(Duration::from_millis(50)), u64::MAX);
    // On a busy machine other items may be late, too.
    let is_named = |error: &PipelineError| matches!(error, PipelineError::Hung { number: 5, .. });
    assert!(items.by_ref().filter_map(Result::err).any(|error| is_named(&error)));
    let stopped = items.stop();
    assert!(matches!(&stopped, Err(PipelineError::Stuck { workers }) if workers.len() == 1), "{stopped:?}");
    drop(release);
}

/// Fails, by never ending, if the consumer waits although no producer is left to take a command.
#[test]
fn a_pipeline_whose_producers_all_hang_ends() {
    for on_failure in [OnFailure::Skip, OnFailure::Retry(3)] {
        let (release, gate) = channel();
        let pipeline = two_arrays().producers(1).on_failure(on_failure);
        let mut items = hangs_at_five(gate, &pipeline.produce_timeout(Duration::from_millis(50)), u64::MAX);
        let errors: Vec<PipelineError> = items.by_ref().filter_map(Result::err).collect();
        assert!(matches!(errors.last(), Some(PipelineError::AllHung { producers: 1, .. })), "{errors:?}");
        assert!(items.next().is_none());
        drop(release);
    }
}

/// Issues a number each time the gate opens.
struct Gated(u64, Receiver<()>);

impl Commander for Gated {
    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError> {
        self.1.recv()?;
        command.extend_from_slice(&self.0.to_le_bytes());
        self.0 += 1;
        Ok(true)
    }
}

/// Fails if a producer that returned counts as hung until it takes another command.
#[test]
fn a_producer_that_returned_and_has_nothing_to_do_is_not_hung() {
    let ((issue, issued), (release, gate)) = (channel(), channel());
    let (timeout, mut gate) = (Duration::from_millis(50), Some(gate));
    let pipeline = two_arrays().on_failure(OnFailure::Skip).produce_timeout(timeout);
    let late = |_| {
        let gate: Receiver<()> = gate.take().unwrap();
        move |command: &[u8], item: &mut Filling<'_>| {
            gate.recv()?;
            fill(command, item)
        }
    };
    let mut items = pipeline.start(Gated(0, issued), late).unwrap();
    issue.send(()).unwrap();
    let hung = items.next().unwrap();
    assert!(matches!(hung, Err(PipelineError::Hung { number: 0, .. })), "{hung:?}");
    release.send(()).unwrap();
    while items.progress().producers[0].busy.is_zero() {
        std::thread::yield_now(); // Until it has returned.
    }
    let nothing = items.next_timeout(4 * timeout);
    assert!(matches!(nothing, Err(PipelineError::TimedOut { .. })), "{nothing:?}");
    drop(issue); // The commands end.
}

struct Fails(u64);

impl Commander for Fails {
    fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, WorkerError> {
        self.0 += 1;
        if self.0 > 3 {
            return Err("out of ideas".into());
        }
        command.extend_from_slice(&(self.0 - 1).to_le_bytes());
        Ok(true)
    }
}

#[test]
fn a_commander_that_fails_is_reported_after_the_items_before() {
    let mut items = two_arrays().producers(2).start(Fails(0), |_| fill).unwrap();
    for n in 0..3 {
        assert_eq!(check(&items.next().unwrap().unwrap()), n);
    }
    let error = items.next().unwrap().unwrap_err();
    assert!(matches!(&error, PipelineError::Commander { number: 3, message } if message == "out of ideas"));
}

#[test]
fn a_command_that_is_too_long_is_an_error_with_both_lengths() {
    let mut items = two_arrays().command_bytes(4).start(numbers(1), |_| fill).unwrap();
    let error = items.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("8 bytes") && error.contains("4 fit"), "{error}");
}

#[test]
fn an_array_of_another_length_is_an_error_with_both_lengths() {
    let short = |_: &[u8], item: &mut Filling<'_>| item.copy(0, &[0; 4]);
    let error = two_arrays().start(numbers(1), |_| short).unwrap().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("4 bytes for array 0, which has 5"), "{error}");
}

struct Unbuilt(Option<Receiver<()>>);

impl Producer for Unbuilt {
    fn build(&mut self) -> Result<(), WorkerError> {
        if let Some(gate) = &self.0 {
            let _ = gate.recv();
        }
        Err("no model file".into())
    }

    fn produce(&mut self, _: &[u8], _: &mut Filling<'_>) -> Result<(), WorkerError> {
        unreachable!("it was not built")
    }
}

#[test]
fn a_build_that_fails_or_blocks_ends_the_pipeline_and_names_the_producer() {
    let error = two_arrays().start(endless(), |_| Unbuilt(None)).unwrap().next().unwrap().unwrap_err();
    assert!(
        matches!(&error, PipelineError::Build { worker, message }
        if worker == "producer 0" && message == "no model file"),
        "{error}"
    );
    let (release, gate) = channel();
    let mut gate = Some(gate);
    let pipeline = two_arrays().produce_timeout(Duration::from_millis(50));
    let mut items = pipeline.start(endless(), |_| Unbuilt(gate.take())).unwrap();
    let error = items.next().unwrap().unwrap_err();
    assert!(matches!(&error, PipelineError::Build { worker, .. } if worker == "producer 0"), "{error}");
    drop(release);
}

/// Fails, by never ending, if a failed `build` is reported only when there is a command.
#[test]
fn a_build_that_fails_is_reported_before_there_is_any_command() {
    for order in [ItemOrder::Ordered, ItemOrder::Unordered] {
        let (issue, commands) = channel::<[u8; 8]>();
        let mut items =
            two_arrays().order(order).start(Commands(commands.into_iter()), |_| Unbuilt(None)).unwrap();
        let error = items.next().unwrap().unwrap_err();
        assert!(
            matches!(&error, PipelineError::Build { message, .. } if message == "no model file"),
            "{error}"
        );
        drop(issue);
    }
}

/// With a gate, `build` fails when the gate is dropped; without one, the producer works.
struct Late(Option<Receiver<()>>);

impl Producer for Late {
    fn build(&mut self) -> Result<(), WorkerError> {
        let Some(gate) = &self.0 else { return Ok(()) };
        let _ = gate.recv();
        Err("no model file".into())
    }

    fn produce(&mut self, command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
        if item.tries() == 1 && number(command) % 3 == 2 {
            return Err("not at the first try".into());
        }
        fill(command, item)
    }
}

/// Fails if the failed `build` overtakes items, or is dropped because other producers make those
/// items meanwhile; by never ending, if it comes after a command that its producer drops.
#[test]
fn a_build_that_fails_late_is_reported_after_the_items_that_are_there() {
    for round in 0..200 {
        for order in [ItemOrder::Ordered, ItemOrder::Unordered] {
            let (release, gate) = channel();
            let mut gate = Some(gate);
            let pipeline =
                two_arrays().producers(2).in_flight(4).order(order).on_failure(OnFailure::Retry(200));
            let mut items = pipeline.start(endless(), |_| Late(gate.take())).unwrap();
            let mut got: Vec<u64> =
                items.by_ref().take(round % 10).map(|item| check(&item.unwrap())).collect();
            drop(release);
            let error = loop {
                match items.next().unwrap() {
                    Ok(item) => got.push(check(&item)),
                    Err(error) => break error,
                }
            };
            assert!(
                matches!(&error, PipelineError::Build { worker, .. } if worker == "producer 0"),
                "{error}"
            );
            assert!(order == ItemOrder::Unordered || got == (0..got.len() as u64).collect::<Vec<_>>());
        }
    }
}

struct Counted(Arc<AtomicU64>);

impl Producer for Counted {
    fn produce(&mut self, command: &[u8], item: &mut Filling<'_>) -> Result<(), WorkerError> {
        fill(command, item)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn dropping_the_iterator_ends_all_workers_and_items_that_are_held_stay() {
    let gone = Arc::new(AtomicU64::new(0));
    let mut items = two_arrays().producers(3).start(endless(), |_| Counted(gone.clone())).unwrap();
    let held: Vec<Item> = items.by_ref().take(4).map(Result::unwrap).collect();
    assert!(matches!(items.next(), Some(Err(PipelineError::AllHeld { max: 4 }))));
    assert!(items.next().is_none(), "reported once, or `collect` would never end");
    assert_eq!(held.iter().map(check).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let mut held = held.into_iter();
    drop(held.next());
    let next = items.next().unwrap().unwrap();
    drop(items);
    assert_eq!(gone.load(SeqCst), 3);
    assert_eq!((check(&next), held.map(|item| check(&item)).sum::<u64>()), (4, 1 + 2 + 3));
}

#[test]
fn a_wait_with_a_timeout_ends_and_loses_nothing() {
    let (release, gate) = channel::<()>();
    let mut gate = Some(gate);
    let pipeline = two_arrays();
    let mut items = pipeline
        .start(numbers(1), |_| {
            let gate = gate.take().unwrap();
            move |command: &[u8], item: &mut Filling<'_>| {
                gate.recv()?;
                fill(command, item)
            }
        })
        .unwrap();
    let early = items.next_timeout(Duration::from_millis(20));
    assert!(matches!(early, Err(PipelineError::TimedOut { .. })), "{early:?}");
    release.send(()).unwrap();
    assert_eq!(check(&items.next().unwrap().unwrap()), 0);
    assert!(items.next().is_none());
    let progress = items.progress();
    let made = progress.producers[0].made;
    assert_eq!((progress.issued, progress.done, progress.in_flight, made), (1, 1, 0, 1));
}

/// Fails if a producer writes to an item that the consumer holds.
#[test]
fn an_item_is_the_consumers_own_to_change() {
    let mut items = two_arrays().in_flight(2).start(numbers(20), |_| fill).unwrap();
    while let Some(Ok(mut item)) = items.next() {
        check(&item);
        let n = item.number();
        item.array_mut(0).fill(255);
        assert_eq!((item.array(0), item.elements::<u64>(1).unwrap()), (&[255; 5][..], &[n; 12][..]));
    }
    assert_eq!(items.progress().done, 20);
}

#[test]
fn sizes_beyond_the_address_space_are_refused() {
    for most in [usize::MAX, usize::MAX - 2] {
        for pipeline in [two_arrays().held_items(most), two_arrays().in_flight(most)] {
            let refused = pipeline.start(numbers(1), |_| fill).unwrap_err();
            assert!(matches!(refused, PipelineError::Ring(_)), "{refused}");
        }
    }
}
