//! Calls: each question is taken once at most, each caller gets the answer to its last question,
//! whole, and a server or caller that dies at any step leaves no other one waiting.

use super::messages::{message, number};
use loom::thread;
use seqring::model::{
    Failpoint, abandon_caller, abandon_server, bury, dies_at, exclusive_payloads, look_for_the_dead,
    set_heavy_barrier,
};
use seqring::{CallError, Caller, Config, Ring, Role, Server, WaitStrategy};

/// What is added to a question in its answer.
const ANSWER: u64 = 100;

/// With `exclusive` the payloads are cells in which loom detects every data race.
fn pair(exclusive: bool) -> (Ring, Server, Caller) {
    exclusive_payloads(exclusive);
    let ring = Ring::heap(&Config::calls(1).of_bytes(16)).unwrap();
    let (server, caller) = (ring.server().unwrap(), ring.caller().unwrap());
    (ring, server, caller)
}

/// Serves in up to `tries` tries. Returns the questions, which must be whole.
fn serve(server: &mut Server, tries: usize) -> Vec<u64> {
    let mut served = Vec::new();
    for _ in 0..tries {
        match server.try_take() {
            Ok(question) => {
                let asked = number(&question);
                served.push(asked);
                question.answer(&message(ANSWER + asked)).unwrap();
            }
            Err(CallError::Pending) => {}
            Err(error) => panic!("{error}"),
        }
    }
    served
}

/// Whether the answer to question `n` is there, which must be whole and that one's.
fn try_answer(caller: &mut Caller, n: u64) -> Result<(), CallError> {
    let mut out = [0; 16];
    caller.try_answer(&mut out)?;
    assert_eq!(number(&out), ANSWER + n, "an answer to another question");
    Ok(())
}

/// A caller asks again as soon as it has the answer.
pub(super) fn twice() {
    let (_ring, mut server, mut caller) = pair(true);
    let calling = thread::spawn(move || {
        caller.ask(&message(0)).unwrap();
        let answered = (0..2).any(|_| try_answer(&mut caller, 0).is_ok());
        if answered {
            caller.ask(&message(1)).unwrap();
        }
        (caller, u64::from(answered))
    });
    let mut served = serve(&mut server, 2);
    let (mut caller, last) = calling.join().unwrap();
    served.extend(serve(&mut server, 2));
    assert_eq!(served, (0..=last).collect::<Vec<_>>(), "lost or taken twice");
    assert_eq!(try_answer(&mut caller, last), Ok(()));
}

/// A caller gives a question up and asks another one, while the server copies or answers it.
pub(super) fn given_up() {
    let (_ring, mut server, mut caller) = pair(false);
    caller.ask(&message(0)).unwrap();
    let calling = thread::spawn(move || {
        caller.ask(&message(1)).unwrap();
        let answered = try_answer(&mut caller, 1).is_ok();
        (caller, answered)
    });
    let mut served = serve(&mut server, 2);
    let (mut caller, answered) = calling.join().unwrap();
    served.extend(serve(&mut server, 1));
    assert!(served == [1] || served == [0, 1], "{served:?}");
    assert!(answered || try_answer(&mut caller, 1) == Ok(()));
}

/// A server refuses a question.
pub(super) fn refused() {
    let (_ring, mut server, mut caller) = pair(true);
    let calling = thread::spawn(move || {
        caller.ask(&message(0)).unwrap();
        let early = try_answer(&mut caller, 0);
        (caller, early)
    });
    let taken = server.try_take().map(drop);
    let (mut caller, early) = calling.join().unwrap();
    if taken.is_err() {
        drop(server.try_take().unwrap());
    }
    let late = if early == Err(CallError::Pending) { try_answer(&mut caller, 0) } else { early };
    assert_eq!(late, Err(CallError::Refused));
}

/// A server leaves after its answer. Its caller does not take the end for the lack of an answer.
pub(super) fn server_left() {
    let (_ring, mut server, mut caller) = pair(true);
    caller.ask(&message(0)).unwrap();
    let serving = thread::spawn(move || {
        assert_eq!(serve(&mut server, 1), [0]);
        drop(server);
    });
    let early = try_answer(&mut caller, 0);
    serving.join().unwrap();
    let late = if early == Err(CallError::Pending) { try_answer(&mut caller, 0) } else { early };
    assert_eq!(late, Ok(()));
}

/// A server dies at a point of a call. The caller finds it dead and learns what became of its
/// question; a successor takes it only if the dead server had not.
fn server_died_at(point: Failpoint, taken: bool) {
    let (ring, mut victim, mut caller) = pair(true);
    caller.ask(&message(0)).unwrap();
    let kernel = ring.clone();
    let serving = thread::spawn(move || {
        dies_at(point, || _ = serve(&mut victim, 1));
        bury(&kernel, abandon_server(victim));
    });
    look_for_the_dead(&ring, Role::Writer);
    let early = try_answer(&mut caller, 0);
    serving.join().unwrap();
    let heir = &mut ring.server().unwrap();
    let served = serve(heir, 2);
    let is_gone = matches!(early, Err(CallError::NoServer { .. }));
    assert!(!(taken && is_gone), "the end hid what became of a question that was taken");
    let late = if is_gone || early == Err(CallError::Pending) { try_answer(&mut caller, 0) } else { early };
    match point {
        Failpoint::PublishDone => assert_eq!((late, served), (Ok(()), vec![])),
        _ if taken => {
            assert!(matches!(late, Err(CallError::ServerDied { .. })), "{late:?}");
            assert_eq!(served, [], "a question was taken twice");
        }
        _ => assert_eq!((late, served), (Ok(()), vec![0])),
    }
    // The cell is as good as new.
    caller.ask(&message(1)).unwrap();
    assert_eq!((serve(heir, 1), try_answer(&mut caller, 1)), (vec![1], Ok(())));
}

pub(super) fn server_died_copying() {
    server_died_at(Failpoint::ReadCopied, false);
}

pub(super) fn server_died_with_question() {
    server_died_at(Failpoint::QuestionTaken, true);
}

pub(super) fn server_died_answering() {
    server_died_at(Failpoint::PublishStored, true);
}

pub(super) fn server_died_after_answer() {
    server_died_at(Failpoint::PublishDone, true);
}

/// The process that recovers a dead server dies, too, after it refused the question.
pub(super) fn finder_died() {
    let (ring, mut victim, mut caller) = pair(true);
    caller.ask(&message(0)).unwrap();
    dies_at(Failpoint::QuestionTaken, || _ = serve(&mut victim, 1));
    bury(&ring, abandon_server(victim));
    let finder = ring.clone();
    let finding = thread::spawn(move || {
        if dies_at(Failpoint::QuestionRefused, || look_for_the_dead(&finder, Role::Writer)) {
            bury(&finder, 0);
        }
    });
    let early = try_answer(&mut caller, 0);
    finding.join().unwrap();
    look_for_the_dead(&ring, Role::Writer);
    let late = if early == Err(CallError::Pending) { try_answer(&mut caller, 0) } else { early };
    assert!(matches!(late, Err(CallError::ServerDied { .. })), "{late:?}");
    let heir = &mut ring.server().unwrap();
    assert_eq!(serve(heir, 1), [], "a question was taken twice");
}

/// A caller dies at a step of its question. The next one of its entry gets no answer to that.
fn caller_died_at(point: Failpoint, asked: bool) {
    let (ring, mut server, mut victim) = pair(false);
    let serving = thread::spawn(move || {
        let served = serve(&mut server, 2);
        (server, served)
    });
    dies_at(point, || _ = victim.ask(&message(0)));
    bury(&ring, abandon_caller(victim));
    let mut heir = ring.caller().unwrap();
    heir.ask(&message(1)).unwrap();
    let early = try_answer(&mut heir, 1);
    let (mut server, mut served) = serving.join().unwrap();
    served.extend(serve(&mut server, 1));
    assert!(served == [1] || asked && served == [0, 1], "{served:?}");
    assert!(early.is_ok() || try_answer(&mut heir, 1) == Ok(()));
}

pub(super) fn caller_died_marking() {
    caller_died_at(Failpoint::PublishMarked, false);
}

pub(super) fn caller_died_asking() {
    caller_died_at(Failpoint::PublishStored, false);
}

pub(super) fn caller_died_after_asking() {
    caller_died_at(Failpoint::PublishDone, true);
}

/// No wake is lost on either side. Sleeps have no timeout here.
pub(super) fn wake() {
    set_heavy_barrier(false);
    let (_ring, mut server, mut caller) = pair(true);
    server.set_wait_strategy(WaitStrategy::SLEEPING);
    caller.set_wait_strategy(WaitStrategy::SLEEPING);
    let serving = thread::spawn(move || {
        let question = server.take().unwrap();
        let asked = number(&question);
        question.answer(&message(ANSWER + asked)).unwrap();
        server
    });
    let mut out = [0; 16];
    caller.call(&message(7), &mut out).unwrap();
    assert_eq!(number(&out), ANSWER + 7);
    drop(serving.join().unwrap());
}
