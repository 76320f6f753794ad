//! The participants that `seqring-lab deaths` compares with those of seqring, as far as their
//! libraries are in Rust: `rivals deaths CONTESTANT RING DIRECTORY INDEX:ROLE…`.

mod iceoryx;
mod threads;

use crate::rings::Ringfire;
use cloudtoid_interprocess::{Error, Options, Publisher, Subscriber};
use harness::child::die_with_parent;
use harness::deaths::{Answer, End, Kin, OfEngine, PATIENCE, Part, Role, serve};
use harness::engine::Engine;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

const SLOTS: usize = 64;
const BYTES: usize = 8192;

pub(crate) fn main(arguments: &[String]) -> ExitCode {
    match play(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &[String]) -> Result<(), String> {
    let [contestant, ring, directory, parts @ ..] = arguments else {
        return Err("deaths CONTESTANT RING DIRECTORY INDEX:ROLE…".into());
    };
    let parts = parts.iter().map(|part| part.parse()).collect::<Result<Vec<Part>, _>>()?;
    let directory = Path::new(directory);
    die_with_parent()?;
    let played = match (contestant.as_str(), &parts[..]) {
        ("iceoryx2", []) => return iceoryx::clean(ring),
        (_, []) => return Ok(()), // Nothing is documented.
        ("iceoryx2", [part]) => {
            serve(directory, *part, BYTES, Kin::Processes, || iceoryx::Port::join(ring, part.role))
        }
        ("ringfire", [part]) => {
            let mut made = None;
            let join = || OfEngine::join(made.insert(Ringfire::<[u64; BYTES / 8]>::open(ring)?), part.role);
            serve(directory, *part, BYTES, Kin::Processes, join)
        }
        ("cloudtoid", [part]) => {
            serve(directory, *part, BYTES, Kin::Processes, || Cloudtoid::join(ring, part.role))
        }
        ("crossbeam", parts) => threads::crossbeam(directory, parts),
        ("disruptor", parts) => threads::disruptor(directory, parts),
        _ => return Err(format!("no contestant {contestant}")),
    };
    played.map_err(|error| error.to_string())
}

/// An end of a queue of cloudtoid-interprocess.
enum Cloudtoid {
    Publisher(Publisher),
    Subscriber(Subscriber),
}

impl Cloudtoid {
    fn join(ring: &str, role: Role) -> Result<Self, Error> {
        // In the current directory, which is this run's.
        let options = Options::new(ring, SLOTS * (BYTES + 64)).with_path(".");
        Ok(match role {
            Role::Writer => Self::Publisher(Publisher::open(&options)?),
            Role::Reader => Self::Subscriber(Subscriber::open(&options)?),
        })
    }
}

impl End for Cloudtoid {
    fn send(&mut self, message: &[u8], _: &mut dyn FnMut()) -> Result<(), Answer> {
        let Self::Publisher(publisher) = self else {
            return Err(Answer::Report("this end does not write".into()));
        };
        let begin = Instant::now();
        loop {
            match publisher.try_send(message) {
                Ok(()) => return Ok(()),
                Err(Error::Full) if begin.elapsed() < PATIENCE => std::thread::yield_now(),
                Err(Error::Full) => return Err(Answer::Nothing),
                Err(error) => return Err(Answer::Report(error.to_string())),
            }
        }
    }

    fn receive(&mut self, seen: &mut dyn FnMut(&[u8], bool)) -> Result<(), Answer> {
        let Self::Subscriber(subscriber) = self else {
            return Err(Answer::Report("this end does not read".into()));
        };
        match subscriber.recv_timeout(PATIENCE) {
            Ok(Some(message)) => {
                seen(&message, false);
                Ok(())
            }
            Ok(None) => Err(Answer::Nothing),
            Err(error) => Err(Answer::Report(error.to_string())),
        }
    }
}
