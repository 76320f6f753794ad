//! The interleaver, with surroundings that follow a script.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::class::LineClass;
use harness::repeat::{Contestant, Counted, Ending, Plan, Record, Standing, interleave};
use harness::surroundings::Surroundings;

const NEAR: f64 = 65.0;
const FAR: f64 = 325.0;

/// Line readings, one after the other, the last one for ever; and how much others take in each
/// repetition.
struct Script {
    lines: Vec<f64>,
    others: Vec<Duration>,
}

impl Script {
    fn of_lines(lines: &[f64]) -> Self {
        Self { lines: lines.to_vec(), others: vec![Duration::ZERO] }
    }
}

fn next<T: Copy>(script: &mut Vec<T>) -> T {
    if script.len() > 1 { script.remove(0) } else { script[0] }
}

impl Surroundings for Script {
    fn line_nanos(&mut self) -> io::Result<f64> {
        Ok(next(&mut self.lines))
    }

    fn pause_nanos(&mut self) -> f64 {
        25.0
    }

    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn others(&mut self) -> io::Result<Duration> {
        Ok(next(&mut self.others))
    }
}

fn constant(name: &str, value: f64) -> Contestant<'_, f64> {
    Contestant::new(name, move || Ok(value))
}

fn run(contestants: &mut [Contestant<'_, f64>], plan: Plan, mut script: Script) -> Record<f64> {
    interleave(contestants, &plan, &mut script, &AtomicBool::new(false), |_| ()).unwrap()
}

#[test]
fn contestants_take_turns() {
    let order = RefCell::new(String::new());
    let letter = |letter: char| {
        let order = &order;
        Contestant::new(letter, move || {
            order.borrow_mut().push(letter);
            Ok(1.0)
        })
    };
    let record =
        run(&mut [letter('A'), letter('B'), letter('C')], Plan::rounds(3), Script::of_lines(&[NEAR]));
    assert_eq!(*order.borrow(), "ABCABCABC");
    assert_eq!(record.names, ["A", "B", "C"]);
    assert_eq!((record.rounds(), record.ending), (3, Ending::Fulfilled));
}

#[test]
fn the_reading_after_one_repetition_is_the_reading_before_the_next() {
    let lines = [NEAR, FAR, NEAR, 30.0];
    let record = run(&mut [constant("a", 1.0)], Plan::rounds(3), Script::of_lines(&lines));
    let readings: Vec<_> = record.runs.iter().map(|run| (run.line_before, run.line_after)).collect();
    assert_eq!(readings, [(NEAR, FAR), (FAR, NEAR), (NEAR, 30.0)]);
}

#[test]
fn only_repetitions_of_one_class_are_summed_up() {
    let mut value = 0.0;
    let counting = Contestant::new("counting", move || {
        value += 1.0;
        Ok(value)
    });
    // Placements of the four repetitions: near, moved, far, far.
    let script = Script::of_lines(&[NEAR, NEAR, FAR, FAR, FAR]);
    let record = run(&mut [counting], Plan::rounds(4), script);
    let far = record.summary(0, LineClass::Far, |&value| value);
    assert_eq!(far.spread.unwrap().runs, [3.0, 4.0]);
    assert_eq!(far.dropped.0, [1, 1, 0, 0]);
    assert_eq!(far.dropped.to_string(), "dropped: 1 in another class, 1 moved");
    assert_eq!(record.summary(0, LineClass::SameCore, |&value| value).spread, None);
    assert_eq!(record.best_class(), LineClass::Far);
}

#[test]
fn a_ratio_pairs_the_two_values_of_a_round() {
    let mut round = 0.0;
    let growing = Contestant::new("growing", move || {
        round += 1.0;
        Ok(10.0 * round)
    });
    // Round 0: near, near. Round 1: near, moved. Round 2: far, far.
    let script = Script::of_lines(&[NEAR, NEAR, NEAR, NEAR, FAR, FAR, FAR]);
    let record = run(&mut [growing, constant("two", 2.0)], Plan::rounds(3), script);
    assert_eq!(record.ratio(0, 1, LineClass::Near, |&value| value).unwrap().runs, [5.0]);
    assert_eq!(record.ratio(0, 1, LineClass::Far, |&value| value).unwrap().runs, [15.0]);
    assert_eq!(record.ratio(0, 1, LineClass::SameCore, |&value| value), None);
    assert_eq!([LineClass::Near, LineClass::Far].map(|class| record.shared_rounds(class)), [1, 1]);
}

#[test]
fn a_disturbed_repetition_is_kept_and_not_compared() {
    let hour = Duration::from_secs(3600);
    let script = Script { lines: vec![NEAR], others: vec![hour, Duration::ZERO] };
    let record = run(&mut [constant("a", 1.0)], Plan::rounds(2), script);
    let standings: Vec<_> = record.runs.iter().map(|run| run.standing(record.bounds)).collect();
    assert_eq!(standings, [Standing::Disturbed, Standing::Comparable(LineClass::Near)]);
    assert_eq!(record.summary(0, LineClass::Near, |&value| value).dropped.0[2], 1);
}

#[test]
fn a_contestant_that_fails_does_not_stop_the_others() {
    let failing = Contestant::new("failing", || Err("ring full".to_owned()));
    let record = run(&mut [failing, constant("b", 1.0)], Plan::rounds(2), Script::of_lines(&[NEAR]));
    assert_eq!(record.runs.len(), 4);
    assert_eq!(record.summary(0, LineClass::Near, |&value| value).dropped.0[3], 2);
    assert_eq!(record.runs[0].outcome, Err("ring full".to_owned()));
    assert_eq!(record.ratio(1, 0, LineClass::Near, |&value| value), None);
}

#[test]
fn it_goes_on_until_enough_rounds_of_the_wanted_class_are_there() {
    let lines = [FAR, FAR, FAR, NEAR, NEAR, NEAR, NEAR];
    let plan = Plan { counted: Counted::Of(LineClass::Near), ..Plan::rounds(2) };
    let record = run(&mut [constant("a", 1.0)], plan, Script::of_lines(&lines));
    assert_eq!((record.rounds(), record.ending), (5, Ending::Fulfilled));

    let each = Plan { counted: Counted::OfEachClass, ..Plan::rounds(2) };
    let record = run(&mut [constant("a", 1.0)], each, Script::of_lines(&lines));
    assert_eq!((record.rounds(), record.best_class()), (2, LineClass::Far));
    // The second repetition shows that the machine has another class.
    let lines = [FAR, FAR, NEAR, NEAR, NEAR, FAR, FAR, FAR];
    let record = run(&mut [constant("a", 1.0)], each, Script::of_lines(&lines));
    let rounds = [LineClass::Near, LineClass::Far].map(|class| record.shared_rounds(class));
    assert_eq!((record.rounds(), rounds), (6, [2, 2]));
}

#[test]
fn a_spent_budget_is_said() {
    let plan = Plan { counted: Counted::Of(LineClass::SameCore), rounds: 2, budget: Duration::ZERO };
    let record = run(&mut [constant("a", 1.0)], plan, Script::of_lines(&[NEAR]));
    assert_eq!((record.rounds(), record.ending), (0, Ending::BudgetSpent { have: 0, want: 2 }));
}

#[test]
fn the_stop_flag_ends_it_after_the_repetition_that_runs() {
    let stop = AtomicBool::new(false);
    let stopping = Contestant::new("stopping", || {
        stop.store(true, Ordering::Relaxed);
        Ok(1.0)
    });
    let mut reported = Vec::new();
    let record = interleave(
        &mut [constant("first", 1.0), stopping, constant("never", 1.0)],
        &Plan::rounds(9),
        &mut Script::of_lines(&[NEAR]),
        &stop,
        |progress| reported.push((progress.name.to_owned(), progress.have, progress.want)),
    )
    .unwrap();
    assert_eq!((record.runs.len(), record.ending), (2, Ending::Stopped));
    assert_eq!(reported[0], ("first".to_owned(), 1, 9));
    assert_eq!(reported[1].0, "stopping");
}
