//! The mirror: a ring that gets what another host's ring has, under the same numbers.
//!
//! The callback of the link's subscriber publishes a frame at once, so that a message takes one
//! wake less. Where the mirror's ring is full, the frame waits for the mirror's thread, which waits
//! for room. That thread also sends signs of life, and asks for the next link when one is down.

mod inlet;

use crate::error::Error;
use crate::host;
use crate::origin::{ORIGIN_WORDS, Origin};
use crate::server::{PASSES, lock};
use crate::sink::Sink;
use crate::wire::{Hello, Welcome};
use inlet::{Inlet, work};
use seqring::{Config, Location, Ring, RingError, Writers};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zenoh::qos::{CongestionControl, Priority};
use zenoh::sample::SampleKind;
use zenoh::{Session, Wait};

/// How long a request for a link waits for a reply.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// The time between two requests: the first, and the longest.
const RETRY: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// How a ring is mirrored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FollowOptions {
    /// The mirror's name: a lossless server keeps its place under it. Each mirror of a ring needs
    /// its own.
    pub mirror: String,
    /// Bytes that the server may send ahead of what is published here.
    pub window: u32,
    /// The most memory that the mirror's ring may take.
    pub max_bytes: u64,
}

impl FollowOptions {
    /// For a mirror's ring at `location`: the mirror's name is that of this host and the ring.
    pub fn of(location: &Location) -> Self {
        FollowOptions {
            mirror: format!("{}:{}", host::name(), location.name()),
            window: 16 << 20,
            max_bytes: 4 << 30,
        }
    }
}

/// A ring that is mirrored. Dropping it ends the mirror; its ring's stream has then ended.
pub struct Follower {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

#[derive(Default)]
struct Stop {
    set: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Stop {
    fn set(&self) {
        let _guard = lock(&self.lock);
        self.set.store(true, Relaxed);
        self.changed.notify_all();
    }

    fn is_set(&self) -> bool {
        self.set.load(Relaxed)
    }

    fn wait(&self, longest: Duration) {
        let guard = lock(&self.lock);
        let _ = self.changed.wait_timeout_while(guard, longest, |()| !self.is_set());
    }
}

/// Mirrors the ring that is served as `source` to the ring at `location`, which is created when the
/// first link is up.
///
/// # Errors
/// [`Error::NotAMirror`] if another ring is there; the system's, if there is no thread.
pub fn follow(
    session: &Session,
    source: &str,
    location: impl Into<Location>,
    options: FollowOptions,
) -> Result<Follower, Error> {
    let location = location.into();
    let existing = existing(&location)?;
    let stop = Arc::new(Stop::default());
    let mirror = Mirror {
        session: session.clone(),
        key: host::key(source),
        source: source.into(),
        location,
        options,
        ring: existing,
        stop: Arc::clone(&stop),
    };
    let thread = std::thread::Builder::new().name("seqring-mirror".into()).spawn(move || mirror.run());
    Ok(Follower { stop, thread: Some(thread.map_err(|error| Error::Zenoh(error.into()))?) })
}

impl Follower {
    /// Whether the mirror has ended: the source was closed for good, or an error came.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until the mirror has ended.
    ///
    /// # Errors
    /// What ended it, unless the source was closed for good.
    pub fn join(mut self) -> Result<(), Error> {
        self.thread.take().map_or(Ok(()), |thread| thread.join().expect("the mirror's thread panicked"))
    }

    /// Ends the mirror.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub fn stop(self) -> Result<(), Error> {
        self.stop.set();
        self.join()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // The panic hook has printed the message, if it panicked.
        }
    }
}

/// The mirror's ring, if one of an earlier mirror is there.
fn existing(location: &Location) -> Result<Option<Ring>, Error> {
    match Ring::open(location.clone()) {
        Ok(ring) if Origin::of(&ring).is_some() || Origin::is_missing(&ring) => Ok(Some(ring)),
        Ok(_) => Err(Error::NotAMirror(location.name().into())),
        Err(RingError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the mirror's thread has.
struct Mirror {
    session: Session,
    key: String,
    source: String,
    location: Location,
    options: FollowOptions,
    ring: Option<Ring>,
    stop: Arc<Stop>,
}

/// How a link ended.
enum End {
    /// Another one may be had.
    Lost(String),
    Stopped,
    /// The source was closed for good.
    Closed,
}

impl Mirror {
    fn run(mut self) -> Result<(), Error> {
        let mut pause = RETRY[0];
        while !self.stop.is_set() {
            let begin = Instant::now();
            match self.link()? {
                End::Closed => return Ok(()),
                End::Stopped => {}
                End::Lost(why) => tracing::warn!(source = self.source, why, "the link is down"),
            }
            pause = if begin.elapsed() > RETRY[1] { RETRY[0] } else { (2 * pause).min(RETRY[1]) };
            self.stop.wait(pause);
        }
        Ok(())
    }

    /// Asks for a link, and follows it until it is down.
    fn link(&mut self) -> Result<End, Error> {
        let link = host::random();
        let inlet = Arc::new(Inlet::new(self.options.window));
        let acks = self
            .session
            .declare_publisher(format!("{}/ack/{link:016x}", self.key))
            .congestion_control(CongestionControl::Drop) // A later one says all that it says.
            .priority(Priority::InteractiveHigh)
            .express(true)
            .wait()?;
        let acks = Arc::new(acks);
        // Before the request: no frame is missed.
        let _frames = self
            .session
            .declare_subscriber(format!("{}/data/{link:016x}", self.key))
            .callback({
                let (inlet, acks) = (Arc::clone(&inlet), Arc::clone(&acks));
                move |sample| inlet.receive(sample.payload().clone(), &acks)
            })
            .wait()?;
        let welcome = match self.request(link)? {
            Ok(welcome) => welcome,
            Err(why) => return Ok(End::Lost(why)),
        };
        let _alive = self
            .session
            .liveliness()
            .declare_subscriber(format!("{}/alive/{:016x}", self.key, welcome.server))
            .callback({
                let inlet = Arc::clone(&inlet);
                move |sample| {
                    if sample.kind() == SampleKind::Delete {
                        inlet.end(End::Lost("the server has left".into()));
                    }
                }
            })
            .wait()?;
        let (ring, origin) = self.prepare(&welcome)?;
        tracing::info!(source = self.source, host = welcome.host, first = welcome.first, "the link is up");
        inlet.open(Sink::new(ring.clone(), origin, &welcome, host::clock())?, &welcome, &acks);
        // A node that other nodes only connect to, as a file may say, has no connection of its own.
        let watched = is_connected(&self.session);
        inlet.run(&ring, &self.stop, welcome.dead_after, &acks, || !watched || is_connected(&self.session))
    }

    /// Asks for link number `link`. The inner error may pass.
    fn request(&self, link: u64) -> Result<Result<Welcome, String>, Error> {
        let known = self.ring.as_ref().and_then(|ring| Some((ring, Origin::of(ring)?)));
        let hello = Hello {
            mirror: self.options.mirror.clone(),
            link,
            resume: known.as_ref().map(|(ring, _)| ring.next_sequence()),
            identity: known.map_or(0, |(_, origin)| origin.identity),
            window: self.options.window,
            // After the number: what is below that is finished, or among these.
            work: self.ring.as_ref().map(work).unwrap_or_default(),
        };
        let query = self.session.get(format!("{}/link", self.key)).payload(hello.encode());
        let replies = query.timeout(REQUEST_TIMEOUT).wait()?;
        let Ok(reply) = replies.recv() else {
            return Ok(Err("no server answers".into()));
        };
        match reply.into_result() {
            Ok(sample) => Ok(Ok(Welcome::decode(&sample.payload().to_bytes())?)),
            Err(refusal) => {
                let text = String::from_utf8_lossy(&refusal.payload().to_bytes()).into_owned();
                // zenoh itself answers "Timeout".
                if text.starts_with(PASSES) || text.eq_ignore_ascii_case("timeout") || text.is_empty() {
                    return Ok(Err(text));
                }
                Err(Error::Refused(text))
            }
        }
    }

    /// The mirror's ring, for what the server has.
    fn prepare(&mut self, welcome: &Welcome) -> Result<(Ring, Origin), Error> {
        let origin = Origin {
            host: welcome.host.clone(),
            source: self.source.clone(),
            linked: true,
            pid: 0,
            identity: welcome.identity,
        };
        let mut config = welcome.config.clone().first_sequence(welcome.first);
        config.user_words = config.user_words.saturating_add(ORIGIN_WORDS);
        check_size(&config, self.options.max_bytes)?;
        if let Some(ring) = &self.ring {
            // A mirror that was killed before it stored the origin had published nothing.
            let known = Origin::of(ring).map(|known| known.identity);
            let unwritten = known.is_none() && ring.config().first_sequence <= welcome.first;
            if unwritten || known == Some(welcome.identity) {
                config.first_sequence = ring.config().first_sequence;
                if *ring.config() != config {
                    return Err(Error::NotAMirror(self.location.name().into()));
                }
                return Ok((ring.clone(), origin));
            }
            // The source is another ring than before: the stream of the old one ends for good.
            ring.close();
            self.ring = None;
            match Ring::unlink(self.location.clone()) {
                Ok(()) | Err(RingError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let ring = Ring::create(self.location.clone(), &config)?;
        origin.store(&ring);
        self.ring = Some(ring.clone());
        Ok((ring, origin))
    }
}

/// Refuses a ring that would take more than `most` bytes, before any memory is allocated.
fn check_size(config: &Config, most: u64) -> Result<(), Error> {
    let message = config.slot_bytes as u128 + config.meta_bytes as u128 + 256;
    let others = config.participants as u128 * 128 + config.user_words as u128 * 8;
    let spare = if config.writers == Writers::Many { config.participants } else { 2 };
    let bytes = (config.slots as u128 + spare as u128) * message + others;
    if bytes > most.into() { Err(Error::TooLarge { bytes, most }) } else { Ok(()) }
}

/// Whether the session has a connection to a router or peer.
fn is_connected(session: &Session) -> bool {
    let info = session.info();
    info.routers_zid().wait().next().is_some() || info.peers_zid().wait().next().is_some()
}
