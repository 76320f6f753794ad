//! A hostile peer with write access: it stores any value at any place and time.

use arbitrary::Arbitrary;
use seqring::Ring;
use seqring::fuzzing::{landmarks, poke};

/// A word of the ring's memory.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Place {
    /// One of the six lines of the control block, and which of its words.
    Control(u8, bool),
    /// An entry of the table, and a word of it.
    Entry(u8, u8),
    /// From the slots on.
    Slots(u8),
    /// A buffer's header, and a word of it.
    Header(u8, u8),
    /// Anywhere.
    Any(u16),
}

impl Place {
    fn word(self, ring: &Ring) -> usize {
        const CONTROL: usize = 4096 / 8;
        let [entries, slots, headers, stride, end] = landmarks(ring);
        let within = |start: usize, end: usize, offset: usize| start + offset % (end - start).max(1);
        match self {
            Place::Control(line, second) => CONTROL + usize::from(line % 6) * 16 + usize::from(second),
            Place::Entry(entry, word) => {
                within(entries, slots, usize::from(entry) * 16 + usize::from(word % 16))
            }
            Place::Slots(word) => within(slots, end, word.into()),
            Place::Header(buffer, word) if headers > 0 => {
                within(headers, end, usize::from(buffer) * stride + usize::from(word % 3))
            }
            Place::Header(_, word) => within(slots, end, word.into()),
            Place::Any(word) => within(0, end, word.into()),
        }
    }
}

/// A change of a word.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Change {
    Set(u64),
    Small(u8),
    Flip(u8),
    /// Adds a number, shifted to a bit.
    Add(i8, u8),
    /// The value of another word.
    Copy(Place),
}

impl Change {
    /// Makes the change at `place`.
    pub fn make(self, ring: &Ring, place: Place) {
        let mut other = 0;
        if let Change::Copy(from) = self {
            poke(ring, from.word(ring), |word| {
                other = word;
                word
            });
        }
        poke(ring, place.word(ring), |word| match self {
            Change::Set(value) => value,
            Change::Small(value) => value.into(),
            Change::Flip(bit) => word ^ 1 << (bit % 64),
            Change::Add(steps, bit) => word.wrapping_add_signed(i64::from(steps) << (bit % 64)),
            Change::Copy(_) => other,
        });
    }
}

/// One change, so many accesses of the user after the previous one.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Poke {
    after: u8,
    place: Place,
    change: Change,
}

/// A peer with a sequence of changes, and the accesses left until the next.
pub struct Peer {
    ring: Ring,
    plan: std::vec::IntoIter<Poke>,
    next: Option<(u8, Poke)>,
}

impl Peer {
    pub fn new(ring: &Ring, plan: Vec<Poke>) -> Self {
        let mut peer = Peer { ring: ring.clone(), plan: plan.into_iter(), next: None };
        peer.draw();
        peer
    }

    /// Runs before each access of the user.
    pub fn turn(&mut self) {
        while let Some((wait, Poke { place, change, .. })) = self.next {
            if wait > 0 {
                self.next = self.next.map(|(wait, poke)| (wait - 1, poke));
                return;
            }
            change.make(&self.ring, place);
            self.draw();
        }
    }

    fn draw(&mut self) {
        self.next = self.plan.next().map(|poke| (poke.after, poke));
    }
}
