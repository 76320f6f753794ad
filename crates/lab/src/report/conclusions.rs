//! What follows from a record, and what does not: sentences with numbers and a sign, all of them computed.
//!
//! Something is *stated* only if the whole spread of the ratio, round by round, lies on one side: a median that is
//! better by less than the runs differ says nothing.

use super::data::{Answer, Answers, Data, rate, writer_p999};
use super::number;
use super::tables::is_met;
use crate::compare::death::Who;
use crate::compare::repetitions::ENOUGH;
use crate::engines::EngineName;
use harness::spread::Spread;
use std::fmt;

/// What a conclusion says of this library's ring.
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

/// A sentence, and the sign of what it says.
#[derive(Clone, Debug)]
pub(crate) struct Conclusion {
    /// The question, the same in every record.
    pub(crate) key: String,
    pub(crate) sign: Sign,
    /// What it is about; those that have it in common stand together.
    pub(crate) topic: String,
    pub(crate) text: String,
}

const OURS: EngineName = EngineName::Seqring;
const REPLACED: EngineName = EngineName::SemaphoreRwlock;

/// Two rates that differ by less are taken for equal where a lock "is hidden".
const NEARLY: f64 = 1.25;

/// Everything that follows.
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
    all.extend(data.sweep("stalled-writer").into_iter().filter_map(stalled));
    all.extend(data.sweep("bytes").into_iter().flat_map(crossover));
    all.extend(data.sweep("alone").and_then(uncontended));
    all.extend(data.sweep("scenario").map(scenarios));
    all.extend(dead(data));
    all
}

fn sign(ratio: &Spread) -> Sign {
    if ratio.runs.len() < ENOUGH {
        return Sign::Open;
    }
    match (ratio.min > 1.0, ratio.max < 1.0) {
        (true, _) => Sign::Better,
        (_, true) => Sign::Worse,
        _ => Sign::Open,
    }
}

/// Does a writer become slower with more readers? Ours, and that which it replaces.
fn falls(answers: &Answers) -> Vec<Conclusion> {
    let (Some(first), Some(last)) = (answers.points.first(), answers.points.last()) else {
        return Vec::new();
    };
    let of = |engine| {
        let (few, many) = (first.spread(engine, rate)?, last.spread(engine, rate)?);
        let left = many.median / few.median;
        if few.runs.len() < ENOUGH || many.runs.len() < ENOUGH {
            return None;
        }
        let overlap = many.max >= few.min;
        let text = if overlap && left >= 1.0 / NEARLY {
            format!("{engine}: no fall from {} to {} readers that exceeds the spread", first.x, last.x)
        } else if overlap {
            format!(
                "{engine}: {} readers leave {:.0} % of the rate with {}, and the ranges overlap",
                last.x,
                100.0 * left,
                first.x
            )
        } else {
            format!(
                "{engine}: {} readers leave the writer {:.0} % of its rate with {}",
                last.x,
                100.0 * left,
                first.x
            )
        };
        Some((overlap, text))
    };
    let (Some((ours_stays, ours)), Some((theirs_stays, theirs))) = (of(OURS), of(REPLACED)) else {
        return Vec::new();
    };
    let sign = match (ours_stays, theirs_stays) {
        (true, false) => Sign::Better,
        (false, true) => Sign::Worse,
        _ => Sign::Open,
    };
    let key = format!("{} fall", answers.sweep.name);
    let topic = answers.sweep.title.to_owned();
    vec![Conclusion { key, sign, topic, text: format!("{ours}; {theirs}.") }]
}

/// The writer's rate against every other engine's, at one point.
fn against_all(answers: &Answers, x: f64) -> Vec<Conclusion> {
    let Some(point) = answers.at(x) else { return Vec::new() };
    let others = answers.engines().into_iter().filter(|engine| *engine != OURS);
    let one = |engine| {
        let ratio = point.ratio(OURS, engine, rate)?;
        let expected = if engine == REPLACED { "; expected: at least 20 ×" } else { "" };
        Some(Conclusion {
            key: format!("{} at {x} against {engine}", answers.sweep.name),
            sign: sign(&ratio),
            topic: format!("{}: seqring's writer at {x} readers, in rates of", answers.sweep.title),
            text: format!("{engine}'s: {}{expected}", number::spread(&ratio, number::times)),
        })
    };
    others.filter_map(one).collect()
}

/// The writer's 99.9th percentile against that which is replaced, at one point.
fn tail(answers: &Answers, x: f64) -> Option<Conclusion> {
    let ratio = answers.at(x)?.ratio(REPLACED, OURS, writer_p999)?;
    Some(Conclusion {
        key: format!("{} at {x}: the writer's p99.9", answers.sweep.name),
        sign: sign(&ratio),
        topic: format!(
            "{}: {REPLACED}'s p99.9 of a write at {x} readers, in those of seqring's",
            answers.sweep.title
        ),
        text: format!("{}; expected: at least 50 ×", number::spread(&ratio, number::times)),
    })
}

/// The rate against one engine, at every point.
fn against(answers: &Answers, engine: EngineName) -> Vec<Conclusion> {
    let at = |point: &Answer| {
        let ratio = point.ratio(OURS, engine, rate)?;
        Some(Conclusion {
            key: format!("{} at {} against {engine}", answers.sweep.name, point.x),
            sign: sign(&ratio),
            topic: format!(
                "{}: seqring in rates of {engine}'s, by {}",
                answers.sweep.title, answers.sweep.axis
            ),
            text: format!("{}: {}", point.x, number::spread(&ratio, number::times)),
        })
    };
    answers.points.iter().filter_map(at).collect()
}

/// What a writer that stands in the middle of a write leaves to the others.
fn stalled(answers: &Answers) -> Option<Conclusion> {
    let (without, with) = (answers.at(0.0)?, answers.at(1.0)?);
    let left = |engine| Some(with.spread(engine, rate)?.median / without.spread(engine, rate)?.median);
    let ours = left(OURS)?;
    let mut stopped = Vec::new();
    let mut going = Vec::new();
    for engine in answers.engines().into_iter().filter(|engine| *engine != OURS) {
        match left(engine) {
            Some(left) if left < 0.5 => stopped.push(engine.to_string()),
            Some(left) => going.push(format!("{engine} ({:.0} %)", 100.0 * left)),
            None => {}
        }
    }
    let enough = with.spread(OURS, rate).is_some_and(|spread| spread.runs.len() >= ENOUGH);
    let sign = if !enough {
        Sign::Open
    } else if ours >= 0.8 && !stopped.is_empty() {
        Sign::Better
    } else if ours < 0.5 {
        Sign::Worse
    } else {
        Sign::Open
    };
    let list = |engines: &[String]| if engines.is_empty() { "none".into() } else { engines.join(", ") };
    Some(Conclusion {
        key: "stalled writer".into(),
        sign,
        topic: "One writer stands in the middle of a write".into(),
        text: format!(
            "the others keep {:.0} % of their rate in seqring; stopped with it: {}; others that go on: {}.",
            100.0 * ours,
            list(&stopped),
            list(&going)
        ),
    })
}

/// From which size on a lock no longer shows.
fn crossover(answers: &Answers) -> Vec<Conclusion> {
    let one = |engine: EngineName| {
        let ratios: Vec<(f64, Spread)> = answers
            .points
            .iter()
            .filter_map(|point| Some((point.x, point.ratio(OURS, engine, rate)?)))
            .collect();
        let (smallest, first) = ratios.first()?;
        // The smallest size from which on seqring is never ahead by more than a little.
        let hidden = ratios.iter().rposition(|(_, ratio)| ratio.median > NEARLY).map_or(0, |last| last + 1);
        let (largest, last) = ratios.last()?;
        let from = ratios.get(hidden).map_or_else(
            || format!("at {} still {}", number::bytes(*largest), number::times(last.median)),
            |(x, _)| format!("hidden from {} on", number::bytes(*x)),
        );
        Some(Conclusion {
            key: format!("crossover against {engine}"),
            sign: sign(first),
            topic: format!(
                "Larger messages: seqring's rate at {} in those of others, and from which size on copying hides the \
                 difference (below {NEARLY} ×)",
                number::bytes(*smallest)
            ),
            text: format!("{engine}'s: {}; {from}", number::spread(first, number::times)),
        })
    };
    answers.engines().into_iter().filter(|engine| *engine != OURS).filter_map(one).collect()
}

/// Who is cheaper where nobody contends.
fn uncontended(answers: &Answers) -> Option<Conclusion> {
    let point = answers.points.first()?;
    let (mut cheaper, mut dearer) = (Vec::new(), Vec::new());
    for engine in answers.engines().into_iter().filter(|engine| *engine != OURS) {
        let Some(ratio) = point.ratio(engine, OURS, |figures| figures.cpu_ns_per_message) else { continue };
        let text = format!("{engine} ({})", number::times(ratio.median));
        match sign(&ratio) {
            Sign::Better => dearer.push(text),
            Sign::Worse => cheaper.push(text),
            Sign::Open => {}
        }
    }
    if cheaper.is_empty() && dearer.is_empty() {
        return None;
    }
    let list = |engines: &[String]| if engines.is_empty() { "none".into() } else { engines.join(", ") };
    Some(Conclusion {
        key: "uncontended".into(),
        sign: if cheaper.is_empty() { Sign::Better } else { Sign::Worse },
        topic: format!("Where nobody contends, writing and reading {}", number::bytes(point.x)),
        text: format!("costs less than with seqring in: {}; more in: {}.", list(&cheaper), list(&dearer)),
    })
}

/// Who meets the five scenarios.
fn scenarios(answers: &Answers) -> Conclusion {
    let meets = |engine: EngineName| {
        let percent = |point: &Answer| point.spread(engine, |f| f.target_percent.unwrap_or(f64::NAN));
        answers.points.iter().all(|point| percent(point).is_some_and(|spread| is_met(&spread)))
    };
    let compared =
        |engine: &EngineName| answers.points.iter().all(|point| point.spread(*engine, rate).is_some());
    let (compared, unknown): (Vec<_>, Vec<_>) = answers.engines().into_iter().partition(compared);
    let (met, missed): (Vec<_>, Vec<_>) = compared.into_iter().partition(|engine| meets(*engine));
    let list = |engines: &[EngineName]| {
        let names: Vec<String> = engines.iter().map(ToString::to_string).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    };
    Conclusion {
        key: "scenarios".into(),
        sign: match (met.contains(&OURS), missed.is_empty()) {
            (true, false) => Sign::Better,
            (false, _) if missed.contains(&OURS) && !met.is_empty() => Sign::Worse,
            _ => Sign::Open,
        },
        topic: "The five scenarios".into(),
        text: format!(
            "within 1.5 % of the rate in every run: {}; not: {}; without comparable runs of each: {}.",
            list(&met),
            list(&missed),
            list(&unknown)
        ),
    }
}

/// Who goes on without a killed peer.
fn dead(data: &Data) -> Vec<Conclusion> {
    let of = |who: Who| {
        let what = match who {
            Who::Writer => "A writer killed in the middle of a write",
            Who::Reader => "A reader killed in the middle of a read",
        };
        let names = |went_on: bool| {
            let deaths = data.deaths.iter().filter(|death| death.killed == who && death.went_on == went_on);
            let names: Vec<String> = deaths.map(|death| death.engine.to_string()).collect();
            if names.is_empty() { "none".into() } else { names.join(", ") }
        };
        let ours = data.death(OURS, who)?;
        Some(Conclusion {
            key: format!("deaths {who:?}"),
            sign: if ours.went_on { Sign::Better } else { Sign::Worse },
            topic: what.into(),
            text: format!("stops nobody in: {}; stops all in: {}.", names(true), names(false)),
        })
    };
    Who::ALL.into_iter().filter_map(of).collect()
}

/// Conclusions on one topic, which stand together.
pub(crate) fn by_topic(conclusions: &[Conclusion]) -> impl Iterator<Item = &[Conclusion]> {
    conclusions.chunk_by(|one, next| one.topic == next.topic)
}

/// What does not follow.
pub(crate) fn limits(data: &Data) -> Vec<String> {
    let machine = &data.header.machine;
    let mut limits = vec![
        format!(
            "One machine: {}, {} cores{}. With more cores readers do not share one, and a holder of a lock is \
             preempted more rarely: the falls are then smaller.",
            machine.cpu_model,
            machine.allowed_cores,
            if machine.virtual_machine { ", virtual" } else { "" }
        ),
        "Readers on one core, polling without a pause, are the worst case for a lock and no usual one: compare the \
         sweep over the interval between two looks."
            .into(),
        "Lossy rings: a writer that outruns its readers is not a faster pipeline. Reads a second are in the record."
            .into(),
        "Baselines wait as such code does, which is not the best that they could for one figure at the cost of another."
            .into(),
    ];
    let (used, dropped) = data
        .sweeps
        .iter()
        .flat_map(|answers| &answers.points)
        .map(Answer::counts)
        .fold((0, 0), |(used, dropped), (here, not)| (used + here, dropped + not.total()));
    limits.push(format!("{used} repetitions are used, {dropped} are not (last table)."));
    if data.header.quick {
        limits.push("A quick run: few rounds, so spreads are rough.".into());
    }
    limits
}
