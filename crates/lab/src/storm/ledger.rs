//! The ledger: each worker records its operations where a kill cannot take them back.
//!
//! It is a file of words, mapped by all. Each worker, and each one that replaces another, has an
//! account of its own. It stores there before and after each operation, so that of a killed worker
//! at most one message is uncertain.
//!
//! | of a writer | means |
//! |---|---|
//! | begun = done + 1 | message `done` is in progress: published or not |
//! | begun = done | messages 0 … done − 1 are published, and no other |
//!
//! # What is checked
//! | promise | how |
//! |---|---|
//! | whole, of this ring | all bytes follow from its writer and its number |
//! | in order, once | each reader: only reported gaps; each writer's numbers ascend |
//! | none lost, gated | no gaps in a writer's numbers; in the end all that are done |
//! | all counted, lossy | in the end the ring's sequence is the sum of all writers' messages |
//! | one taker each, queue | a bit for each message, set by its taker |
//! | deaths, once each | to no reader twice; of killed writers; one writer: to the first reader |
//! | an observer learns its losses | as for readers |
//! | no writer waits for an observer | a stopped or killed observer delays nothing |
//! | no call hangs | a call that nothing hinders ends within twenty seconds |

use anyhow::{Context, Result};
use clap::ValueEnum;
use harness::shared_words::SharedWords;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

/// Accounts of an act: of all workers, replacements included.
pub(crate) const ACCOUNTS: usize = 512;
const WORDS: usize = 16;
/// Messages of a writer that takers can set a bit for; a writer of a queue stops there.
pub(crate) const BITS: u64 = 1 << 19;
const BIT_WORDS: usize = BITS as usize / 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    /// Writers finish their message and leave.
    WritersLeave,
    /// Every writer has left: readers drain the ring.
    ReadersFinish,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    words: SharedWords,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Writer,
    Reader,
    Taker,
    Observer,
}

impl Part {
    pub(crate) const ALL: [Part; 4] = [Part::Writer, Part::Reader, Part::Taker, Part::Observer];

    pub(crate) fn name(self) -> String {
        self.to_possible_value().expect("no part is skipped").get_name().to_owned()
    }

    /// As in an account, where 0 is no part.
    const fn code(self) -> u64 {
        self as u64 + 1
    }
}

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
    deaths_reported = 8,
    /// 1: it is to leave.
    dismissed = 9,
    /// Takers: one more than the place, in the table of bits, of the message in hand; 0 for none.
    in_hand = 10,
}

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

    pub(crate) fn enrol(&self, index: usize, part: Part) {
        self.account(index).part().set(part.code());
    }

    pub(crate) fn of(&self, part: Part) -> impl Iterator<Item = (usize, Account<'_>)> {
        let accounts = (0..ACCOUNTS).map(|index| (index, self.account(index)));
        accounts.filter(move |(_, account)| account.part().get() == part.code())
    }

    /// The place of a writer's message in the table of bits.
    pub(crate) fn place(writer: usize, message: u64) -> u64 {
        writer as u64 * BITS + message
    }

    /// Records that the message at `place` was taken. False if it was taken before.
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
