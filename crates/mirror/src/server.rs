//! The server: one thread for requests, and one for each link.
//!
//! # A link
//! The thread of a link reads the source and sends frames, at most a window ahead of what the
//! mirror has acknowledged. In a lossless link the mirror's *place* is a registered reader of its
//! own. It stays at the first message that the mirror has not acknowledged, so the ring keeps all
//! later ones: the ring is the buffer for what has to be sent again. For a queue the place has the
//! messages that the mirror has not finished ([`hand_out`]). The place outlives its link for
//! [`ServeOptions::hold`].

mod hand_out;
mod link;

use crate::error::Error;
use crate::host;
use crate::source::{Source, stream_of};
use crate::wire::{Ack, Clock, Hello, MESSAGE_BYTES, StreamState, Welcome};
use hand_out::HandOut;
use link::{Feed, Link, Sending};
use seqring::{Delivery, Location, Reader, Ring, Start, WaitStrategy};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zenoh::liveliness::LivelinessToken;
use zenoh::pubsub::Subscriber;
use zenoh::qos::CongestionControl;
use zenoh::query::{Query, Queryable};
use zenoh::{Session, Wait};

/// Mirrors of one server, at most.
const MOST_LINKS: usize = 256;
/// How a refusal begins that may pass.
pub(crate) const PASSES: &str = "for now: ";
/// How often a link that would begin too late is begun again.
const OPEN_TRIES: usize = 100;
/// The longest request for a link.
const REQUEST_BYTES: usize = 1 << 20;
/// How a ring is served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeOptions {
    /// Mirrors get every message: the ring's writers wait for them.
    pub lossless: bool,
    /// After this time without a sign of life a link is down, for both sides.
    pub dead_after: Duration,
    /// How long a lossless server keeps the place of a mirror whose link is down. The ring's
    /// writers wait meanwhile; in a queue the messages that the mirror has not finished.
    pub hold: Duration,
    /// The name of this host, for mirrors.
    pub host: String,
    /// How the threads of the links wait for messages.
    pub waiting: WaitStrategy,
    /// Queues: how many messages a mirror has for each of its takers, beside the one that the taker
    /// works at. More hide the time that a message is under way; fewer leave more to other hosts.
    pub ahead: usize,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            lossless: false,
            dead_after: Duration::from_secs(2),
            hold: Duration::from_mins(1),
            host: host::name(),
            waiting: WaitStrategy::default(),
            ahead: 1,
        }
    }
}

/// A ring that is served. Dropping it ends the links; their mirrors find that at once.
pub struct Server {
    shared: Arc<Shared>,
    requests: Option<JoinHandle<()>>,
    _queryable: Queryable<()>,
    _acks: Subscriber<()>,
    _token: LivelinessToken,
}

/// Serves the ring at `location`, under its name, to the mirrors that `session` reaches.
///
/// # Errors
/// Why the ring cannot be opened, or not be served in this way.
pub fn serve(
    session: &Session,
    location: impl Into<Location>,
    options: ServeOptions,
) -> Result<Server, Error> {
    let location = location.into();
    let ring = Ring::open(location.clone())?;
    let config = ring.config();
    match config.delivery {
        Delivery::Lossy if options.lossless => {
            return Err(Error::Unservable(
                "the writers of a lossy ring wait for no reader: serve it without --lossless",
            ));
        }
        _ if config.slot_bytes > MESSAGE_BYTES => {
            return Err(Error::Unservable("a link carries messages of at most 1022 MiB"));
        }
        Delivery::Gated if !options.lossless && !config.observers => return Err(Error::HoldsUp),
        Delivery::Lossy | Delivery::Gated | Delivery::Queue => {}
        _ => return Err(Error::Unservable("only streams and queues have mirrors, not tables and calls")),
    }
    let (key, identity, server) = (host::key(location.name()), host::identity(&ring), host::random());
    let token = session.liveliness().declare_token(format!("{key}/alive/{server:016x}")).wait()?;
    let shared = Arc::new(Shared {
        session: session.clone(),
        key: key.clone(),
        ring,
        location,
        options,
        identity,
        server,
        clock: host::clock(),
        places: Mutex::default(),
        links: Mutex::default(),
        ended: AtomicBool::new(false),
    });
    let acks = session
        .declare_subscriber(format!("{key}/ack/*"))
        .callback({
            let shared = Arc::clone(&shared);
            move |sample| shared.acknowledge(sample.key_expr().as_str(), &sample.payload().to_bytes())
        })
        .wait()?;
    let (sender, receiver) = mpsc::channel();
    let queryable = session
        .declare_queryable(format!("{key}/link"))
        .complete(true)
        .callback(move |query| _ = sender.send(query))
        .wait()?;
    let requests = std::thread::Builder::new().name("seqring-serve".into()).spawn({
        let shared = Arc::clone(&shared);
        move || shared.run(&receiver)
    });
    let requests = Some(requests.map_err(|error| Error::Zenoh(error.into()))?);
    Ok(Server { shared, requests, _queryable: queryable, _acks: acks, _token: token })
}

impl Server {
    /// The ring that is served.
    pub fn ring(&self) -> &Ring {
        &self.shared.ring
    }

    /// The names of the mirrors whose link is up.
    pub fn mirrors(&self) -> Vec<String> {
        lock(&self.shared.links).values().map(|link| link.mirror.clone()).collect()
    }

    /// Whether the ring was removed from its name, so that the server has ended: another ring may
    /// have the name.
    pub fn has_ended(&self) -> bool {
        self.shared.ended.load(Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        if let Some(requests) = self.requests.take() {
            let _ = requests.join(); // The panic hook has printed the message, if it panicked.
        }
    }
}

struct Shared {
    session: Session,
    key: String,
    ring: Ring,
    location: Location,
    options: ServeOptions,
    identity: u128,
    server: u64,
    clock: Clock,
    /// Lossless, and queues: the places of mirrors, by their names.
    places: Mutex<HashMap<String, Place>>,
    links: Mutex<HashMap<u64, Arc<Link>>>,
    ended: AtomicBool,
}

/// What a server keeps for a mirror whose link is down.
struct Place {
    kept: Kept,
    link: u64,
    absent_since: Option<Instant>,
}

#[derive(Clone)]
enum Kept {
    /// A reader at the first message that is not acknowledged.
    Reader(Arc<Mutex<Reader>>),
    HandOut(Arc<HandOut>),
}

impl Shared {
    /// Answers requests, and clears up after links, until the server ends.
    fn run(self: Arc<Self>, requests: &mpsc::Receiver<Query>) {
        let tick = self.tick();
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        while !self.ended.load(Relaxed) {
            match requests.recv_timeout(tick) {
                Ok(query) => self.answer(&query, &mut threads),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            threads.retain(|thread| !thread.is_finished());
            self.clear_up();
            if !self.ring.is_named() {
                tracing::warn!(ring = self.key, "the ring was removed");
                self.ended.store(true, Relaxed);
            }
        }
        for link in lock(&self.links).values() {
            link.end();
        }
        for thread in threads {
            let _ = thread.join(); // As in `Server::drop`.
        }
    }

    /// How often signs of life are sent and looked for.
    fn tick(&self) -> Duration {
        self.options.dead_after / 4
    }

    fn answer(self: &Arc<Self>, query: &Query, threads: &mut Vec<JoinHandle<()>>) {
        let replied = match self.grant(query, threads) {
            Ok((welcome, start)) => {
                let replied = query.reply(query.key_expr(), welcome).wait();
                let _ = start.send(()); // The thread of the link has ended if it cannot receive.
                replied
            }
            Err(error) => {
                tracing::warn!(ring = self.key, %error, "a link is refused");
                let passes = matches!(error, Error::Register(_) | Error::TooManyMirrors);
                query.reply_err(format!("{}{error}", if passes { PASSES } else { "" })).wait()
            }
        };
        if let Err(error) = replied {
            tracing::warn!(ring = self.key, %error, "no reply");
        }
    }

    /// Grants a link. Returns the reply, and what starts the link once that is sent.
    fn grant(
        self: &Arc<Self>,
        query: &Query,
        threads: &mut Vec<JoinHandle<()>>,
    ) -> Result<(Vec<u8>, mpsc::Sender<()>), Error> {
        let payload = query.payload().filter(|payload| payload.len() <= REQUEST_BYTES);
        let hello = Hello::decode(&payload.ok_or(Error::Unservable("no request for a link"))?.to_bytes())?;
        if lock(&self.links).len() >= MOST_LINKS {
            return Err(Error::TooManyMirrors);
        }
        // The mirror has lost its earlier link, whether or not that has shown here.
        lock(&self.links).values().filter(|link| link.mirror == hello.mirror).for_each(|link| link.end());
        // A number of another ring means nothing here.
        let resume = hello.resume.filter(|_| hello.identity == self.identity);
        let (feed, place) = self.begin(&hello, resume)?;
        let Shared { ring, options, .. } = &**self;
        let stream = stream_of(ring);
        let welcome = Welcome {
            config: ring.config().clone(),
            identity: self.identity,
            first: feed.position(),
            lossless: place.is_some(),
            stream,
            host: options.host.clone(),
            clock: self.clock,
            dead_after: options.dead_after,
            server: self.server,
        };
        let publisher = self
            .session
            .declare_publisher(format!("{}/data/{:016x}", self.key, hello.link))
            .congestion_control(CongestionControl::Block)
            .express(true)
            .wait()?;
        let link = Arc::new(Link::new(&hello, welcome.first, place));
        tracing::info!(ring = self.key, mirror = link.mirror, first = welcome.first, "a link is up");
        lock(&self.links).insert(hello.link, Arc::clone(&link));
        let (starter, started) = mpsc::channel();
        // Any end is announced once more, behind the messages that precede it.
        let stream = match stream {
            StreamState::Live { .. } => stream,
            _ => StreamState::Fresh,
        };
        let sending = Sending::new(Arc::clone(self), link, hello.link, feed, publisher, stream);
        let thread = std::thread::Builder::new().name("seqring-link".into()).spawn(move || {
            if started.recv().is_ok() {
                sending.run();
            }
        });
        threads.push(thread.map_err(|error| Error::Zenoh(error.into()))?);
        Ok((welcome.encode(), starter))
    }

    /// What a link reads, and the place that its mirror has.
    fn begin(&self, hello: &Hello, resume: Option<u64>) -> Result<(Feed, Option<Kept>), Error> {
        let Shared { ring, location, options, .. } = self;
        if ring.config().delivery == Delivery::Queue {
            let (kept, place) = self.hand_out(hello, resume);
            return Ok((Feed::HandOut { next: resume.unwrap_or(place.next()), place }, Some(kept)));
        }
        let start = resume.map_or(Start::Oldest, Start::Sequence);
        let open = |start| Source::open(ring, location, start, options.lossless, options.waiting);
        if !options.lossless {
            return Ok((Feed::Ring(open(start)?), None));
        }
        let (place, position) = self.place(hello, start)?;
        let first = position.max(resume.unwrap_or_default());
        let mut source = open(Start::Sequence(first))?;
        // A writer that announces its next limit at this moment keeps a new reader above what the
        // place holds, until the writer has seen the place.
        for _ in 0..OPEN_TRIES {
            if source.position() <= first {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            source = open(Start::Sequence(first))?;
        }
        Ok((Feed::Ring(source), Some(place)))
    }

    /// The place of a mirror, and the position of its reader.
    fn place(&self, hello: &Hello, start: Start) -> Result<(Kept, u64), Error> {
        let mut places = lock(&self.places);
        if let Some(place) = places.get_mut(&hello.mirror)
            && let Kept::Reader(reader) = &place.kept
        {
            (place.link, place.absent_since) = (hello.link, None);
            return Ok((place.kept.clone(), lock(reader).position()));
        }
        let reader = self.ring.reader(start)?;
        let position = reader.position();
        let kept = Kept::Reader(Arc::new(Mutex::new(reader)));
        let place = Place { kept: kept.clone(), link: hello.link, absent_since: None };
        places.insert(hello.mirror.clone(), place);
        Ok((kept, position))
    }

    /// The place of a queue's mirror. A mirror that has lost its own queue, or has been handed more
    /// than this server knows of, gets a new place; the messages of the old one go to other takers.
    fn hand_out(&self, hello: &Hello, resume: Option<u64>) -> (Kept, Arc<HandOut>) {
        let mut places = lock(&self.places);
        let known = places.remove(&hello.mirror).and_then(|place| match place.kept {
            Kept::HandOut(place) => resume.filter(|resume| *resume <= place.next()).map(|_| place),
            Kept::Reader(_) => None,
        });
        let place = known.unwrap_or_else(|| {
            let each = self.options.ahead.saturating_add(1);
            Arc::new(HandOut::new(&self.ring, resume.unwrap_or_default(), self.options.waiting, each))
        });
        let work = hello.work.clone();
        place.acknowledge(&Ack { next: resume.unwrap_or_default(), bytes: 0, work });
        let kept = Kept::HandOut(Arc::clone(&place));
        let new = Place { kept: kept.clone(), link: hello.link, absent_since: None };
        places.insert(hello.mirror.clone(), new);
        (kept, place)
    }

    /// Notes an acknowledgement, which came by `key`.
    fn acknowledge(&self, key: &str, bytes: &[u8]) {
        let number = key.rsplit('/').next().and_then(|number| u64::from_str_radix(number, 16).ok());
        let link = number.and_then(|number| lock(&self.links).get(&number).cloned());
        let Some(link) = link else { return };
        if let Err(error) = Ack::decode(bytes).map_err(Error::from).and_then(|ack| link.acknowledge(&ack)) {
            tracing::warn!(ring = self.key, mirror = link.mirror, %error, "the link ends");
            link.end();
        }
    }

    /// Ends the places of mirrors that have been away for too long.
    fn clear_up(&self) {
        let links = lock(&self.links);
        lock(&self.places).retain(|mirror, place| {
            if links.contains_key(&place.link) {
                return true;
            }
            let since = *place.absent_since.get_or_insert_with(Instant::now);
            let kept = since.elapsed() < self.options.hold;
            if !kept {
                tracing::warn!(ring = self.key, mirror, "the mirror's place is given up");
            }
            kept
        });
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
