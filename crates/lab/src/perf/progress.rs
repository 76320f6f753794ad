//! How far a run is, on standard error: a bar on a terminal, one line elsewhere.

use super::plan::Plan;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// A run on its way. The bar disappears on drop.
pub(crate) struct Progress {
    bar: ProgressBar,
    begin: Instant,
    duration: Duration,
}

impl Progress {
    /// How often to [`advance`](Self::advance).
    pub(crate) const PERIOD: Duration = Duration::from_millis(100);

    /// Says that the clock starts.
    pub(crate) fn start(plan: &Plan) -> Self {
        eprintln!(
            "seqring perf: running for {} s, {} and {} over {} slots of {} bytes",
            plan.duration_seconds,
            crowd(plan.writers, "writer"),
            crowd(plan.readers, "reader"),
            plan.slots,
            plan.slot_bytes
        );
        let duration = plan.duration();
        let bar = ProgressBar::new(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {elapsed} {msg}") {
            bar.set_style(style);
        }
        Progress { bar, begin: Instant::now(), duration }
    }

    /// Draws the bar as it is now.
    pub(crate) fn advance(&mut self) {
        let elapsed = self.begin.elapsed();
        self.bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        if elapsed > self.duration {
            self.bar.set_message("readers get what is left");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn crowd(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
