//! A mirror beside zenoh's own publisher and subscriber, in turn: one way latency and messages a
//! second of 64 bytes, and throughput of 1 MiB. Two processes on this host, or, with `LISTEN` and
//! `PREFIX` (a command that starts the receiver in another network namespace), in two namespaces:
//!
//! `cargo run --release --example compare -- [ROUNDS [LISTEN PREFIX…]]`
//!
//! Both processes must share a monotonic clock.

use mirror::{FollowOptions, ServeOptions, Server, follow, serve, session};
use seqring::{Config, Location, ReadError, Ring, Start, WaitStrategy};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use zenoh::qos::CongestionControl;
use zenoh::{Session, Wait};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A row: its name, bytes of a message, messages a second (0: as many as there is room for), and
/// how long it takes.
const ROWS: [(&str, usize, u64, Duration); 3] = [
    ("one way latency, 64 B, µs", 64, 2000, Duration::from_secs(2)),
    ("messages of 64 B, 1000/s", 64, 0, Duration::from_secs(1)),
    ("1 MiB, MB/s", 1 << 20, 0, Duration::from_secs(1)),
];
/// The last message of a row.
const END: u64 = u64::MAX;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["receive", engine, row, endpoint, name] => receive(engine, row.parse()?, endpoint, name),
        [] => compare(5, session::LOOPBACK, &[]),
        [rounds] => compare(rounds.parse()?, session::LOOPBACK, &[]),
        [rounds, listen, ref prefix @ ..] => compare(rounds.parse()?, listen, prefix),
    }
}

/// Prints the medians of all rounds with the least and the greatest, and the ratio of the medians.
fn compare(rounds: usize, listen: &str, prefix: &[&str]) -> Result<()> {
    println!("{:<26} {:>24} {:>24} {:>7}", "", "zenoh", "mirror", "ratio");
    for (index, (name, ..)) in ROWS.into_iter().enumerate() {
        let (mut zenoh, mut mirrored) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            zenoh.push(round("zenoh", index, listen, prefix)?);
            mirrored.push(round("mirror", index, listen, prefix)?);
        }
        let [(zenoh, zenoh_text), (mirrored, mirrored_text)] = [zenoh, mirrored].map(summary);
        println!("{name:<26} {zenoh_text:>24} {mirrored_text:>24} {:>7.2}", mirrored / zenoh);
    }
    Ok(())
}

/// The median, and the text that is printed for it.
fn summary(mut values: Vec<f64>) -> (f64, String) {
    values.sort_by(f64::total_cmp);
    let (median, last) = (values[values.len() / 2], values[values.len() - 1]);
    (median, format!("{median:.1} ({:.1}–{last:.1})", values[0]))
}

fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// One engine in one row: starts the receiver, sends, and returns what the receiver measured.
fn round(engine: &str, index: usize, listen: &str, prefix: &[&str]) -> Result<f64> {
    let (_, bytes, rate, duration) = ROWS[index];
    let session = zenoh::open(session::config(&[listen.into()], &[])?).wait()?;
    let name = format!("compare-{}", std::process::id());
    let mut sender: Box<dyn Sender> = match engine {
        "zenoh" => Box::new(Plain::new(&session, &name)?),
        _ => Box::new(Mirrored::new(&session, &name, bytes)?),
    };
    let (mut child, results) = start_receiver(engine, index, listen, &name, prefix)?;
    sender.wait_for_receiver()?;
    let (mut message, begin, mut sent) = (vec![7; bytes], Instant::now(), 0_u32);
    while begin.elapsed() < duration {
        if let Some(pause) = 1_000_000_000_u64.checked_div(rate) {
            let due = begin + Duration::from_nanos(pause) * sent;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        message[..8].copy_from_slice(&now().to_le_bytes());
        sender.send(&message)?;
        sent += 1;
    }
    message[..8].copy_from_slice(&END.to_le_bytes());
    sender.send(&message)?;
    let result = results.recv_timeout(Duration::from_secs(30));
    drop(sender);
    let _ = child.kill(); // It may have ended.
    child.wait()?;
    session.close().wait()?;
    Ok(result?.parse()?)
}

fn start_receiver(
    engine: &str,
    index: usize,
    listen: &str,
    name: &str,
    prefix: &[&str],
) -> Result<(Child, mpsc::Receiver<String>)> {
    let own = std::env::current_exe()?;
    let mut command = match prefix {
        [] => Command::new(own),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(own);
            command
        }
    };
    command.args(["receive", engine, &index.to_string(), listen, name]);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let (sender, results) = mpsc::channel();
    std::thread::spawn(move || lines.map_while(std::io::Result::ok).try_for_each(|line| sender.send(line)));
    Ok((child, results))
}

trait Sender {
    fn wait_for_receiver(&mut self) -> Result<()>;
    fn send(&mut self, message: &[u8]) -> Result<()>;
}

struct Plain(zenoh::pubsub::Publisher<'static>);

impl Plain {
    fn new(session: &Session, name: &str) -> Result<Self> {
        let publisher = session.declare_publisher(name.to_owned());
        Ok(Plain(publisher.congestion_control(CongestionControl::Block).wait()?))
    }
}

impl Sender for Plain {
    fn wait_for_receiver(&mut self) -> Result<()> {
        while !self.0.matching_status().wait()?.matching() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.0.put(message).wait()
    }
}

struct Mirrored {
    server: Server,
    writer: seqring::Writer,
}

impl Mirrored {
    fn new(session: &Session, name: &str, bytes: usize) -> Result<Self> {
        let slots = if bytes > 4096 { 16 } else { 16384 };
        let ring = Ring::create(name, &Config::slots(slots).of_bytes(bytes))?;
        let mut options = ServeOptions::default();
        options.lossless = true;
        options.waiting = waiting();
        Ok(Mirrored { server: serve(session, name, options)?, writer: ring.writer()? })
    }
}

/// `SPIN=1`: a core for each wait.
fn waiting() -> WaitStrategy {
    if std::env::var_os("SPIN").is_some() { WaitStrategy::SPINNING } else { WaitStrategy::default() }
}

impl Sender for Mirrored {
    fn wait_for_receiver(&mut self) -> Result<()> {
        while self.server.mirrors().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.writer.write(message)?;
        Ok(())
    }
}

/// The receiving process: prints the figure of the row.
fn receive(engine: &str, row: usize, endpoint: &str, name: &str) -> Result<()> {
    let session = zenoh::open(session::config(&[], &[endpoint.into()])?).wait()?;
    if engine == "zenoh" {
        let (sender, done) = mpsc::channel();
        let mut figures = Figures::default();
        let _subscriber = session
            .declare_subscriber(name.to_owned())
            .callback_mut(move |sample| {
                let bytes = sample.payload().to_bytes();
                if figures.note(&bytes) {
                    let _ = sender.send(figures.result(row)); // Only the first end counts.
                }
            })
            .wait()?;
        println!("{}", done.recv()?);
        return Ok(());
    }
    let location = Location::named(format!("{name}-far"));
    let _mirror = follow(&session, name, location.clone(), FollowOptions::of(&location))?;
    let ring = Ring::open_timeout(location, Duration::from_secs(20))?;
    let mut reader = ring.reader(Start::Next)?;
    reader.set_wait_strategy(waiting());
    let mut figures = Figures::default();
    loop {
        match reader.view() {
            Ok(view) => {
                if figures.note(&view) {
                    println!("{}", figures.result(row));
                    return Ok(());
                }
            }
            Err(ReadError::Closed) => std::thread::yield_now(), // The writer has not come yet.
            Err(error) => return Err(error.into()),
        }
    }
}

#[derive(Default)]
struct Figures {
    times: Vec<u64>,
    first: Option<Instant>,
    bytes: usize,
}

impl Figures {
    /// Counts a message. Returns whether it is the last.
    fn note(&mut self, message: &[u8]) -> bool {
        let sent = u64::from_le_bytes(message[..8].try_into().expect("8 bytes"));
        if sent != END {
            self.first.get_or_insert_with(Instant::now);
            self.times.push(now().saturating_sub(sent));
            self.bytes += message.len();
        }
        sent == END
    }

    fn result(&mut self, row: usize) -> f64 {
        let seconds = self.first.map_or(f64::NAN, |first| first.elapsed().as_secs_f64());
        self.times.sort_unstable();
        match row {
            0 => self.times[self.times.len() / 2] as f64 / 1e3,
            1 => self.times.len() as f64 / seconds / 1e3,
            _ => self.bytes as f64 / seconds / 1e6,
        }
    }
}
