//! Processes stopped and killed while they create, open and leave a segment.
//!
//! | the victim        | at                                    | others meanwhile                                        |
//! |-------------------|---------------------------------------|----------------------------------------------------------|
//! | creates           | `FileFilled`, `FileReady`             | find nothing, and create the ring themselves            |
//! | creates           | `FileNamed`                           | open it, and use it                                     |
//! | opens             | `FileFound`, `FileEntered`            | use it, and leave                                       |
//! | leaves, the last  | `FileLeft`                            | open it, and use it                                     |
//! | leaves, the last  | `FileAlone`                           | can neither open nor create it until it goes on or dies |
//!
//! Whatever happens to the victim, the next one who comes opens or creates the ring, and the last one leaves nothing.

use crate::case::Fate;
use crate::message::{SLOT_BYTES, message};
use crate::victim;
use seqring::stopping::Stop;
use seqring::{Config, Ring, RingError, Start};

/// The points, and what the victim does that comes to them.
pub(crate) const STOPS: [(Stop, Errand); 7] = [
    (Stop::FileFilled, Errand::Create),
    (Stop::FileReady, Errand::Create),
    (Stop::FileNamed, Errand::Create),
    (Stop::FileFound, Errand::Open),
    (Stop::FileEntered, Errand::Open),
    (Stop::FileLeft, Errand::Leave),
    (Stop::FileAlone, Errand::Leave),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    Create,
    Open,
    Leave,
}

fn config() -> Config {
    Config::new(4, SLOT_BYTES)
}

/// What the victim process does.
pub(crate) fn be_victim(stop: usize, name: &str) {
    let (stop, errand) = STOPS[stop];
    let open = || match Ring::open(name) {
        Err(RingError::NotFound { .. }) => None, // The others were the last.
        ring => Some(ring.expect("it is there")),
    };
    match errand {
        Errand::Create => {
            victim::stop_at(stop, 0);
            match Ring::create(name, &config()) {
                Err(RingError::AlreadyExists { .. }) => {} // The others were first.
                ring => use_it(&ring.expect("there is room")).expect("it works"),
            }
        }
        Errand::Open => {
            victim::stop_at(stop, 0);
            open().iter().try_for_each(use_it).expect("it works");
        }
        Errand::Leave => {
            let ring = open().expect("it is there");
            println!(); // The parent leaves first.
            std::io::stdin().read_line(&mut String::new()).expect("it says when");
            victim::stop_at(stop, 0);
            drop(ring);
        }
    }
}

/// Runs a case.
pub(crate) fn run(number: usize, fate: Fate) -> Result<(), String> {
    let (stop, errand) = STOPS[number];
    let name = format!("stop-test-{}-{stop:?}-{fate:?}", std::process::id());
    let path = format!("/dev/shm/{name}.seqring");
    let there_before = (errand != Errand::Create).then(|| Ring::create(&name, &config()));
    let there_before = there_before.transpose().map_err(said)?;
    let mut victim = victim::start(&["segment-victim", &number.to_string(), &name])?;
    if errand == Errand::Leave {
        victim::await_word(&mut victim)?;
        drop(there_before);
        victim::answer(&mut victim)?;
        victim::await_stop(&mut victim)?;
    } else {
        victim::await_stop(&mut victim)?;
        drop(there_before); // With the victim in the middle of it.
    }
    let ours = meanwhile(stop, &name);
    let ended = match fate {
        Fate::Continued => victim::resume(&victim).and_then(|()| victim::ends_well(&mut victim)),
        Fate::Killed => victim::kill(&mut victim),
    };
    let ours = ours?;
    ended?;
    ours.iter().try_for_each(use_it)?;
    drop(ours);
    // The next one who comes, whatever the victim left.
    let next = Ring::open_or_create(&*name, &config()).map_err(said)?;
    use_it(&next)?;
    drop(next);
    if std::fs::exists(&path).map_err(|error| error.to_string())? {
        return Err(format!("{path} is left behind"));
    }
    Ok(())
}

/// What others can do while the victim is stopped.
fn meanwhile(stop: Stop, name: &str) -> Result<Option<Ring>, String> {
    let opened = Ring::open(name);
    match (stop, opened) {
        (Stop::FileFilled | Stop::FileReady, Err(RingError::NotFound { .. })) => {
            Ring::create(name, &config()).map(Some).map_err(said)
        }
        (Stop::FileNamed | Stop::FileEntered | Stop::FileLeft, Ok(ring)) => Ok(Some(ring)),
        // The last of those who had it has left.
        (Stop::FileFound, Err(RingError::NotFound { .. })) => Ok(None),
        (Stop::FileAlone, Err(RingError::Unusable { .. })) => match Ring::create(name, &config()) {
            Err(RingError::AlreadyExists { .. }) => Ok(None),
            other => Err(format!("the name is there, and creating it again gave {other:?}")),
        },
        (_, other) => Err(format!("opening it meanwhile gave {other:?}")),
    }
}

/// Moves more messages than there are slots.
fn use_it(ring: &Ring) -> Result<(), String> {
    let mut writer = ring.writer().map_err(|error| error.to_string())?;
    let mut reader = ring.reader(Start::Next).map_err(|error| error.to_string())?;
    let mut out = [0; SLOT_BYTES];
    for n in 0..10 {
        writer.write_timeout(&message(1, n), victim::NEVER).map_err(|error| error.to_string())?;
        let got = reader.read_timeout(&mut out, victim::NEVER).map_err(|error| error.to_string())?;
        if out[..got.len] != message(1, n) {
            return Err(format!("message {n} is another"));
        }
    }
    Ok(())
}

fn said(error: RingError) -> String {
    error.to_string()
}
