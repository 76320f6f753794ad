//! The command `seqring-mirror`, which `seqring serve` and `seqring mirror` start.

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use mirror::{FollowOptions, Follower, Origin, ServeOptions, Server, follow, serve, session};
use seqring::{Location, Ring, RingError, WaitStrategy};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;
use zenoh::{Session, Wait};

/// Rings of seqring on another host, over zenoh.
#[derive(Parser)]
#[command(name = "seqring-mirror", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve rings of this host to mirrors on others
    Serve(Serve),
    /// Mirror rings that another host serves
    Mirror(Mirror),
    /// Forward between servers and mirrors that cannot reach each other
    Route(Route),
    /// Print where the ring of a mirror comes from
    Origin {
        /// The mirror's ring
        name: String,
        /// Directory of the ring
        #[arg(short, long, default_value = "/dev/shm")]
        directory: PathBuf,
    },
}

#[derive(Args)]
struct Common {
    /// Directory of the rings
    #[arg(short, long, value_name = "DIR", default_value = "/dev/shm")]
    directory: PathBuf,

    /// zenoh's own configuration file, for TLS, access control, discovery; instead of the flags for
    /// endpoints
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "connect"])]
    config: Option<PathBuf>,

    /// Wait actively for messages: a lower latency, for one core a ring
    #[arg(long)]
    spin: bool,

    /// Listen at this endpoint, such as tcp/10.0.0.1:7447
    #[arg(short, long, value_name = "ENDPOINT")]
    listen: Vec<String>,

    /// Connect to this endpoint
    #[arg(long, visible_alias = "from", value_name = "ENDPOINT")]
    connect: Vec<String>,
}

#[derive(Args)]
struct Serve {
    /// The rings; each is waited for
    #[arg(required = true)]
    names: Vec<String>,

    /// Mirrors get every message: the writers of the rings wait for them
    #[arg(long)]
    lossless: bool,

    /// Seconds without a sign of life after which a link is down
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    dead_after: f64,

    /// Seconds for which the writers of a lossless ring, and the messages of a queue, wait for a
    /// mirror whose link is down
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    hold: f64,

    /// Messages of a queue that a mirror has for each of its takers, beside the one that the taker
    /// works at
    #[arg(long, value_name = "N", default_value_t = 1)]
    ahead: usize,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Mirror {
    /// The rings, by their names on the other host
    #[arg(required = true)]
    names: Vec<String>,

    /// The name of the ring here, for one ring
    #[arg(long = "as", value_name = "NAME")]
    local: Option<String>,

    /// The name under which a lossless server keeps this mirror's place [default: host and ring]
    #[arg(long, value_name = "TEXT")]
    id: Option<String>,

    /// The most memory that a ring may take here
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 30)]
    max_bytes: u64,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Route {
    /// Listen at this endpoint
    #[arg(short, long, value_name = "ENDPOINT", default_value = session::LOOPBACK)]
    listen: Vec<String>,

    /// Connect to another router
    #[arg(long, value_name = "ENDPOINT")]
    connect: Vec<String>,
}

fn main() -> ExitCode {
    zenoh::init_log_from_env_or("warn,zenoh=off");
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seqring-mirror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    match command {
        Command::Serve(options) => serve_all(&options, &stop),
        Command::Mirror(options) => mirror_all(&options, &stop),
        Command::Route(Route { listen, connect }) => {
            let _session = open(session::router(&listen, &connect))?;
            println!("routing at {}", listen.join(", "));
            while !stop.load(Relaxed) {
                sleep(TICK);
            }
            Ok(())
        }
        Command::Origin { name, directory } => {
            let ring = Ring::open(Location::in_directory(directory, &name))?;
            let Some(Origin { host, source, linked, pid, .. }) = Origin::of(&ring) else {
                bail!("{name} is no ring of a mirror");
            };
            let link = if linked { "up" } else { "down" };
            println!("host {host}\nring {source}\nlink {link}\nwriter {pid}");
            Ok(())
        }
    }
}

/// How often the command looks whether it is to end.
const TICK: Duration = Duration::from_millis(50);

fn serve_all(options: &Serve, stop: &AtomicBool) -> Result<()> {
    let Serve { names, lossless, common, .. } = options;
    let seconds = |seconds: f64| {
        Duration::try_from_secs_f64(seconds).map_err(|_| anyhow::anyhow!("{seconds} is no number of seconds"))
    };
    let session = common.open(session::LOOPBACK, "", stop)?;
    let mut serving = ServeOptions::default();
    serving.lossless = *lossless;
    serving.dead_after = seconds(options.dead_after)?.max(Duration::from_millis(40));
    serving.hold = seconds(options.hold)?;
    serving.ahead = options.ahead;
    serving.waiting = common.waiting();
    let mut servers: Vec<Option<Server>> = names.iter().map(|_| None).collect();
    while !stop.load(Relaxed) {
        for (server, name) in servers.iter_mut().zip(names) {
            if server.as_ref().is_some_and(|server| !server.has_ended()) {
                continue;
            }
            *server = None;
            match serve(&session, common.location(name), serving.clone()) {
                Ok(new) => {
                    println!("serving {name}");
                    *server = Some(new);
                }
                // It is created later, or again.
                Err(mirror::Error::Ring(RingError::NotFound { .. })) => {}
                Err(error) => return Err(error).with_context(|| name.clone()),
            }
        }
        sleep(TICK);
    }
    Ok(())
}

fn mirror_all(options: &Mirror, stop: &AtomicBool) -> Result<()> {
    let Mirror { names, local, id, max_bytes, common } = options;
    if names.len() > 1 && (local.is_some() || id.is_some()) {
        bail!("--as and --id name one ring, and {} are to be mirrored", names.len());
    }
    let session = common.open("", session::LOOPBACK, stop)?;
    let mut mirrors: Vec<(&str, Follower)> = Vec::new();
    for name in names {
        let location = common.location(local.as_ref().unwrap_or(name));
        let mut following = FollowOptions::of(&location);
        following.max_bytes = *max_bytes;
        if let Some(id) = id {
            following.mirror.clone_from(id);
        }
        let follower = follow(&session, name, location, following).with_context(|| name.clone())?;
        println!("mirroring {name}");
        mirrors.push((name, follower));
    }
    while !stop.load(Relaxed) && !mirrors.is_empty() {
        for at in (0..mirrors.len()).rev() {
            if mirrors[at].1.has_ended() {
                let (name, follower) = mirrors.swap_remove(at);
                follower.join().with_context(|| name.to_owned())?;
                println!("{name} is closed for good");
            }
        }
        sleep(TICK);
    }
    for (name, follower) in mirrors {
        follower.stop().with_context(|| name.to_owned())?;
    }
    Ok(())
}

impl Common {
    fn location(&self, name: &str) -> Location {
        Location::in_directory(&self.directory, name)
    }

    fn waiting(&self) -> WaitStrategy {
        if self.spin { WaitStrategy::SPINNING } else { WaitStrategy::default() }
    }

    /// Opens the session: by the file, by the flags, or else with these endpoints.
    fn open(&self, listen: &str, connect: &str, stop: &AtomicBool) -> Result<Session> {
        if let Some(file) = &self.config {
            return open(session::file(file));
        }
        let (mut listens, mut connects) = (self.listen.clone(), self.connect.clone());
        if listens.is_empty() && connects.is_empty() {
            let given = |endpoint: &str| (!endpoint.is_empty()).then(|| endpoint.to_owned());
            listens.extend(given(listen));
            connects.extend(given(connect));
        }
        let mut said = false;
        loop {
            let opened = open(session::config(&listens, &connects));
            // A client reaches no other node yet; a listener has failed for another reason.
            match opened {
                Err(error) if listens.is_empty() && !stop.load(Relaxed) => {
                    if !std::mem::replace(&mut said, true) {
                        eprintln!("seqring-mirror: {error:#}; it is tried again");
                    }
                    sleep(TICK);
                }
                opened => return opened,
            }
        }
    }
}

fn open(config: zenoh::Result<zenoh::Config>) -> Result<Session> {
    let opened = config.and_then(|config| zenoh::open(config).wait());
    opened.map_err(|error| anyhow::anyhow!("zenoh: {error}"))
}
