//! Calls of the users of a ring. A call may fail. It must return, and its results must respect the
//! ring's limits.

use arbitrary::Arbitrary;
use seqring::{Caller, Claim, MessageHeader, Reader, Ring, Server, Start, Taker, Writer};
use std::time::Duration;

/// One operation. There are two participants of each role, selected by a bit.
#[rustfmt::skip]
#[derive(Arbitrary, Clone, Debug)]
pub enum Act {
    WriterJoins(bool),
    WriterLeaves(bool),
    ReaderJoins(bool, From),
    ReaderLeaves(bool),
    TakerJoins(bool),
    TakerLeaves(bool),
    Write { id: bool, len: u16, meta: Option<u8> },
    Claim { id: bool, len: u16, keep: u16, publish: bool, meanwhile: Vec<Act> },
    Read { id: bool, room: u16 },
    ReadWith(bool),
    View { id: bool, meanwhile: Vec<Act> },
    Take { id: bool, meanwhile: Vec<Act> },
    CallerJoins(bool),
    ServerJoins,
    Ask { id: bool, len: u16 },
    Serve { len: u16, answers: bool, meanwhile: Vec<Act> },
    Answer { id: bool, room: u16 },
    /// The blocking calls, with a timeout of zero.
    Wait(bool),
    Skip,
    Inspect,
    Close,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum From {
    Next,
    Oldest,
    Newest,
    Sequence(u64),
}

/// A ring and its participants, those that could register.
pub struct Users {
    ring: Ring,
    writers: [Option<Writer>; 2],
    readers: [Option<Reader>; 2],
    takers: [Option<Taker>; 2],
    callers: [Option<Caller>; 2],
    server: Option<Server>,
}

/// The nesting depth of held views, claims and taken messages.
const DEPTH: usize = 3;

impl Users {
    /// One writer, and a reader or a taker; or a server and a caller.
    pub fn new(ring: Ring) -> Self {
        let (writer, reader, taker) = (ring.writer().ok(), ring.reader(Start::Next).ok(), ring.taker().ok());
        let (server, callers) = (ring.server().ok(), [ring.caller().ok(), None]);
        Users { ring, writers: [writer, None], readers: [reader, None], takers: [taker, None], callers, server }
    }

    /// Runs the operations, and calls `each` before every one.
    pub fn act(&mut self, acts: &[Act], each: &mut dyn FnMut()) {
        self.act_within(acts, each, 0);
    }

    fn act_within(&mut self, acts: &[Act], each: &mut dyn FnMut(), depth: usize) {
        for act in acts {
            each();
            match act {
                Act::Claim { id, len, keep, publish, meanwhile } if depth < DEPTH => {
                    let at = usize::from(*id);
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
                Act::View { id, meanwhile } if depth < DEPTH => {
                    let at = usize::from(*id);
                    let Some(mut reader) = self.readers[at].take() else { continue };
                    if let Ok(view) = reader.try_view() {
                        self.assert_fits(view.received().len, view.len(), view.metadata());
                        self.act_within(meanwhile, each, depth + 1);
                        std::hint::black_box(view.to_vec());
                    }
                    self.readers[at].get_or_insert(reader);
                }
                Act::Take { id, meanwhile } if depth < DEPTH => {
                    let at = usize::from(*id);
                    let Some(mut taker) = self.takers[at].take() else { continue };
                    if let Ok(taken) = taker.try_take() {
                        self.assert_fits(taken.received().len, taken.len(), taken.metadata());
                        self.act_within(meanwhile, each, depth + 1);
                        std::hint::black_box(taken.to_vec());
                    }
                    self.takers[at].get_or_insert(taker);
                }
                Act::Serve { len, answers, meanwhile } if depth < DEPTH => {
                    let Some(mut server) = self.server.take() else { continue };
                    if let Ok(question) = server.try_take() {
                        self.assert_fits(question.len(), question.len(), &[]);
                        self.act_within(meanwhile, each, depth + 1);
                        std::hint::black_box((question.to_vec(), question.caller(), question.is_awaited()));
                        if *answers {
                            let _ = question.answer(&vec![8; usize::from(*len) % 512]);
                        }
                    }
                    self.server.get_or_insert(server);
                }
                other => self.act_at_once(other),
            }
        }
    }

    fn act_at_once(&mut self, act: &Act) {
        match act {
            Act::WriterJoins(id) => register(&mut self.writers, *id, || self.ring.writer().ok()),
            Act::WriterLeaves(id) => self.writers[usize::from(*id)] = None,
            Act::ReaderJoins(id, from) => {
                register(&mut self.readers, *id, || self.ring.reader(from.start()).ok());
            }
            Act::ReaderLeaves(id) => self.readers[usize::from(*id)] = None,
            Act::TakerJoins(id) => register(&mut self.takers, *id, || self.ring.taker().ok()),
            Act::TakerLeaves(id) => self.takers[usize::from(*id)] = None,
            Act::Write { id, len, meta } => self.write(*id, (*len).into(), meta.map(usize::from)),
            Act::Read { id, room } => self.read(*id, (*room).into()),
            Act::ReadWith(id) => {
                let Some(reader) = &mut self.readers[usize::from(*id)] else { return };
                let _ = reader.try_read_in_place(|racy| {
                    let mut out = vec![0; racy.len()];
                    racy.copy_to_slice(&mut out);
                    (out, (0..racy.len() / 8).map(|word| racy.word(word)[0]).max())
                });
            }
            Act::CallerJoins(id) => register(&mut self.callers, *id, || self.ring.caller().ok()),
            Act::ServerJoins => {
                self.server = None;
                self.server = self.ring.server().ok();
            }
            Act::Ask { id, len } => {
                let Some(caller) = &mut self.callers[usize::from(*id)] else { return };
                let _ = caller.ask(&vec![7; usize::from(*len) % 512]);
            }
            Act::Answer { id, room } => {
                let Some(caller) = &mut self.callers[usize::from(*id)] else { return };
                let mut out = vec![0; usize::from(*room) % 512];
                if let Ok(len) = caller.try_answer(&mut out) {
                    self.assert_fits(len, len.min(out.len()), &[]);
                }
            }
            Act::Wait(id) => self.wait(*id),
            Act::Skip => self.ring.skip_readers_to_newest(),
            Act::Inspect => self.inspect(),
            Act::Close => self.ring.close(),
            Act::Claim { .. } | Act::View { .. } | Act::Take { .. } | Act::Serve { .. } => {} // Too deep.
        }
    }

    fn write(&mut self, id: bool, len: usize, meta: Option<usize>) {
        let Some(writer) = &mut self.writers[usize::from(id)] else { return };
        let payload = vec![7; len % 512];
        let metadata = vec![9; meta.unwrap_or(0) % 32];
        let _ = match meta {
            None => writer.try_write(&payload),
            Some(_) => writer.try_write_with(&payload, &MessageHeader { tag: 5, metadata: &metadata }),
        };
    }

    fn read(&mut self, id: bool, room: usize) {
        let Some(reader) = &mut self.readers[usize::from(id)] else { return };
        let mut out = vec![0; room % 512];
        if let Ok(received) = reader.try_read(&mut out) {
            let reader = self.readers[usize::from(id)].as_ref().expect("it just read");
            self.assert_fits(received.len, received.len.min(out.len()), reader.metadata());
        }
    }

    fn wait(&mut self, id: bool) {
        let at = usize::from(id);
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
        if let Some(caller) = &mut self.callers[at] {
            let _ = caller.call_timeout(&[3; 20], &mut [0; 400], Duration::ZERO);
        }
        if let Some(server) = &mut self.server {
            let _ = server.take_timeout(Duration::ZERO).map(|question| question.len());
        }
    }

    fn inspect(&self) {
        for one in self.ring.participants() {
            std::hint::black_box((one.lag, one.position, one.lost, one.refused, one.sleeps, one.pid));
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
        assert_eq!(claimed, has, "a message has another length than reported");
        assert!(has <= self.ring.config().slot_bytes, "a message is longer than a slot");
        assert!(metadata.len() <= self.ring.config().meta_bytes, "metadata is longer than the ring's");
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

/// The previous participant leaves first, so that its entry can be reused.
fn register<T>(both: &mut [Option<T>; 2], id: bool, join: impl FnOnce() -> Option<T>) {
    let one = &mut both[usize::from(id)];
    *one = None;
    *one = join();
}

fn filled(mut claim: Claim<'_>, keep: u16) -> Claim<'_> {
    let len = claim.len();
    claim.fill(1);
    claim[len / 2..].fill(2);
    claim.truncate(len.min(keep.into()));
    claim
}
