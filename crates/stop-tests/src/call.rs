//! Servers and callers of a ring for calls are stopped and killed at the points of a call.
//!
//! A stopped caller delays no other one. A stopped server delays all callers: their calls time out,
//! and name it. If it is killed, the question that it had taken is refused, and a successor answers
//! the next ones; else it answers when it continues.

use crate::case::afterwards;
use crate::victim::{self, Fate, TIMEOUT, text};
use seqring::failpoints::Failpoint;
use seqring::{CallError, Caller, Config, Ring, Role, Server, WaitStrategy};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The sides of a call.
pub(crate) const SIDES: [Role; 2] = [Role::Server, Role::Caller];

pub(crate) fn reaches(point: Failpoint, side: Role) -> bool {
    match point {
        Failpoint::PublishStored | Failpoint::PublishDone => true,
        Failpoint::PublishMarked => side == Role::Caller,
        Failpoint::ReadCopied | Failpoint::QuestionTaken | Failpoint::QuestionRefused => side == Role::Server,
        _ => false,
    }
}

/// The victim process: it serves one question or asks one, and stops itself at the point.
pub(crate) fn be_victim(point: Failpoint, side: Role, name: &str) {
    let ring = Ring::open(name).expect("the parent created it");
    victim::stop_at(point, 0);
    match side {
        Role::Server => {
            let mut server = ring.server().expect("there is none");
            let question = server.take_timeout(TIMEOUT).expect("the parent asks");
            if point == Failpoint::QuestionRefused {
                return question.keep(); // It leaves.
            }
            answer(question);
        }
        _ => {
            let mut caller = ring.caller().expect("there is a cell");
            call(&mut caller, 1, TIMEOUT).expect("the parent serves");
        }
    }
}

/// Runs a case. Returns how many calls were made past the victim.
pub(crate) fn run(point: Failpoint, side: Role, fate: Fate, messages: u64) -> Result<u64, String> {
    let name = format!("stop-test-{}-call-{point:?}-{side:?}-{fate:?}", std::process::id());
    let ring = Ring::create(&name, &Config::calls(2).of_bytes(8)).map_err(text)?;
    let mut caller = ring.caller().map_err(text)?;
    caller.set_wait_strategy(WaitStrategy::SLEEPING);
    let number = SIDES.iter().position(|one| *one == side).ok_or("it is one of them")?;
    let mut victim = victim::start("call", point, &[&number.to_string(), &name])?;
    if side == Role::Caller {
        let moved = served(&ring, || {
            victim::await_stop(&mut victim)?;
            calls(&mut caller, messages)?;
            victim::end(&mut victim, fate)?;
            calls(&mut caller, afterwards(messages))
        })?;
        return Ok(messages + moved);
    }
    let asked = call(&mut caller, 0, Duration::ZERO);
    if !matches!(asked, Err(CallError::TimedOut { .. })) {
        return Err(format!("the victim did not stop: {asked:?}"));
    }
    victim::await_stop(&mut victim)?;
    let pid = victim.id();
    let answered = match (point, caller.answer_timeout(&mut [0; 8], Duration::from_millis(100))) {
        (Failpoint::PublishDone, Ok(8)) => true,
        (Failpoint::QuestionRefused, Err(CallError::Refused)) => true,
        (_, Err(CallError::TimedOut { server: Some(server), .. })) if server.pid == pid => false,
        (_, other) => return Err(format!("while the server is stopped: {other:?}")),
    };
    victim::end(&mut victim, fate)?;
    if !answered {
        match (fate, caller.answer_timeout(&mut [0; 8], TIMEOUT)) {
            (Fate::Continued, Ok(8)) => {}
            // It was not taken: the next server gets it, unless the caller asks another one.
            (Fate::Killed, Err(CallError::NoServer { died: Some(died) }))
                if point == Failpoint::ReadCopied && died == pid => {}
            (Fate::Killed, Err(CallError::ServerDied { pid: died }))
                if point != Failpoint::ReadCopied && died == pid => {}
            (_, other) => return Err(format!("after the server's end: {other:?}")),
        }
    }
    served(&ring, || calls(&mut caller, afterwards(messages)))
}

/// Runs `act` while a server of this process answers.
fn served<T: Send>(ring: &Ring, act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let (over, mut server) = (AtomicBool::new(false), ring.server().map_err(text)?);
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| serve(&mut server, &over));
        let done = act();
        over.store(true, Ordering::Relaxed);
        serving.join().map_err(|_| "the server panicked")??;
        done
    })
}

fn serve(server: &mut Server, over: &AtomicBool) -> Result<(), String> {
    while !over.load(Ordering::Relaxed) {
        match server.take_timeout(Duration::from_millis(10)) {
            Ok(question) => answer(question),
            Err(CallError::TimedOut { .. }) => {}
            Err(error) => return Err(text(error)),
        }
    }
    Ok(())
}

/// Answers a number with its complement.
fn answer(question: seqring::Question<'_>) {
    let number = question.value::<[u8; 8]>().map(|bytes| u64::from_le_bytes(*bytes)).expect("8 bytes");
    question.answer(&(!number).to_le_bytes()).expect("it fits");
}

fn calls(caller: &mut Caller, count: u64) -> Result<u64, String> {
    (0..count).try_for_each(|n| call(caller, n, TIMEOUT)).map_err(text)?;
    Ok(count)
}

fn call(caller: &mut Caller, number: u64, timeout: Duration) -> Result<(), CallError> {
    let mut out = [0; 8];
    caller.call_timeout(&number.to_le_bytes(), &mut out, timeout)?;
    assert_eq!(u64::from_le_bytes(out), !number, "an answer to another question");
    Ok(())
}
