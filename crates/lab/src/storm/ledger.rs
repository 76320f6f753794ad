//! What every worker says that it does, where a kill cannot take it back.
//!
//! A file of words, mapped by all. Each worker, and each one that replaces another, has an account of its own; it stores
//! there before and after each operation, so that of what a killed one did at most one message is uncertain.
//!
//! | of a writer                  | means                                                                    |
//! |------------------------------|---------------------------------------------------------------------------|
//! | begun = done + 1             | message `done` is under way: published or not                             |
//! | begun = done                 | messages 0 … done − 1 are published, and no other                         |
//!
//! # What is checked
//! | promise                                     | how                                                          |
//! |---------------------------------------------|---------------------------------------------------------------|
//! | whole, of this ring                         | every message proves itself: who wrote it, its number, a CRC  |
//! | in order, once                              | by each reader: sequences without gaps but those it is told of, each writer's numbers ascending |
//! | none lost, gated                            | each writer's numbers without gaps, and in the end all that are done |
//! | as many as were written, lossy              | in the end the ring's sequence is the sum of what writers did  |
//! | one taker each, queue                       | a bit for each message, set by whoever took it                |
//! | each death is told once                     | to no reader twice, or of a writer that was not killed; with one writer, each to the reader that was there from the start |
//! | an observer is told of what it lost, of all | as for readers: sequences without gaps but those, each writer's numbers ascending, in the end the ring's sequence |
//! | nobody waits for an observer                | one that is stopped or killed hinders nothing                    |
//! | nobody hangs                                | a call that nothing hinders ends within twenty seconds           |

use anyhow::{Context, Result};
use harness::shared_words::SharedWords;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

/// Accounts of an act: posts, and everybody who replaces somebody.
pub(crate) const ACCOUNTS: usize = 512;
const WORDS: usize = 16;
/// Messages of a writer that takers can set a bit for; a writer of a queue stops there.
pub(crate) const BITS: u64 = 1 << 19;
const BIT_WORDS: usize = BITS as usize / 64;

/// How far the act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    /// Writers finish their message and leave.
    WritersLeave,
    /// Every writer has left: readers read what there is.
    ReadersFinish,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    words: SharedWords,
}

/// What an account is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    Writer,
    Reader,
    Taker,
    Observer,
}

impl Part {
    pub(crate) const ALL: [Part; 4] = [Part::Writer, Part::Reader, Part::Taker, Part::Observer];

    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Writer => "writer",
            Part::Reader => "reader",
            Part::Taker => "taker",
            Part::Observer => "observer",
        }
    }

    const fn code(self) -> u64 {
        match self {
            Part::Writer => 1,
            Part::Reader => 2,
            Part::Taker => 3,
            Part::Observer => 4,
        }
    }
}

/// One worker's account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account<'a>(&'a [AtomicU64]);

macro_rules! entries {
    ($($(#[$doc:meta])* $name:ident = $index:literal),* $(,)?) => {
        impl<'a> Account<'a> {
            $($(#[$doc])* pub(crate) fn $name(self) -> Entry<'a> { Entry(&self.0[$index]) })*
        }
    };
}

entries! {
    part = 0,
    pid = 1,
    /// 1 once it is registered.
    joined = 2,
    /// Writers: messages begun.
    begun = 3,
    /// Writers: messages done.
    done = 4,
    /// 1 once it was killed.
    killed = 5,
    /// Readers, takers and observers: messages got.
    read = 6,
    missed = 7,
    deaths_told = 8,
    /// 1: it shall leave.
    dismissed = 9,
    /// Takers: one more than the place, in the table of bits, of the message in hand; 0 for none.
    in_hand = 10,
}

/// A word of an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a>(&'a AtomicU64);

impl Entry<'_> {
    pub(crate) fn get(self) -> u64 {
        self.0.load(SeqCst)
    }

    pub(crate) fn set(self, value: u64) {
        self.0.store(value, SeqCst);
    }
}

impl Ledger {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let count = WORDS + ACCOUNTS * (WORDS + BIT_WORDS);
        let words =
            SharedWords::create(path, count).with_context(|| format!("creating {}", path.display()))?;
        Ok(Ledger { words })
    }

    pub(crate) fn open(path: &Path) -> Result<Self> {
        let words = SharedWords::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Ledger { words })
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.words.words()[0].load(SeqCst) {
            0 => Stage::Running,
            1 => Stage::WritersLeave,
            _ => Stage::ReadersFinish,
        }
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.words.words()[0].store(stage as u64, SeqCst);
    }

    pub(crate) fn account(&self, index: usize) -> Account<'_> {
        Account(&self.words.words()[WORDS * (index + 1)..][..WORDS])
    }

    /// Opens an account.
    pub(crate) fn enrol(&self, index: usize, part: Part) {
        self.account(index).part().set(part.code());
    }

    /// The accounts of that part.
    pub(crate) fn of(&self, part: Part) -> impl Iterator<Item = (usize, Account<'_>)> {
        let accounts = (0..ACCOUNTS).map(|index| (index, self.account(index)));
        accounts.filter(move |(_, account)| account.part().get() == part.code())
    }

    /// The place of a writer's message in the table of bits.
    pub(crate) fn place(writer: usize, message: u64) -> u64 {
        writer as u64 * BITS + message
    }

    /// Says that the message at `place` was taken. False if that was said before.
    pub(crate) fn mark(&self, place: u64) -> bool {
        let (word, bit) = self.bit(place);
        word.fetch_or(bit, SeqCst) & bit == 0
    }

    pub(crate) fn is_marked(&self, place: u64) -> bool {
        let (word, bit) = self.bit(place);
        word.load(SeqCst) & bit != 0
    }

    fn bit(&self, place: u64) -> (&AtomicU64, u64) {
        let bits = &self.words.words()[WORDS * (ACCOUNTS + 1)..];
        (&bits[(place / 64) as usize], 1 << (place % 64))
    }
}
