//! Rows: how soon a process goes on when the process that it waits for is killed, and what waiting
//! costs until then.
//!
//! A victim, a process of its own, gets into the survivor's way and is killed while the survivor
//! waits in one call. What is counted is the time from just before the kill to the call's return:
//! the kernel's clearing up after the victim, the rest of the survivor's sleep, and its recovery.
//! The kills are spread over twice the longest sleep, so that they meet it at every phase. Another
//! series kills first and then tries without waiting: that is the recovery alone.
//!
//! Not here: a writer that finds a queue full. Any taker makes room for it, so no single process is
//! in its way.

mod survivor;
mod victim;

use crate::text;
use harness::clock::Moment;
use harness::latency::{Latencies, Quantiles};
use harness::table::{Finding, Row, Session};
use harness::usage::{Usage, Who};
use seqring::{Config, Delivery, Ring, SlotClass, Writers};
use std::thread;
use std::time::Duration;
use survivor::Survivor;
use victim::Victim;

const BYTES: usize = 64;
const SLOTS: usize = 4;

const LONGEST_P99: Duration = Duration::from_millis(50);
const LONGEST_RECOVERY: Duration = Duration::from_millis(5);
const MOST_CPU: f64 = 0.01;

/// By then a waiting thread sleeps.
const SETTLED: Duration = Duration::from_millis(5);
/// Kills are spread over so long: twice the longest sleep between processes.
const SPREAD: Duration = Duration::from_millis(80);
/// A survivor that waits has checked the other processes once; it does so again after this.
const UNTIL_NEXT_CHECK: Duration = Duration::from_millis(25);

/// Which process waits for which, in which ring.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    what: &'static str,
    config: fn() -> Config,
    victim: Victim,
    survivor: fn(&Ring, &str) -> Result<Survivor, String>,
}

const CASES: [Case; 8] = [
    Case {
        name: "recovery-writer",
        what: "the writer of a full gated ring, behind a reader that is killed",
        config: || gated().slot_class(SlotClass::Lines),
        victim: Victim::Reader,
        survivor: Survivor::blocked,
    },
    Case {
        name: "recovery-view",
        what: "the writer of a full gated ring, behind a reader that is killed with a view",
        config: || gated().slot_class(SlotClass::Arena),
        victim: Victim::Viewer,
        survivor: Survivor::blocked,
    },
    Case {
        name: "recovery-many",
        what: "one of many writers of a full gated ring, behind a reader that is killed",
        config: || gated().writers(Writers::Many),
        victim: Victim::Reader,
        survivor: Survivor::blocked,
    },
    Case {
        name: "recovery-reader",
        what: "a reader, when the writer is killed",
        config: || lossy().slot_class(SlotClass::Packed),
        victim: Victim::Writer,
        survivor: Survivor::reading,
    },
    Case {
        name: "recovery-reader-many",
        what: "a reader of a ring for many writers, when the last of them is killed",
        config: || gated().writers(Writers::Many),
        victim: Victim::Writer,
        survivor: Survivor::reading,
    },
    Case {
        name: "recovery-taker",
        what: "a taker, when the last writer is killed",
        config: queue,
        victim: Victim::Writer,
        survivor: Survivor::taking,
    },
    Case {
        name: "recovery-message",
        what: "a taker, when another one is killed with a message in hand: it gets that message",
        config: queue,
        victim: Victim::Taker,
        survivor: Survivor::adopting,
    },
    Case {
        name: "recovery-observer",
        what: "an observer, when the writer is killed",
        config: || lossy().observers(true),
        victim: Victim::Writer,
        survivor: Survivor::observing,
    },
];

fn gated() -> Config {
    Config::slots(SLOTS).of_bytes(BYTES)
}

fn lossy() -> Config {
    Config::slots(SLOTS).of_bytes(BYTES).delivery(Delivery::Lossy)
}

fn queue() -> Config {
    Config::slots(SLOTS).of_bytes(BYTES).delivery(Delivery::Queue)
}

pub(crate) fn rows() -> impl Iterator<Item = Row> {
    CASES.into_iter().map(|case| {
        let what = format!("{}; processes, default waiting, 200 kills (--quick: 10)", case.what);
        let required = format!(
            "goes on within {LONGEST_P99:?} (p99), {LONGEST_RECOVERY:?} from where it tries again after the death (p99); \
             waits with < {:.0} % of a core",
            100.0 * MOST_CPU
        );
        Row::new(case.name, what, required, move |session| case.measure(session))
            .with_other_end(move |arguments| case.victim.stay(arguments))
    })
}

impl Case {
    fn measure(self, session: &Session) -> Result<Finding, String> {
        let name = format!("reach-{}-{}", self.name, std::process::id());
        let ring = Ring::create(&name, &(self.config)()).map_err(text)?;
        let mut survivor = (self.survivor)(&ring, &name)?;
        let (mut waits, mut tries) = (Latencies::new(), Latencies::new());
        let (mut waited, mut cpu) = (Duration::ZERO, Duration::ZERO);
        for kill in 0..session.effort.kills {
            if session.is_stopped() {
                return Err("interrupted".into());
            }
            let wait = self.kill_while_it_waits(&mut survivor, &name, phase(kill))?;
            waits.record(nanos(wait.recovered));
            (waited, cpu) = (waited + wait.in_all, cpu + wait.cpu);
            tries.record(nanos(self.try_after_a_kill(&mut survivor, &name)?));
        }
        let quantiles = |latencies: &Latencies| latencies.quantiles().ok_or("nothing was killed");
        let (waits, tries) = (quantiles(&waits)?, quantiles(&tries)?);
        let share = cpu.as_secs_f64() / waited.as_secs_f64();
        let reached =
            p99(&waits) <= nanos(LONGEST_P99) && p99(&tries) <= nanos(LONGEST_RECOVERY) && share < MOST_CPU;
        let measured = format!(
            "{} kills: {}; trying after the death: {}; {:.2} % of a core while waiting",
            waits.count,
            brief(&waits),
            brief(&tries),
            100.0 * share
        );
        Ok(Finding::new(reached, measured))
    }

    /// The survivor waits for a victim, which is killed so long after.
    fn kill_while_it_waits(
        self,
        survivor: &mut Survivor,
        ring: &str,
        after: Duration,
    ) -> Result<Waited, String> {
        survivor.welcome()?;
        let mut victim = Victim::start(self.name, ring)?;
        survivor.approach()?;
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let (begin, before) = (Moment::now(), Usage::of(Who::Thread));
                survivor.wait()?;
                let end = Moment::now();
                Ok::<_, String>((begin, end, Usage::of(Who::Thread).since(&before).cpu))
            });
            thread::sleep(after);
            let killed = Moment::now();
            victim.kill().and_then(|()| victim.wait()).map_err(text)?;
            let (begin, end, cpu) = waiting.join().map_err(|_| "the survivor panicked")??;
            if end < killed {
                return Err("it went on before the victim was killed".into());
            }
            Ok(Waited { recovered: end.since(killed), in_all: end.since(begin), cpu })
        })
    }

    /// How long the survivor tries to go on when a victim is dead, and it has not checked the
    /// others lately.
    fn try_after_a_kill(self, survivor: &mut Survivor, ring: &str) -> Result<Duration, String> {
        survivor.welcome()?;
        let mut victim = Victim::start(self.name, ring)?;
        survivor.approach()?;
        victim.kill().and_then(|()| victim.wait()).map_err(text)?;
        thread::sleep(UNTIL_NEXT_CHECK);
        let begin = Moment::now();
        while !survivor.attempt()? {
            if begin.elapsed() > survivor::NEVER {
                return Err("it tries for ever".into());
            }
        }
        Ok(begin.elapsed())
    }
}

/// One kill of a process that the survivor waits for.
struct Waited {
    /// From the kill to the survivor's going on.
    recovered: Duration,
    /// From the start of the wait.
    in_all: Duration,
    /// CPU time of the survivor's thread meanwhile.
    cpu: Duration,
}

/// How long after the survivor began to wait a kill comes: by the golden ratio, so that few kills
/// are spread evenly, too.
fn phase(kill: usize) -> Duration {
    SETTLED + SPREAD.mul_f64((kill as f64 * 0.618_033_988_75).fract())
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The 99th percentile; of a trial with few kills the longest.
fn p99(quantiles: &Quantiles) -> u64 {
    quantiles.p99.unwrap_or(quantiles.max)
}

fn brief(quantiles: &Quantiles) -> String {
    let [p50, p99, max] = [quantiles.p50, p99(quantiles), quantiles.max].map(Duration::from_nanos);
    format!("p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}")
}
