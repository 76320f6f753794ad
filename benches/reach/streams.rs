//! Rows: messages a second between two threads.

use crate::stream::Stream;
use crate::wait::Wait;
use harness::class::LineClass;
use harness::peer::Peers;
use harness::repeat::{Contestant, Record};
use harness::table::judge::{Best, Bound, by_figure};
use harness::table::{Figures, Session};
use harness::table::{Finding, Row};
use seqring::{Config, Delivery, SlotClass};

/// The requirements name messages a second, not a ratio: they were set where a cache line goes between two
/// cores and back in 45 to 110 ns, and are judged there.
const CLASS: LineClass = LineClass::Near;

/// Of what was published, this much must arrive.
const LEAST_SHARE: f64 = 0.95;

/// A row's ring, and how many million messages a second it must pass.
#[derive(Clone, Copy)]
struct Goal {
    name: &'static str,
    slots: usize,
    bytes: usize,
    delivery: Delivery,
    millions: f64,
}

const GOALS: [Goal; 3] = [
    Goal { name: "threads-64", slots: 1024, bytes: 64, delivery: Delivery::Gated, millions: 45.0 },
    Goal { name: "threads-8", slots: 1024, bytes: 8, delivery: Delivery::Gated, millions: 200.0 },
    Goal { name: "threads-8-lossy", slots: 65_536, bytes: 8, delivery: Delivery::Lossy, millions: 450.0 },
];

pub(crate) fn rows() -> impl Iterator<Item = Row> {
    GOALS.into_iter().map(|goal| {
        let Goal { name, slots, bytes, delivery, millions } = goal;
        let what = format!(
            "1 writer, 1 reader, two threads, heap, {slots} slots x {bytes} B, {delivery:?}, packed and lines, {} \
             manners of waiting, pinned; every word of every message checked",
            Wait::ALL.len()
        );
        let share = match delivery {
            Delivery::Gated | Delivery::Queue => String::new(),
            Delivery::Lossy => format!(", >= {:.0} % of what is published", 100.0 * LEAST_SHARE),
        };
        let required = format!(">= {millions} M msg/s received{share}; class {CLASS}");
        Row::new(name, what, required, move |session| measure(session, goal))
    })
}

fn measure(session: &Session, goal: Goal) -> Result<Finding, String> {
    let mut contestants: Vec<_> = [SlotClass::Packed, SlotClass::Lines]
        .into_iter()
        .flat_map(|class| Wait::ALL.map(|wait| contestant(session, goal, class, wait)))
        .collect();
    let record = session.interleave(goal.name, "M msg/s", Some(CLASS), &mut contestants)?;
    let bound = (Bound::at_least(goal.millions), "M msg/s");
    by_figure(session, &record, CLASS, bound, |best| match goal.delivery {
        Delivery::Gated | Delivery::Queue => (true, String::new()),
        Delivery::Lossy => share(&record, best),
    })
}

fn contestant(session: &Session, goal: Goal, class: SlotClass, wait: Wait) -> Contestant<'static, Figures> {
    let config = Config::new(goal.slots, goal.bytes).slot_class(class).delivery(goal.delivery);
    let (cores, duration) = (session.cores, session.effort.repetition);
    let stream = Stream { config, peers: Peers::Threads, cores, duration };
    Contestant::new(format!("{class:?}, {wait}"), move || stream.repetition(wait))
}

/// Whether enough of what was published arrived, and what it looks like when a reader falls behind.
fn share(record: &Record<Figures>, best: &Best) -> (bool, String) {
    let of = |name: &'static str| {
        let summary = record.summary(best.contestant, CLASS, |figures| figures.also(name));
        summary.spread.expect("the same runs as the main figure")
    };
    let (share, published, lags) = (of("share"), of("published"), of("lags"));
    let remark = format!(
        "; received of published: {share:.3}; published: {published:.1}; lagged {:.0} times a run ({:.0} to {:.0})",
        lags.median, lags.min, lags.max
    );
    (share.median >= LEAST_SHARE, remark)
}
