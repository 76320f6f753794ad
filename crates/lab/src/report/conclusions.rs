//! Conclusions from a record: computed sentences with numbers and a sign.
//!
//! A difference is *stated* only if the whole spread of the ratio, round by round, lies on one side
//! of 1. A better median within the spread of the runs is no conclusion.

use super::markdown::list;
use super::number::{self, Unit, times};
use super::tables::{Cell, Table, is_met};
use super::{Answers, Data, OURS, Quantile, known, net_rate, p999, rate, target_percent};
use crate::compare::death::Role;
use crate::compare::figures::Figures;
use crate::compare::repetitions::{ENOUGH, Repetitions};
use crate::engines::EngineName;
use harness::spread::Spread;
use std::fmt;

/// The result for the ring of this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Better,
    Worse,
    /// Within the spread of the runs.
    Open,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Better => "ahead",
            Self::Worse => "behind",
            Self::Open => "open",
        })
    }
}

/// A sentence, and its sign.
#[derive(Clone, Debug)]
pub(crate) struct Conclusion {
    /// The question, the same in every record.
    pub(crate) key: String,
    pub(crate) sign: Sign,
    /// Conclusions of the same topic stand together.
    pub(crate) topic: String,
    pub(crate) text: String,
    /// The engine that ours is compared with, of a topic that has one conclusion for each.
    pub(crate) engine: Option<EngineName>,
}

/// The lock that the ring replaces.
const REPLACED: EngineName = EngineName::SemaphoreRwlock;

/// Two rates that differ by less count as equal where copying hides a lock.
const NEARLY: f64 = 1.25;

pub(crate) fn conclusions(data: &Data) -> Vec<Conclusion> {
    let mut all = Vec::new();
    for name in ["readers-polling", "readers-blocking", "readers-processes"] {
        if let Some(answers) = data.sweep(name) {
            all.extend(falls(answers));
            all.extend(against_all(answers, 8.0));
            all.extend(tail(answers, 8.0));
        }
    }
    all.extend(data.sweep("writers").into_iter().flat_map(|answers| against(answers, EngineName::Ticket)));
    all.extend(data.sweep("stalled-writer").and_then(stalled));
    all.extend(data.sweep("bytes").into_iter().flat_map(crossover));
    all.extend(data.sweep("alone").and_then(uncontended));
    all.extend(data.sweep("scenario").map(scenarios));
    all.extend(Role::ALL.into_iter().filter_map(|role| dead(data, role)));
    all
}

/// Conclusions on one topic, which stand together; without those that are rows of [`ratios`].
pub(crate) fn by_topic(conclusions: &[Conclusion]) -> impl Iterator<Item = &[Conclusion]> {
    let topics = conclusions.chunk_by(|one, next| one.topic == next.topic);
    topics.filter(|topic| topic[0].engine.is_none())
}

/// The conclusions of topics with one for each engine: a row for each, a column for each topic.
pub(crate) fn ratios(conclusions: &[Conclusion]) -> Option<Table> {
    let mut topics: Vec<&str> = Vec::new();
    for one in conclusions.iter().filter(|one| one.engine.is_some()) {
        if !topics.contains(&&*one.topic) {
            topics.push(&one.topic);
        }
    }
    let cell = |engine, topic: &str| {
        let of = |one: &&Conclusion| one.engine == Some(engine) && one.topic == topic;
        let Some(Conclusion { text, sign, .. }) = conclusions.iter().find(of) else { return "–".into() };
        let is_met = (*sign != Sign::Open).then_some(*sign == Sign::Better);
        Cell { text: format!("{text}, {sign}"), is_met }
    };
    let has_any = |engine: &&EngineName| conclusions.iter().any(|one| one.engine == Some(**engine));
    let row = |engine: &EngineName| {
        std::iter::once((*engine).into()).chain(topics.iter().map(|topic| cell(*engine, topic))).collect()
    };
    (!topics.is_empty()).then(|| Table {
        name: "ratios".into(),
        title: "Ours over each engine".into(),
        note: format!(
            "The rate of seqring, divided by that of each engine in the same round: median (lowest to highest). At the \
             smallest size also from which size on copying hides the difference (below {NEARLY} ×). Expected over \
             {REPLACED} at 8 readers: at least 20 ×. Net: without what the measurement itself costs, where that changes \
             the ratio by more than 5 %; ahead and behind follow from the ratio with it."
        ),
        head: std::iter::once("seqring over").chain(topics.iter().copied()).map(Into::into).collect(),
        rows: EngineName::ALL.iter().filter(has_any).map(row).collect(),
        chart: None,
    })
}

fn sign(ratio: &Spread) -> Sign {
    match (ratio.min > 1.0, ratio.max < 1.0) {
        _ if ratio.runs.len() < ENOUGH => Sign::Open,
        (true, _) => Sign::Better,
        (_, true) => Sign::Worse,
        _ => Sign::Open,
    }
}

/// Does a writer become slower with more readers? Ours, and the replaced one.
fn falls(answers: &Answers) -> Option<Conclusion> {
    let (first, last) = (answers.points.first()?, answers.points.last()?);
    let of = |engine| {
        let (few, many) = (first.spread(engine, rate)?, last.spread(engine, rate)?);
        let (left, overlap) = (many.median / few.median, many.max >= few.min);
        let (x, percent) = (last.x, 100.0 * left);
        let text = if overlap && left >= 1.0 / NEARLY {
            format!("{engine}: no fall from {} to {x} readers that exceeds the spread", first.x)
        } else if overlap {
            format!(
                "{engine}: {x} readers leave {percent:.0} % of the rate with {}, and the ranges overlap",
                first.x
            )
        } else {
            format!("{engine}: {x} readers leave the writer {percent:.0} % of its rate with {}", first.x)
        };
        (few.runs.len() >= ENOUGH && many.runs.len() >= ENOUGH).then_some((overlap, text))
    };
    let ((ours_stays, ours), (theirs_stays, theirs)) = (of(OURS)?, of(REPLACED)?);
    Some(Conclusion {
        key: format!("{} fall", answers.sweep.name),
        sign: match (ours_stays, theirs_stays) {
            (true, false) => Sign::Better,
            (false, true) => Sign::Worse,
            _ => Sign::Open,
        },
        topic: answers.sweep.title.to_owned(),
        text: format!("{ours}; {theirs}."),
        engine: None,
    })
}

/// The rate of the writer against every other engine, at one point.
fn against_all(answers: &Answers, x: f64) -> Vec<Conclusion> {
    let Some(point) = answers.at(x) else { return Vec::new() };
    let one = |engine| {
        let ratio = point.ratio(OURS, engine, rate)?;
        let net = point.ratio(OURS, engine, net_rate);
        let net = net.filter(|net| net.median > 1.05 * ratio.median);
        let net = net.map_or_else(String::new, |net| format!("; net {}", times(net.median)));
        Some(Conclusion {
            key: format!("{} at {x} against {engine}", answers.sweep.name),
            sign: sign(&ratio),
            topic: format!("{x} {}, {}", answers.sweep.axis, answers.sweep.name),
            text: Unit::Times.spread(&ratio) + &net,
            engine: Some(engine),
        })
    };
    answers.others().filter_map(one).collect()
}

/// The tail of the writer against the replaced one, at one point: the highest quantile that is
/// known of both.
fn tail(answers: &Answers, x: f64) -> Option<Conclusion> {
    let point = answers.at(x)?;
    let quantiles: [(&str, Quantile); 2] = [("p99.9", p999), ("p99", |latency| latency.p99)];
    let (name, ratio) = quantiles.into_iter().find_map(|(name, quantile)| {
        let latency = |figures: &Figures| known(figures.writer_latency_ns, quantile);
        Some((name, point.ratio(REPLACED, OURS, latency)?))
    })?;
    Some(Conclusion {
        key: format!("{} at {x}: the writer's tail", answers.sweep.name),
        sign: sign(&ratio),
        topic: format!("{}: {name} of a write at {x} readers, theirs over ours", answers.sweep.title),
        text: format!("{REPLACED}: {}; expected: at least 50 ×", Unit::Times.spread(&ratio)),
        engine: None,
    })
}

/// The rate against one engine, at every point.
fn against(answers: &Answers, engine: EngineName) -> Vec<Conclusion> {
    let at = |point: &Repetitions| {
        let ratio = point.ratio(OURS, engine, rate)?;
        Some(Conclusion {
            key: format!("{} at {} against {engine}", answers.sweep.name, point.x),
            sign: sign(&ratio),
            topic: format!(
                "{}: rate of seqring over {engine}, by {}",
                answers.sweep.title, answers.sweep.axis
            ),
            text: format!("{}: {}", point.x, Unit::Times.spread(&ratio)),
            engine: None,
        })
    };
    answers.points.iter().filter_map(at).collect()
}

/// The rate of the other writers while one stays in the middle of a write.
fn stalled(answers: &Answers) -> Option<Conclusion> {
    let (without, with) = (answers.at(0.0)?, answers.at(1.0)?);
    let left = |engine| Some(with.spread(engine, rate)?.median / without.spread(engine, rate)?.median);
    let ours = left(OURS)?;
    let others: Vec<_> =
        answers.others().filter_map(|engine| left(engine).map(|left| (engine, left))).collect();
    let (stopped, going): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, left)| *left < 0.5);
    let enough = with.spread(OURS, rate).is_some_and(|spread| spread.runs.len() >= ENOUGH);
    Some(Conclusion {
        key: "stalled writer".into(),
        sign: match () {
            () if enough && ours >= 0.8 && !stopped.is_empty() => Sign::Better,
            () if enough && ours < 0.5 => Sign::Worse,
            () => Sign::Open,
        },
        topic: answers.sweep.title.into(),
        text: format!(
            "the others keep {:.0} % of their rate in seqring; stopped with it: {}; others that go on: {}.",
            100.0 * ours,
            list(stopped.iter().map(|(engine, _)| engine)),
            list(going.iter().map(|(engine, left)| format!("{engine} ({:.0} %)", 100.0 * left)))
        ),
        engine: None,
    })
}

/// The size from which on a lock no longer shows.
fn crossover(answers: &Answers) -> Vec<Conclusion> {
    let one = |engine: EngineName| {
        let ratios: Vec<(f64, Spread)> = answers
            .points
            .iter()
            .filter_map(|point| Some((point.x, point.ratio(OURS, engine, rate)?)))
            .collect();
        let ((smallest, first), (largest, last)) = (ratios.first()?, ratios.last()?);
        // The smallest size from which on seqring is never ahead by more than a little.
        let hidden = ratios.iter().rposition(|(_, ratio)| ratio.median > NEARLY).map_or(0, |last| last + 1);
        let from = ratios.get(hidden).map_or_else(
            || format!("at {} still {}", number::bytes(*largest), times(last.median)),
            |(x, _)| format!("hidden from {} on", number::bytes(*x)),
        );
        Some(Conclusion {
            key: format!("crossover against {engine}"),
            sign: sign(first),
            topic: format!("{}, bytes", number::bytes(*smallest)),
            text: format!("{}; {from}", Unit::Times.spread(first)),
            engine: Some(engine),
        })
    };
    answers.others().filter_map(one).collect()
}

/// Which engines are cheaper without contention.
fn uncontended(answers: &Answers) -> Option<Conclusion> {
    let point = answers.points.first()?;
    let (mut cheaper, mut dearer) = (Vec::new(), Vec::new());
    for engine in answers.others() {
        let Some(ratio) = point.ratio(engine, OURS, |figures| figures.cpu_ns_per_message) else { continue };
        let text = format!("{engine} ({})", times(ratio.median));
        match sign(&ratio) {
            Sign::Better => dearer.push(text),
            Sign::Worse => cheaper.push(text),
            Sign::Open => {}
        }
    }
    (!cheaper.is_empty() || !dearer.is_empty()).then(|| Conclusion {
        key: "uncontended".into(),
        sign: if cheaper.is_empty() { Sign::Better } else { Sign::Worse },
        topic: format!("Without contention, writing and reading {}", number::bytes(point.x)),
        text: format!("costs less than with seqring in: {}; more in: {}.", list(&cheaper), list(&dearer)),
        engine: None,
    })
}

/// Which engines reach the rates of the five scenarios.
fn scenarios(answers: &Answers) -> Conclusion {
    let all = |engine: &EngineName, holds: fn(&Spread) -> bool| {
        answers.points.iter().all(|point| point.spread(*engine, target_percent).is_some_and(|s| holds(&s)))
    };
    let (compared, unknown): (Vec<_>, Vec<_>) =
        answers.engines().into_iter().partition(|engine| all(engine, |_| true));
    let (met, missed): (Vec<_>, Vec<_>) = compared.into_iter().partition(|engine| all(engine, is_met));
    Conclusion {
        key: "scenarios".into(),
        sign: match (met.contains(&OURS), missed.is_empty()) {
            (true, false) => Sign::Better,
            (false, _) if missed.contains(&OURS) && !met.is_empty() => Sign::Worse,
            _ => Sign::Open,
        },
        topic: answers.sweep.title.into(),
        text: format!(
            "within 1.5 % of the rate in every run: {}; not: {}; without comparable runs of each: {}.",
            list(&met),
            list(&missed),
            list(&unknown)
        ),
        engine: None,
    }
}

/// Which engines go on without a killed peer.
fn dead(data: &Data, role: Role) -> Option<Conclusion> {
    let names = |went_on: bool| {
        let deaths = data.deaths.iter().filter(|death| death.killed == role && death.went_on == went_on);
        list(deaths.map(|death| death.engine))
    };
    Some(Conclusion {
        key: format!("deaths {role:?}"),
        sign: if data.death(OURS, role)?.went_on { Sign::Better } else { Sign::Worse },
        topic: match role {
            Role::Writer => "A writer killed in the middle of a write".into(),
            Role::Reader => "A reader killed in the middle of a read".into(),
        },
        text: format!("the others go on in: {}; they stop in: {}.", names(true), names(false)),
        engine: None,
    })
}

/// What does not follow from the record.
pub(crate) fn limits(data: &Data) -> Vec<String> {
    let machine = &data.header.machine;
    let mut limits = vec![
        format!(
            "One machine: {}, {} cores{}. With more cores readers do not share one, and a holder of a lock is preempted \
             less often: the falls are then smaller.",
            machine.cpu_model,
            machine.allowed_cores,
            if machine.virtual_machine { ", virtual" } else { "" }
        ),
        "Readers on one core that poll without a pause are the worst case for a lock, and not a usual one: see the sweep \
         over the polling interval."
            .into(),
        "Lossy rings: a writer that overtakes its readers is not a faster pipeline. Reads a second are in the record."
            .into(),
        "Lock-based rings wait as code that uses such locks does. Other ways of waiting would improve one figure at the \
         cost of another."
            .into(),
    ];
    let (used, dropped) = data.counts();
    let dropped: usize = dropped.0.iter().sum();
    limits.push(format!("{used} repetitions are used, {dropped} are not (last table)."));
    if data.header.quick {
        limits.push("A quick run: few rounds, so spreads are rough.".into());
    }
    limits
}
