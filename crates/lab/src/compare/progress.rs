//! How far a comparison is, on standard error: a bar with the time left on a terminal, a line a point elsewhere.

use super::record::{Journal, Run};
use super::rounds::Round;
use super::schedule::Schedule;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::io::{IsTerminal, stderr};
use std::time::Duration;

/// Probing the cache line is no part of what a repetition says that it took.
const PROBE: Duration = Duration::from_millis(20);

/// A comparison on its way.
pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    /// The round and sweep that was told last.
    told: Option<(u32, &'static str)>,
}

impl Progress {
    /// Says what is to be done. A repetition counts as long as it is to take.
    pub(crate) fn start(schedule: &Schedule, journal: &Journal) -> Self {
        let (mut left, mut repetitions) = (Duration::ZERO, 0);
        for point in &schedule.points {
            let engines = schedule.engines_of(point);
            for number in journal.whole_rounds(point, &engines)..point.rounds {
                left += Round { point, number, engines: engines.clone() }.time();
                repetitions += engines.len();
            }
        }
        eprintln!(
            "seqring compare: {repetitions} repetitions at {} points, about {}; with those again that cannot be \
             compared, at most {}",
            schedule.points.len(),
            minutes(left.min(schedule.limit)),
            minutes(schedule.limit)
        );
        let bar = ProgressBar::new(millis(left));
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent} %, {eta} left  {msg}") {
            bar.set_style(style);
        }
        Progress { bar, is_terminal: stderr().is_terminal(), told: None }
    }

    /// A round begins, with so much time left to the comparison.
    pub(crate) fn begins(&mut self, round: &Round<'_>, left: Duration) {
        if round.is_again() {
            // All points have their rounds: from here on some get more, until the time is up.
            self.bar.set_length(self.bar.position() + millis(left));
        }
        let name = round.point.sweep.name;
        if !self.is_terminal && self.told != Some((round.number, name)) {
            eprintln!("seqring compare: round {}, {name}", round.number + 1);
        }
        self.told = Some((round.number, name));
    }

    /// A repetition has ended.
    pub(crate) fn ran(&mut self, run: &Run) {
        let took = Duration::try_from_secs_f64(run.elapsed_seconds).unwrap_or_default() + PROBE;
        self.bar.inc(millis(took));
        self.bar.set_message(format!("{} {}: {}", run.sweep, run.x, run.engine));
        if let Err(failure) = &run.outcome {
            self.bar.suspend(|| {
                eprintln!("seqring compare: {} at {} {} failed: {failure}", run.sweep, run.x, run.engine);
            });
        }
    }

    /// Something was found that is no repetition.
    pub(crate) fn say(&self, what: &dyn Display) {
        self.bar.suspend(|| eprintln!("seqring compare: {what}"));
    }

    /// Nothing more comes.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// As people say it.
fn minutes(duration: Duration) -> String {
    format!("{:.0} min", (duration.as_secs_f64() / 60.0).ceil())
}
