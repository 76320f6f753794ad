//! What users of a ring do, call by call. Whether a call succeeds does not matter here; that it returns does, and that
//! what it returns keeps to the ring's own limits.

use arbitrary::Arbitrary;
use seqring::{Claim, MessageHeader, Reader, Ring, Start, Taker, Writer};
use std::time::Duration;

/// One thing done. Of each role there are two participants, named by a bit.
#[derive(Arbitrary, Clone, Debug)]
pub enum Act {
    WriterJoins(bool),
    WriterLeaves(bool),
    ReaderJoins(bool, From),
    ReaderLeaves(bool),
    TakerJoins(bool),
    TakerLeaves(bool),
    Write {
        who: bool,
        len: u16,
        meta: Option<u8>,
    },
    Claim {
        who: bool,
        len: u16,
        keep: u16,
        publish: bool,
        meanwhile: Vec<Act>,
    },
    Read {
        who: bool,
        room: u16,
    },
    ReadWith(bool),
    View {
        who: bool,
        meanwhile: Vec<Act>,
    },
    Take {
        who: bool,
        meanwhile: Vec<Act>,
    },
    /// The calls that wait, with no time to do so.
    Wait(bool),
    Skip,
    Look,
    Close,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum From {
    Next,
    Oldest,
    Newest,
    Sequence(u64),
}

/// A ring, and those who use it, in so far as they could join.
pub struct Crowd {
    ring: Ring,
    writers: [Option<Writer>; 2],
    readers: [Option<Reader>; 2],
    takers: [Option<Taker>; 2],
}

/// Held things are held inside others this deep.
const DEPTH: usize = 3;

impl Crowd {
    /// One writer, and a reader or a taker.
    pub fn new(ring: Ring) -> Self {
        let (writer, reader, taker) = (ring.writer().ok(), ring.reader(Start::Next).ok(), ring.taker().ok());
        Crowd { ring, writers: [writer, None], readers: [reader, None], takers: [taker, None] }
    }

    /// Does all that, with `each` called before every act.
    pub fn act(&mut self, acts: &[Act], each: &mut dyn FnMut()) {
        self.act_within(acts, each, 0);
    }

    fn act_within(&mut self, acts: &[Act], each: &mut dyn FnMut(), depth: usize) {
        for act in acts {
            each();
            match act {
                Act::Claim { who, len, keep, publish, meanwhile } if depth < DEPTH => {
                    let at = usize::from(*who);
                    let Some(mut writer) = self.writers[at].take() else { continue };
                    if let Ok(claim) = writer.try_claim((*len).into()) {
                        let claim = filled(claim, *keep);
                        self.act_within(meanwhile, each, depth + 1);
                        if *publish {
                            let _ = claim.publish();
                        }
                    }
                    self.writers[at].get_or_insert(writer);
                }
                Act::View { who, meanwhile } if depth < DEPTH => {
                    let at = usize::from(*who);
                    let Some(mut reader) = self.readers[at].take() else { continue };
                    if let Ok(view) = reader.try_view() {
                        self.assert_fits(view.received().len, view.len(), view.metadata());
                        self.act_within(meanwhile, each, depth + 1);
                        std::hint::black_box(view.to_vec());
                    }
                    self.readers[at].get_or_insert(reader);
                }
                Act::Take { who, meanwhile } if depth < DEPTH => {
                    let at = usize::from(*who);
                    let Some(mut taker) = self.takers[at].take() else { continue };
                    if let Ok(taken) = taker.try_take() {
                        self.assert_fits(taken.received().len, taken.len(), taken.metadata());
                        self.act_within(meanwhile, each, depth + 1);
                        std::hint::black_box(taken.to_vec());
                    }
                    self.takers[at].get_or_insert(taker);
                }
                other => self.act_at_once(other),
            }
        }
    }

    fn act_at_once(&mut self, act: &Act) {
        match act {
            Act::WriterJoins(who) => come(&mut self.writers, *who, || self.ring.writer().ok()),
            Act::WriterLeaves(who) => self.writers[usize::from(*who)] = None,
            Act::ReaderJoins(who, from) => {
                come(&mut self.readers, *who, || self.ring.reader(from.start()).ok());
            }
            Act::ReaderLeaves(who) => self.readers[usize::from(*who)] = None,
            Act::TakerJoins(who) => come(&mut self.takers, *who, || self.ring.taker().ok()),
            Act::TakerLeaves(who) => self.takers[usize::from(*who)] = None,
            Act::Write { who, len, meta } => self.write(*who, (*len).into(), meta.map(usize::from)),
            Act::Read { who, room } => self.read(*who, (*room).into()),
            Act::ReadWith(who) => {
                let Some(reader) = &mut self.readers[usize::from(*who)] else { return };
                let _ = reader.try_read_with(|racy| {
                    let mut out = vec![0; racy.len()];
                    racy.copy_to_slice(&mut out);
                    (out, (0..racy.len() / 8).map(|word| racy.word(word)[0]).max())
                });
            }
            Act::Wait(who) => self.wait(*who),
            Act::Skip => self.ring.skip_readers_to_newest(),
            Act::Look => self.look(),
            Act::Close => self.ring.close(),
            Act::Claim { .. } | Act::View { .. } | Act::Take { .. } => {} // Too deep.
        }
    }

    fn write(&mut self, who: bool, len: usize, meta: Option<usize>) {
        let Some(writer) = &mut self.writers[usize::from(who)] else { return };
        let payload = vec![7; len % 512];
        let metadata = vec![9; meta.unwrap_or(0) % 32];
        let _ = match meta {
            None => writer.try_write(&payload),
            Some(_) => writer.try_write_with(&payload, &MessageHeader { tag: 5, metadata: &metadata }),
        };
    }

    fn read(&mut self, who: bool, room: usize) {
        let Some(reader) = &mut self.readers[usize::from(who)] else { return };
        let mut out = vec![0; room % 512];
        if let Ok(received) = reader.try_read(&mut out) {
            let reader = self.readers[usize::from(who)].as_ref().expect("it just read");
            self.assert_fits(received.len, received.len.min(out.len()), reader.metadata());
        }
    }

    fn wait(&mut self, who: bool) {
        let at = usize::from(who);
        if let Some(reader) = &mut self.readers[at] {
            let _ = reader.read_timeout(&mut [0; 400], Duration::ZERO);
            let _ = reader.view_timeout(Duration::ZERO).map(|view| view.len());
        }
        if let Some(taker) = &mut self.takers[at] {
            let _ = taker.take_timeout(Duration::ZERO).map(|taken| taken.len());
        }
        if let Some(writer) = &mut self.writers[at] {
            let _ = writer.write_timeout(&[3; 20], Duration::ZERO);
            let _ = writer.claim_timeout(20, Duration::ZERO).map(|claim| claim.len());
        }
    }

    fn look(&self) {
        for one in self.ring.participants() {
            std::hint::black_box((one.lag, one.position, one.missed, one.sleeps, one.pid));
        }
        for reader in self.readers.iter().flatten() {
            std::hint::black_box((reader.lag(), reader.lost(), reader.position(), reader.metadata().len()));
        }
        for writer in self.writers.iter().flatten() {
            std::hint::black_box((writer.next_sequence(), writer.refused()));
        }
        std::hint::black_box(self.ring.next_sequence());
    }

    fn assert_fits(&self, claimed: usize, has: usize, metadata: &[u8]) {
        assert_eq!(claimed, has, "a message has as many bytes as it says");
        assert!(has <= self.ring.config().slot_bytes(), "a message is longer than a slot");
        assert!(metadata.len() <= self.ring.config().meta_bytes_max(), "metadata is longer than the ring's");
    }
}

impl From {
    fn start(self) -> Start {
        match self {
            From::Next => Start::Next,
            From::Oldest => Start::Oldest,
            From::Newest => Start::Newest,
            From::Sequence(sequence) => Start::Sequence(sequence),
        }
    }
}

/// Whoever was there leaves first, so that the entry can be taken again.
fn come<T>(both: &mut [Option<T>; 2], who: bool, join: impl FnOnce() -> Option<T>) {
    let one = &mut both[usize::from(who)];
    *one = None;
    *one = join();
}

fn filled(mut claim: Claim<'_>, keep: u16) -> Claim<'_> {
    let len = claim.len();
    if let Some(bytes) = claim.as_mut_slice() {
        bytes.fill(1);
    }
    claim.write_at(len / 2, &vec![2; len - len / 2]);
    claim.truncate(len.min(keep.into()));
    claim
}
