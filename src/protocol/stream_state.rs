//! Whether the stream of a ring goes on, and how it ended.
//!
//! ```text
//! Fresh ──writer joins──▶ Open ──last writer leaves─────────▶ Ended ──writer joins──▶ Open …
//!                         Open ──last writer is found dead──▶ Died  ──writer joins──▶ Open …
//!   any state ──close()──▶ Closed, for good
//!   in a forked child, what it inherited is Forked: it says so, and does nothing
//! ```
//!
//! A reader that finds nothing looks here. The end of a stream is stored after its last message is published, so the
//! reader that sees an end looks at its slot once more before it reports it: what is not there then will not come.
//!
//! # Deaths
//! One exchange of this word is the verdict that the last writer died, and names its process; so everybody agrees on it.
//! Whoever replaces a verdict by the next state first writes it down in the table of deaths, where a reader finds it
//! that was elsewhere meanwhile. A reader is told of each death once, when it has read what was published: it remembers
//! the change of state up to which it knows them ([`StreamObserver`]). The table keeps the last eight; a reader that sleeps over
//! more is told of those.
//!
//! # Pairings
//! | name  | releases             | acquires                | without it                                 |
//! |-------|----------------------|-------------------------|--------------------------------------------|
//! | `End` | the state's exchange | the reader's load of it | the end is reported, the last message lost |

use crate::memory::Memory;
use crate::memory::format::DEATHS_KEPT;
use crate::sync::failpoint::{self, Failpoint};
use crate::sync::mutation::{Mutation, is_active};
use crate::sync::{End, Pair, Relaxed, acq_rel, acquire, full_fence, load_to_exchange};

/// The state of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No writer has come yet.
    Fresh,
    /// A writer is registered.
    Open,
    /// The last writer left; another may come.
    Ended,
    /// The last writer died; another may come.
    Died,
    /// Closed for good.
    Closed,
    /// This memory is a forked child's copy.
    Forked,
}

impl Phase {
    /// Whether somebody may be about to publish.
    pub(crate) fn goes_on(self) -> bool {
        matches!(self, Phase::Fresh | Phase::Open)
    }

    const fn code(self) -> u64 {
        match self {
            Phase::Fresh => 0,
            Phase::Open => 1,
            Phase::Ended => 2,
            Phase::Died => 3,
            Phase::Closed => 4,
            Phase::Forked => 5,
        }
    }
}

/// The word: `[changes:31 | deaths:3 | pid:22 | phase:8]`. The count of changes keeps two states from being the same
/// word; deaths are counted modulo the size of their table; the process is that of the writer that died. Linux numbers
/// processes below 2²².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life(u64);

const PID_BITS: u32 = 22;
const PHASE_BITS: u32 = 8;
const DEATHS_SHIFT: u32 = PHASE_BITS + PID_BITS;
const CHANGES_SHIFT: u32 = DEATHS_SHIFT + 3;

impl Life {
    fn phase(self) -> Phase {
        match self.0 & 0xff {
            0 => Phase::Fresh,
            1 => Phase::Open,
            2 => Phase::Ended,
            3 => Phase::Died,
            5 => Phase::Forked,
            // Also what only a damaged segment holds: nobody waits for a stream that has no defined state.
            _ => Phase::Closed,
        }
    }

    fn changes(self) -> u32 {
        (self.0 >> CHANGES_SHIFT) as u32
    }

    /// The death that this state is.
    fn death(self) -> Option<Death> {
        let pid = (self.0 >> PHASE_BITS) as u32 & ((1 << PID_BITS) - 1);
        (self.phase() == Phase::Died).then_some(Death { change: self.changes(), pid })
    }

    fn deaths(self) -> usize {
        (self.0 >> DEATHS_SHIFT) as usize % DEATHS_KEPT
    }

    fn turn(self, next: Next) -> Self {
        let changes = u64::from(self.changes().wrapping_add(1)) << CHANGES_SHIFT;
        let (died, pid) = match next {
            Next::Died { pid } => (1, u64::from(pid) & ((1 << PID_BITS) - 1)),
            Next::Phase(_) => (0, 0),
        };
        let deaths = (self.deaths() + died) % DEATHS_KEPT;
        let phase = match next {
            Next::Died { .. } => Phase::Died,
            Next::Phase(phase) => phase,
        };
        Life(changes | (deaths as u64) << DEATHS_SHIFT | pid << PHASE_BITS | phase.code())
    }
}

/// What the state is turned to.
#[derive(Clone, Copy)]
enum Next {
    Phase(Phase),
    Died { pid: u32 },
}

/// The death of a last writer: its process, and the change of state that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    change: u32,
    pub(crate) pid: u32,
}

impl Death {
    fn from_word(word: u64) -> Option<Self> {
        let pid = word as u32 & ((1 << PID_BITS) - 1);
        (word != 0).then_some(Death { change: (word >> PID_BITS) as u32, pid })
    }

    /// As it stands in the table of deaths: `[change:31 | pid:22]`; 0 for none.
    fn word(self) -> u64 {
        u64::from(self.change) << PID_BITS | u64::from(self.pid)
    }
}

/// How many changes `later` comes after `earlier`; negative if before. Changes are counted modulo 2³¹.
fn changes_between(earlier: u32, later: u32) -> i32 {
    (later.wrapping_sub(earlier) << 1).cast_signed() >> 1
}

/// How a writer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Left,
    Died { pid: u32 },
}

/// Whether a writer must not publish, as it looks before each message: closed, or a forked child's.
#[inline(always)]
pub(crate) fn is_closed(memory: &Memory) -> bool {
    // Relaxed: decides nothing about other memory. A message that races `close` may still get in.
    matches!(Life(memory.control().table.life.load(Relaxed)).phase(), Phase::Closed | Phase::Forked)
}

/// The phase as whoever finds something unusual looks at it.
#[cold]
pub(crate) fn phase(memory: &Memory) -> Phase {
    // PAIRS(End): if the stream has ended, we see its last message from here on.
    Life(memory.control().table.life.load(acquire(Pair::End))).phase()
}

/// A writer has come. False if the ring is closed for good.
pub(crate) fn open(memory: &Memory) -> bool {
    turn(memory, |phase| (phase != Phase::Closed).then_some(Next::Phase(Phase::Open)))
}

/// A writer has gone, and that is said where `others` looks; if there are no others, the stream has ended.
pub(crate) fn end(memory: &Memory, exit: Exit, others: impl Fn() -> bool) {
    let next = match exit {
        Exit::Left => Next::Phase(Phase::Ended),
        Exit::Died { pid } => Next::Died { pid },
    };
    turn(memory, |phase| {
        // PAIRS(Leave): of two that leave at once, at least one sees that the other has left.
        full_fence(Pair::Leave, End::Release);
        (phase == Phase::Open && !others()).then_some(next)
    });
}

/// Closed for good.
pub(crate) fn close(memory: &Memory) {
    turn(memory, |phase| (phase != Phase::Closed).then_some(Next::Phase(Phase::Closed)));
}

/// So often others may join or leave first; a stream that changes more often is a hostile peer's, and stays as it is.
const TRIES: usize = 1 << 16;

/// Changes the phase to what `next` says of the present one; false if it says that nothing changes.
fn turn(memory: &Memory, next: impl Fn(Phase) -> Option<Next>) -> bool {
    let word = &memory.control().table.life;
    // PAIRS(End): whoever opened the stream that we may end has said before that it is there.
    let mut seen = Life(load_to_exchange(word, acquire(Pair::End)));
    for _ in 0..TRIES {
        let Some(next) = next(seen.phase()) else {
            return false;
        };
        if let Some(death) = seen.death()
            && !is_active(Mutation::KeepDeath)
        {
            write_down(memory, seen.deaths(), death);
            failpoint::at(Failpoint::DeathKept);
        }
        // PAIRS(End): releases every message that we, or whoever's end we continue, published before, and the death
        // that we wrote down.
        match word.compare_exchange(seen.0, seen.turn(next).0, acq_rel(Pair::End, Pair::End), Relaxed) {
            Ok(_) => return true,
            Err(_) => seen = Life(word.load(acquire(Pair::End))),
        }
    }
    false
}

/// Keeps a death before its verdict is replaced, unless a later one has its place already.
fn write_down(memory: &Memory, place: usize, death: Death) {
    let kept = &memory.control().table.deaths[place];
    let mut seen = load_to_exchange(kept, Relaxed);
    for _ in 0..TRIES {
        if Death::from_word(seen).is_some_and(|other| changes_between(other.change, death.change) <= 0) {
            return;
        }
        // Relaxed, all of them: the exchange of the state orders it.
        match kept.compare_exchange(seen, death.word(), Relaxed, Relaxed) {
            Ok(_) => return,
            Err(other) => seen = other,
        }
    }
}

/// What one reader or taker knows of the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamObserver {
    /// The deaths up to this change are told.
    told: u32,
    /// The state last looked at, in which there was nothing to tell.
    seen: Life,
}

/// What to make of it that there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    GoesOn,
    Died(Death),
    Ended,
    Closed,
    Forked,
}

impl StreamObserver {
    /// For a reader that joins now. It is not told of earlier deaths, except of the one that the stream stands at.
    pub(crate) fn join(memory: &Memory) -> Self {
        let seen = Life(memory.control().table.life.load(Relaxed)); // Relaxed: looked at again before it is used.
        let told = seen.changes().wrapping_sub(u32::from(seen.phase() == Phase::Died));
        StreamObserver { told, seen }
    }

    /// For a reader that goes on where another one parked, which left `word`.
    pub(crate) fn resume(memory: &Memory, word: u64) -> Self {
        let StreamObserver { told, seen } = Self::join(memory);
        match word.checked_sub(1) {
            // Not this state: there may be news in it.
            Some(change) => StreamObserver { told: change as u32, seen: Life(!seen.0) },
            None => StreamObserver { told, seen },
        }
    }

    /// What [`Self::resume`] needs.
    pub(crate) fn word(&self) -> u64 {
        u64::from(self.told) + 1
    }

    /// Whether [`Self::verdict`] may have anything to say but that the stream goes on.
    pub(crate) fn has_news(&self, memory: &Memory) -> bool {
        // Relaxed: the verdict that follows looks again.
        let life = Life(memory.control().table.life.load(Relaxed));
        life != self.seen || !life.phase().goes_on()
    }

    /// What a reader that found nothing has to report, unless it finds something when it looks once more.
    pub(crate) fn verdict(&mut self, memory: &Memory) -> Verdict {
        // PAIRS(End): the messages before the end that we may see, and the deaths before, are visible from here on.
        let life = Life(memory.control().table.life.load(acquire(Pair::End)));
        if let Some(death) = self.next_death(memory, life) {
            return Verdict::Died(death);
        }
        match life.phase() {
            Phase::Fresh | Phase::Open => {
                (self.seen, self.told) = (life, life.changes());
                Verdict::GoesOn
            }
            Phase::Ended | Phase::Died => Verdict::Ended,
            Phase::Closed => Verdict::Closed,
            Phase::Forked => Verdict::Forked,
        }
    }

    /// The reader is told of that death.
    pub(crate) fn tell(&mut self, death: Death) {
        self.told = death.change;
    }

    /// The earliest death that is not told, of those before `life`.
    fn next_death(&self, memory: &Memory, life: Life) -> Option<Death> {
        if life.changes() == self.told {
            return None;
        }
        // Relaxed: the load of `life` orders those before it; later ones are left for later.
        let kept = memory.control().table.deaths.iter().map(|word| word.load(Relaxed));
        let since = |death: &Death| changes_between(self.told, death.change);
        kept.filter_map(Death::from_word)
            .filter(|death| changes_between(death.change, life.changes()) >= 0)
            .chain(life.death())
            .filter(|death| since(death) > 0)
            .min_by_key(since)
    }
}

/// The word that says, in a forked child's copy of a ring, that it is one.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "forks are looked for on Linux only"))]
pub(crate) const FORKED_WORD: u64 = Phase::Forked.code();

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use super::{
        DEATHS_KEPT, Exit, Life, Next, Phase, StreamObserver, Verdict, changes_between, close, end, open,
    };
    use crate::api::ring::Ring;
    use crate::memory::Memory;
    use crate::sync::Relaxed;
    use crate::types::config::Config;

    fn memory() -> Memory {
        Ring::heap(&Config::new(2, 8)).unwrap().attachment.memory.clone()
    }

    fn die(memory: &Memory, pid: u32) {
        assert!(open(memory));
        end(memory, Exit::Died { pid }, || false);
    }

    /// What a watch has to tell, up to the first answer that is not a death.
    fn told(watch: &mut StreamObserver, memory: &Memory) -> (Vec<u32>, Verdict) {
        let mut pids = Vec::new();
        loop {
            match watch.verdict(memory) {
                Verdict::Died(death) => {
                    watch.tell(death);
                    pids.push(death.pid);
                }
                other => return (pids, other),
            }
        }
    }

    /// Fails if a verdict is lost when a successor replaces it, or told twice.
    #[test]
    fn each_watch_is_told_of_each_death_once_whenever_it_looks() {
        let memory = memory();
        let (mut early, mut late) = (StreamObserver::join(&memory), StreamObserver::join(&memory));
        for pid in [7, 8, 9] {
            die(&memory, pid);
            assert_eq!(told(&mut early, &memory), (vec![pid], Verdict::Ended));
            assert_eq!(told(&mut early, &memory), (vec![], Verdict::Ended));
        }
        assert!(open(&memory));
        assert!(late.has_news(&memory));
        assert_eq!(told(&mut late, &memory), (vec![7, 8, 9], Verdict::GoesOn));
        assert!(!late.has_news(&memory));
        end(&memory, Exit::Left, || false);
        assert_eq!(told(&mut late, &memory), (vec![], Verdict::Ended));
        close(&memory);
        assert_eq!(told(&mut early, &memory), (vec![], Verdict::Closed));
    }

    #[test]
    fn who_joins_after_a_death_is_told_of_the_one_that_the_stream_stands_at() {
        let memory = memory();
        die(&memory, 7);
        die(&memory, 8);
        assert_eq!(told(&mut StreamObserver::join(&memory), &memory), (vec![8], Verdict::Ended));
        assert!(open(&memory));
        assert_eq!(told(&mut StreamObserver::join(&memory), &memory), (vec![], Verdict::GoesOn));
    }

    #[test]
    fn who_sleeps_over_many_deaths_is_told_of_the_last_eight() {
        let memory = memory();
        let mut watch = StreamObserver::join(&memory);
        for pid in 1..=20 {
            die(&memory, pid);
        }
        assert!(open(&memory));
        let kept = DEATHS_KEPT as u32;
        assert_eq!(told(&mut watch, &memory), ((21 - kept..=20).collect(), Verdict::GoesOn));
    }

    /// Fails if changes are compared as numbers.
    #[test]
    fn the_count_of_changes_may_wrap() {
        let memory = memory();
        let last = Life(((1 << 31) - 2) << super::CHANGES_SHIFT | Phase::Ended.code());
        memory.control().table.life.store(last.0, Relaxed);
        let mut watch = StreamObserver::join(&memory);
        for pid in 1..=5 {
            die(&memory, pid);
        }
        assert_eq!(told(&mut watch, &memory), (vec![1, 2, 3, 4, 5], Verdict::Ended));
        assert_eq!(changes_between(3, 5), 2);
        assert_eq!(changes_between((1 << 31) - 1, 1), 2);
        assert_eq!(changes_between(1, (1 << 31) - 1), -2);
    }

    #[test]
    fn the_largest_pid_survives_its_word() {
        let life = Life(Phase::Open.code()).turn(Next::Died { pid: (1 << 22) - 1 });
        assert_eq!(life.death().map(|death| death.pid), Some((1 << 22) - 1));
        assert_eq!((life.changes(), life.deaths(), life.phase()), (1, 1, Phase::Died));
    }
}
