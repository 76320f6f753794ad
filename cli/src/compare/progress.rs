//! How far a comparison is, on standard error: a bar with the time left on a terminal, a line a point elsewhere.

use super::death::Death;
use super::record::{Journal, Run};
use super::schedule::Schedule;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::Duration;

/// What a repetition takes besides its time: starting the workers, probing the cache line.
const PREPARATIONS: Duration = Duration::from_millis(60);

/// Probing the cache line is no part of what a repetition says that it took.
const PROBE: Duration = Duration::from_millis(20);

/// A comparison on its way.
pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    last: Option<(String, f64)>,
}

impl Progress {
    /// Says what is to be done. A repetition counts as long as it is to take.
    pub(crate) fn start(schedule: &Schedule, journal: &Journal) -> Self {
        let (mut left, mut repetitions) = (Duration::ZERO, 0);
        for point in &schedule.points {
            let engines = schedule.engines_of(point);
            let rounds = point.rounds.saturating_sub(journal.whole_rounds(point, &engines));
            let more = rounds * engines.len() as u32;
            left += schedule.duration_of(point, rounds) + PREPARATIONS * more;
            repetitions += more;
        }
        eprintln!(
            "seqring compare: {repetitions} repetitions at {} points, about {:.0} min",
            schedule.points.len(),
            (left.as_secs_f64() / 60.0).ceil()
        );
        let bar = ProgressBar::new(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent} %, {eta} left  {msg}") {
            bar.set_style(style);
        }
        Progress { bar, is_terminal: stderr().is_terminal(), last: None }
    }

    /// A repetition has ended.
    pub(crate) fn ran(&mut self, run: &Run) {
        let took = Duration::try_from_secs_f64(run.elapsed_seconds).unwrap_or_default() + PROBE;
        self.bar.inc(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let point = Some((run.sweep.clone(), run.x));
        if self.is_terminal {
            self.bar.set_message(format!("{} {}: {}", run.sweep, run.x, run.engine));
        } else if self.last != point {
            eprintln!("seqring compare: {} at {}", run.sweep, run.x);
        }
        if let Err(failure) = &run.outcome {
            self.bar.suspend(|| {
                eprintln!("seqring compare: {} at {} {} failed: {failure}", run.sweep, run.x, run.engine);
            });
        }
        self.last = point;
    }

    /// A peer was killed.
    pub(crate) fn killed(&self, death: &Death) {
        self.bar.suspend(|| eprintln!("seqring compare: {death}"));
    }

    /// Nothing more comes.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
