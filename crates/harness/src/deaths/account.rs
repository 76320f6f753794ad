//! The account of a participant, in words of a file that the lab and the participant map.
//!
//! `crates/lab/src/deaths/participants.py` has them, too.
//!
//! | word | content |
//! |---|---|
//! | 0 | its [`State`] |
//! | 1 | the [`Order`] of the lab |
//! | 2 | events |
//! | 3, 4 | its process and thread, where it does not have a process of its own |
//! | 5 | calls that returned |
//! | 6 | messages that its library reported as lost |
//! | 7 | messages whose write has begun |
//! | 8… | events: a time in ns (`CLOCK_MONOTONIC`), and kind << 56, writer << 48, number |

use crate::clock::Moment;
use crate::shared_words::SharedWords;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The words before the events.
const HEAD: usize = 8;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $one:ident = $value:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub enum $name { $($(#[$of])* $one = $value,)* }

        impl $name {
            /// What the word says; `None` for a word that no correct participant stores.
            pub fn of(word: u64) -> Option<Self> {
                match word { $($value => Some(Self::$one),)* _ => None }
            }
        }
    };
}

words! {
    /// How far a participant is.
    State {
        /// Not there yet.
        Starting = 0,
        /// It waits for its first order.
        Ready = 1,
        /// It has joined the ring.
        Joined = 2,
        /// It could not join.
        Refused = 3,
        /// It has left.
        Left = 4,
    }
}

words! {
    /// What a participant is to do.
    Order {
        /// Wait to join.
        Wait = 0,
        /// Join and work.
        Go = 1,
        /// Leave; a reader first reads what is there.
        Stop = 2,
        /// End without leaving, in the middle of an access if the library gives one.
        Exit = 3,
        /// Panic, or throw, likewise.
        Panic = 4,
        /// Make no call until there is another order.
        Pause = 5,
    }
}

words! {
    /// What happened to a message.
    Kind {
        /// A write returned.
        Sent = 1,
        /// It was read whole.
        Got = 2,
        /// It was read whole, and its library says that it may have been read before.
        Again = 3,
        /// It is a mixture.
        Torn = 4,
    }
}

/// An event of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub nanos: u64,
    /// What.
    pub kind: Kind,
    /// The writer of the message.
    pub writer: u64,
    /// Its number.
    pub number: u64,
}

/// The account of a participant, as it and the lab see it.
#[derive(Debug)]
pub struct Account(SharedWords);

impl Account {
    /// Events that fit.
    pub const EVENTS: usize = 1 << 22;

    fn path(directory: &Path, index: usize) -> PathBuf {
        directory.join(index.to_string())
    }

    /// Makes an account.
    ///
    /// # Errors
    /// What the system reports.
    pub fn create(directory: &Path, index: usize) -> io::Result<Self> {
        SharedWords::create(&Self::path(directory, index), HEAD + 2 * Self::EVENTS).map(Self)
    }

    /// Opens an account that the lab made.
    ///
    /// # Errors
    /// What the system reports.
    pub fn open(directory: &Path, index: usize) -> io::Result<Self> {
        SharedWords::open(&Self::path(directory, index)).map(Self)
    }

    // Release and acquire: the count of events and the state follow what they are about.
    fn word(&self, index: usize) -> u64 {
        self.words()[index].load(Ordering::Acquire)
    }

    pub(super) fn set(&self, index: usize, value: u64) {
        self.words()[index].store(value, Ordering::Release);
    }

    fn words(&self) -> &[AtomicU64] {
        self.0.words()
    }

    /// How far the participant is.
    pub fn state(&self) -> State {
        State::of(self.word(0)).unwrap_or(State::Starting)
    }

    /// Gives an order.
    pub fn order(&self, order: Order) {
        self.set(1, order as u64);
    }

    pub(super) fn ordered(&self) -> Order {
        Order::of(self.word(1)).unwrap_or(Order::Wait)
    }

    /// Its process and thread, if it said so.
    pub fn thread(&self) -> (i32, i32) {
        (self.word(3) as i32, self.word(4) as i32)
    }

    /// Calls that returned.
    pub fn calls(&self) -> u64 {
        self.word(5)
    }

    /// Messages reported as lost.
    pub fn reported_lost(&self) -> u64 {
        self.word(6)
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        (self.word(2) as usize).min(Self::EVENTS)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The event at `index`; `None` if no correct participant wrote it.
    pub fn event(&self, index: usize) -> Option<Event> {
        let (nanos, what) = (self.word(HEAD + 2 * index), self.word(HEAD + 2 * index + 1));
        let kind = Kind::of(what >> 56)?;
        Some(Event { nanos, kind, writer: what >> 48 & 0xff, number: what & 0xffff_ffff_ffff })
    }

    pub(super) fn add(&self, kind: Kind, message: u64) {
        let index = self.len();
        if index < Self::EVENTS {
            self.set(HEAD + 2 * index, Moment::now().as_nanos());
            self.set(HEAD + 2 * index + 1, (kind as u64) << 56 | message);
            self.set(2, index as u64 + 1);
        }
    }
}
