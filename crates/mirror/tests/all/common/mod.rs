//! Processes of `seqring-mirror`, a network that can be cut, and messages that are checked.
#![allow(unreachable_pub, reason = "a part of a test")]

use mirror::Origin;
use seqring::{Config, Delivery, MessageHeader, ReadError, Reader, Ring, Start, Writer};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// After this time a test has failed: something hangs.
pub const GUARD: Duration = Duration::from_mins(1);
/// The longest silence of a link that is up.
pub const DEAD_AFTER: &str = "0.4";

/// A name that no other test has.
pub fn fresh(what: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("mirror-{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst))
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn endpoint(port: u16) -> String {
    format!("tcp/127.0.0.1:{port}")
}

/// A process of the command. Dropping it kills it, and removes its ring, which a killed process
/// leaves behind.
pub struct Process {
    child: Child,
    ring: Option<String>,
}

impl Process {
    /// Starts the command, and waits until it has printed its first line.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seqring-mirror"));
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{arguments:?} has ended");
        Process { child, ring: None }
    }

    fn with_ring(mut self, ring: &str) -> Self {
        self.ring = Some(ring.into());
        self
    }

    pub fn serve(ring: &str, more: &[&str]) -> Self {
        Self::start(&[&["serve", ring, "--dead-after", DEAD_AFTER], more].concat()).with_ring(ring)
    }

    pub fn mirror(ring: &str, local: &str, more: &[&str]) -> Self {
        Self::start(&[&["mirror", ring, "--as", local], more].concat()).with_ring(local)
    }

    pub fn route(port: u16) -> Self {
        Self::start(&["route", "--listen", &endpoint(port)])
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, and leaves its ring to the next process.
    pub fn kill(mut self) {
        self.ring = None;
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The exit code, once it has ended by itself.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
        if let Some(ring) = &self.ring {
            let _ = Ring::unlink(ring.as_str()); // Its last user may have removed it.
        }
    }
}

/// Forwards connections to another port, until they are cut.
pub struct Network {
    pub port: u16,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    open: Arc<AtomicBool>,
}

impl Network {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, open) = (Arc::default(), Arc::new(AtomicBool::new(true)));
        let network = Network { port, connections: Arc::clone(&connections), open: Arc::clone(&open) };
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", target));
                let (Ok(far), true) = (far, open.load(SeqCst)) else { continue };
                for (mut from, mut to) in [(&near, &far), (&far, &near)]
                    .map(|(a, b)| (a.try_clone().unwrap(), b.try_clone().unwrap()))
                {
                    let _ = from.set_nodelay(true);
                    thread::spawn(move || {
                        let mut bytes = vec![0; 1 << 16];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            if to.write_all(&bytes[..count]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Both); // It may be closed already.
                    });
                }
                connections.lock().unwrap().extend([near, far]);
            }
        });
        network
    }

    /// Ends all connections. New ones are refused while the network is closed.
    pub fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both); // It may be closed already.
        }
    }

    pub fn set_open(&self, open: bool) {
        self.open.store(open, SeqCst);
        if !open {
            self.cut();
        }
    }
}

/// The source of most tests: messages with everything that they can carry.
pub fn source(delivery: Delivery, slots: usize) -> Config {
    Config::slots(slots)
        .of_bytes(100)
        .delivery(delivery)
        .tag(true)
        .timestamp(true)
        .meta_bytes(16)
        .participants(16)
}

/// Message `n`: its length and its bytes follow from its number.
pub fn payload(n: u64) -> Vec<u8> {
    let len = 8 + (n * 7 % 93) as usize;
    (0..len).map(|at| (n >> (at % 8 * 8)) as u8).collect()
}

pub fn write(writer: &mut Writer) {
    let n = writer.next_sequence();
    let metadata = n.to_le_bytes();
    let header = MessageHeader { tag: !n, metadata: &metadata[..(n % 9) as usize] };
    writer.write_with(&payload(n), &header).unwrap();
}

/// What a reader found, until the stream was closed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub read: u64,
    pub lost: u64,
    pub deaths: Vec<u32>,
}

impl Found {
    /// Reads one message, or why there is none; checks the message. Returns false at the end of the
    /// stream.
    pub fn step(&mut self, reader: &mut Reader) -> bool {
        let next = reader.position();
        match reader.view_timeout(GUARD) {
            Ok(view) => {
                let received = view.received();
                let n = received.sequence;
                assert_eq!((n, &*view), (next, &payload(n)[..]));
                assert_eq!(received.tag, Some(!n));
                assert_eq!(view.metadata(), &n.to_le_bytes()[..(n % 9) as usize]);
                self.read += 1;
            }
            Err(ReadError::Lagged(lagged)) => self.lost += lagged.lost,
            Err(ReadError::WriterDied { pid }) => self.deaths.push(pid),
            Err(ReadError::Closed) => return false,
            Err(error) => panic!("after {self:?}, at {next}: {error}"),
        }
        true
    }

    /// Reads to number `end`, also across ends of the stream.
    pub fn read_to(&mut self, reader: &mut Reader, end: u64) {
        let begin = Instant::now();
        while reader.position() < end {
            assert!(begin.elapsed() < 3 * GUARD, "{self:?} at {}, not {end}", reader.position());
            if !self.step(reader) {
                thread::yield_now(); // The link is down: another one comes.
            }
        }
    }
}

/// The ring of a mirror, once it is there, and a reader that starts with the first message.
pub fn open(name: &str) -> (Ring, Reader) {
    let ring = Ring::open_timeout(name, GUARD).unwrap();
    let reader = ring.reader(Start::Oldest).unwrap();
    (ring, reader)
}

pub fn origin(ring: &Ring) -> Origin {
    Origin::of(ring).unwrap()
}

/// Waits until `done`.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < GUARD, "{what} does not come");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Random numbers from a seed that is printed.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let seed = std::env::var("SEQRING_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = seed.unwrap_or_else(now) | 1;
        println!("SEQRING_SEED={seed}");
        Random(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
