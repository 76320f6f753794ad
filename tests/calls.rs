//! Questions and answers: each question is taken once at most, each answer goes to its caller, and
//! the death of either side is reported.
//!
//! The peer processes are this test binary, run again for its one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{Peer, answer, order, wait_for_parent};
use common::{TEST_TIMEOUT, bytes_of, create, path_of};
use seqring::inspect::Stream;
use seqring::{
    CallError, Caller, Config, Delivery, RegisterError, Ring, RingError, Role, Server, Start, WaitStrategy,
};
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    let ring = Ring::open(&name).unwrap();
    match verb.as_str() {
        "take" => {
            let mut server = ring.server().unwrap();
            let question = server.take().unwrap();
            answer("taken");
            wait_for_parent();
            question.answer(b"late").unwrap();
        }
        "ask" => {
            let mut caller = ring.caller().unwrap();
            caller.ask(b"of a child").unwrap();
            answer("asked");
            wait_for_parent();
        }
        "serve" => {
            let mut server = ring.server().unwrap();
            answer("serving");
            serve(&mut server);
        }
        other => panic!("unknown order {other}"),
    }
}

/// Answers each question with its bytes reversed, until the ring is closed.
fn serve(server: &mut Server) -> u64 {
    let mut served = 0;
    loop {
        match server.take() {
            Ok(question) => {
                let reversed: Vec<u8> = question.iter().rev().copied().collect();
                question.answer(&reversed).unwrap();
                served += 1;
            }
            Err(CallError::Closed) => return served,
            Err(error) => panic!("{error}"),
        }
    }
}

fn call_reversed(caller: &mut Caller, question: &[u8], room: usize) {
    let mut answer = vec![0; room];
    let len = caller.call_timeout(question, &mut answer, TEST_TIMEOUT).unwrap();
    answer[..len].reverse();
    assert_eq!(&answer[..len], question);
}

fn calling(ring: &Ring, index: u64, calls: u64, room: usize, strategy: WaitStrategy) -> JoinHandle<()> {
    let mut caller = ring.caller().unwrap();
    caller.set_wait_strategy(strategy);
    thread::spawn(move || {
        for n in 0..calls {
            call_reversed(&mut caller, &bytes_of(index << 32 | n, n as usize % (room + 1)), room);
        }
    })
}

fn join_all(callers: Vec<JoinHandle<()>>) {
    for caller in callers {
        caller.join().unwrap();
    }
}

fn pair(config: &Config) -> (Ring, Server, Caller) {
    let ring = Ring::heap(config).unwrap();
    let (server, caller) = (ring.server().unwrap(), ring.caller().unwrap());
    (ring, server, caller)
}

/// Fails if an answer goes to another caller, is torn, or if a wake is lost.
#[test]
fn each_answer_goes_to_its_caller_for_every_size_and_way_to_wait() {
    const CALLS: u64 = 400;
    for room in [24, 25, 56, 64, 300] {
        for strategy in [WaitStrategy::SLEEPING, WaitStrategy::BALANCED] {
            let ring = Ring::heap(&Config::calls(3).of_bytes(room)).unwrap();
            let mut server = ring.server().unwrap();
            server.set_wait_strategy(strategy);
            let callers: Vec<_> = (0..3).map(|index| calling(&ring, index, CALLS, room, strategy)).collect();
            let serving = thread::spawn(move || serve(&mut server));
            join_all(callers);
            assert_eq!(ring.next_sequence(), 3 * CALLS, "questions that were asked");
            ring.close();
            assert_eq!(serving.join().unwrap(), 3 * CALLS);
        }
    }
}

#[test]
fn a_server_process_answers_sleeping_callers() {
    let (name, ring) = create("calls", &Config::calls(2).of_bytes(24));
    let mut peer = Peer::ready("serve", &name);
    let callers: Vec<_> =
        (0..2).map(|index| calling(&ring, index, 300, 24, WaitStrategy::SLEEPING)).collect();
    join_all(callers);
    ring.close();
    peer.close_input();
    peer.finish();
}

/// Fails if the question that a dead server had taken is served again, if its caller waits for
/// ever, or if a question that it had not taken is lost.
#[test]
fn a_question_that_a_killed_server_took_is_refused_and_another_one_waits() {
    let (name, ring) = create("calls-died", &Config::calls(2).of_bytes(24));
    let (mut taken, mut waiting) = (ring.caller().unwrap(), ring.caller().unwrap());
    taken.ask(b"taken").unwrap();
    let peer = Peer::ready("take", &name);
    waiting.ask(b"waiting").unwrap();
    let pid = peer.pid();
    peer.kill();

    let mut out = [0; 24];
    assert_eq!(taken.answer_timeout(&mut out, TEST_TIMEOUT), Err(CallError::ServerDied { pid }));
    assert_eq!(taken.answer(&mut out), Err(CallError::NotAsked), "it is reported once");
    let untaken = waiting.answer_timeout(&mut out, TEST_TIMEOUT);
    assert_eq!(untaken, Err(CallError::NoServer { died: Some(pid) }));

    let mut heir = ring.server().unwrap();
    let question = heir.try_take().unwrap();
    assert_eq!(&*question, b"waiting");
    question.answer(b"by the heir").unwrap();
    assert_eq!(heir.try_take().unwrap_err(), CallError::Pending, "a question was taken twice");
    assert_eq!(waiting.answer(&mut out), Ok(11));
    assert_eq!(&out[..11], b"by the heir");
}

/// As above, and the next server registers before a caller looks.
#[test]
fn an_heir_refuses_what_its_predecessor_took() {
    let (name, ring) = create("calls-heir", &Config::calls(1).of_bytes(24));
    let mut caller = ring.caller().unwrap();
    caller.ask(b"taken").unwrap();
    let peer = Peer::ready("take", &name);
    let pid = peer.pid();
    peer.kill();
    let mut heir = loop {
        match ring.server() {
            Ok(server) => break server,
            Err(RegisterError::WriterTaken { .. }) => thread::yield_now(), // Not dead yet.
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(heir.try_take().unwrap_err(), CallError::Pending);
    assert_eq!(caller.try_answer(&mut [0; 24]), Err(CallError::ServerDied { pid }));
    caller.ask(b"again").unwrap();
    heir.try_take().unwrap().answer(b"answer").unwrap();
    assert_eq!(caller.try_answer(&mut [0; 24]), Ok(6));
}

/// Fails if a caller gets the answer to a question of the caller that had its entry before.
#[test]
fn the_next_caller_of_an_entry_gets_no_answer_to_its_predecessor() {
    let (name, ring) = create("calls-caller", &Config::calls(1).of_bytes(24));
    let mut server = ring.server().unwrap();
    let peer = Peer::ready("ask", &name);
    let pid = peer.pid();
    let question = server.try_take().unwrap();
    assert_eq!(&*question, b"of a child");
    let caller = question.caller().unwrap();
    assert_eq!((caller.pid, caller.role, caller.entry), (pid, Role::Caller, 1));
    assert!(question.is_awaited());
    peer.kill();
    let mut heir = loop {
        match ring.caller() {
            Ok(caller) => break caller,
            Err(RegisterError::TableFull { holders }) => assert!(!holders.is_empty()),
            Err(error) => panic!("{error}"),
        }
    };
    heir.ask(b"of the heir").unwrap();
    assert!(!question.is_awaited());
    question.answer(b"too late").unwrap();
    assert_eq!(heir.try_answer(&mut [0; 24]), Err(CallError::Pending));
    let question = server.try_take().unwrap();
    assert_eq!(&*question, b"of the heir");
    question.answer(b"answer").unwrap();
    assert_eq!(heir.try_answer(&mut [0; 24]), Ok(6));
}

/// Fails if the question of a dead caller is dropped, or served twice.
#[test]
fn the_question_of_a_killed_caller_is_served_once() {
    let (name, ring) = create("calls-orphan", &Config::calls(1).of_bytes(24));
    Peer::ready("ask", &name).kill();
    let mut server = ring.server().unwrap();
    let question = server.try_take().unwrap();
    assert_eq!(&*question, b"of a child");
    question.answer(b"to no caller").unwrap();
    let timeout = Duration::from_millis(1);
    let nothing = server.take_timeout(timeout);
    assert!(matches!(nothing, Err(CallError::TimedOut { server: None, awaits_first: false })));
}

/// Fails if the error of a call is the same before a server has joined and after.
#[test]
fn a_call_that_times_out_says_that_no_server_has_joined() {
    let ring = Ring::heap(&Config::calls(1).of_bytes(24)).unwrap();
    let mut caller = ring.caller().unwrap();
    let late = caller.call_timeout(b"question", &mut [0; 24], Duration::from_millis(1)).unwrap_err();
    assert_eq!(late, CallError::TimedOut { server: None, awaits_first: true });
    assert!(late.to_string().ends_with("no server has joined yet"), "{late}");
    let mut server = ring.server().unwrap();
    server.try_take().unwrap().answer(b"answer").unwrap();
    assert_eq!(caller.answer(&mut [0; 24]), Ok(6));
}

#[test]
fn a_late_answer_is_fetched_or_given_up() {
    let (_ring, mut server, mut caller) = pair(&Config::calls(1).of_bytes(24));
    let mut out = [0; 24];
    let late = caller.call_timeout(b"first", &mut out, Duration::from_millis(1));
    let Err(CallError::TimedOut { server: Some(awaited), .. }) = late else { panic!("{late:?}") };
    assert_eq!((awaited.pid, awaited.role), (std::process::id(), Role::Server));
    server.try_take().unwrap().answer(b"1").unwrap();
    assert_eq!(caller.answer(&mut out), Ok(1));

    // Given up before it is taken: the server gets the next one only.
    caller.ask(b"second").unwrap();
    caller.ask(b"third").unwrap();
    let question = server.try_take().unwrap();
    assert_eq!(&*question, b"third");
    // Given up after it is taken: its answer is dropped.
    caller.ask(b"fourth").unwrap();
    question.answer(b"3").unwrap();
    assert_eq!(caller.try_answer(&mut out), Err(CallError::Pending));
    server.try_take().unwrap().answer(b"4").unwrap();
    assert_eq!((caller.try_answer(&mut out), out[0]), (Ok(1), b'4'));
    assert_eq!(server.try_take().unwrap_err(), CallError::Pending);
}

#[test]
fn a_question_that_is_dropped_or_kept_too_long_is_refused() {
    let (_ring, mut server, mut caller) = pair(&Config::calls(1).of_bytes(24));
    let mut out = [0; 24];
    caller.ask(b"dropped").unwrap();
    drop(server.try_take().unwrap());
    assert_eq!(caller.try_answer(&mut out), Err(CallError::Refused));
    caller.ask(b"too large").unwrap();
    let refused = server.try_take().unwrap().answer(&[0; 25]);
    assert_eq!(refused, Err(CallError::TooLarge { len: 25, max: 24 }));
    assert_eq!(caller.try_answer(&mut out), Err(CallError::Refused));
    caller.ask(b"kept").unwrap();
    server.try_take().unwrap().keep();
    assert_eq!(server.answer(&[0; 25]), Err(CallError::TooLarge { len: 25, max: 24 }));
    server.answer(b"answer").unwrap();
    assert_eq!(server.answer(b"again"), Err(CallError::NotAsked));
    assert!(caller.ready_within(Duration::ZERO) && !server.ready_within(Duration::ZERO));
    assert_eq!(caller.try_answer(&mut out), Ok(6));
    caller.ask(b"kept too long").unwrap();
    assert!(!caller.ready_within(Duration::ZERO) && server.ready_within(Duration::ZERO));
    server.try_take().unwrap().keep();
    assert_eq!(caller.try_answer(&mut out), Err(CallError::Pending));
    assert_eq!(server.try_take().unwrap_err(), CallError::Pending, "a question was taken twice");
    assert_eq!(caller.try_answer(&mut out), Err(CallError::Refused));
    caller.ask(b"left").unwrap();
    server.try_take().unwrap().keep();
    drop(server);
    assert_eq!(caller.try_answer(&mut out), Err(CallError::Refused));
}

#[test]
fn the_end_is_reported_after_what_was_asked_before() {
    let (ring, mut server, mut caller) = pair(&Config::calls(1).of_bytes(24));
    let mut out = [0; 24];
    assert_eq!(caller.answer(&mut out), Err(CallError::NotAsked));
    assert_eq!(caller.ask(&[0; 25]), Err(CallError::TooLarge { len: 25, max: 24 }));
    caller.ask(b"before").unwrap();
    ring.close();
    server.take().unwrap().answer(b"answer").unwrap();
    assert_eq!(server.take().unwrap_err(), CallError::Closed);
    assert_eq!(caller.answer(&mut out[..2]), Err(CallError::TooSmall { needed: 6 }), "the answer stays");
    assert_eq!(caller.answer(&mut out), Ok(6));
    assert_eq!(caller.ask(b"after"), Err(CallError::Closed));
    assert!(matches!(ring.server().map(drop), Err(RegisterError::WriterTaken { .. })));
    drop(server);
    assert_eq!(ring.server().map(drop), Err(RegisterError::Closed));
}

#[test]
fn a_caller_waits_for_the_first_server() {
    let ring = Ring::heap(&Config::calls(1).of_bytes(24)).unwrap();
    let caller = calling(&ring, 1, 10, 24, WaitStrategy::SLEEPING);
    let mut server = ring.server().unwrap();
    let serving = thread::spawn(move || serve(&mut server));
    caller.join().unwrap();
    ring.close();
    assert_eq!(serving.join().unwrap(), 10);
}

#[test]
fn values_of_another_length_are_refused() {
    let (_ring, mut server, mut caller) = pair(&Config::calls(1).of::<u64, [u64; 3]>());
    assert!(caller.typed::<[u64; 4], u64>().is_err() && server.typed::<u64, ()>().is_err());
    caller.typed::<u32, u64>().unwrap().ask(&1).unwrap();
    let other = server.typed::<u64, u64>().unwrap().try_take().map(drop);
    assert_eq!(other, Err(CallError::OtherLength { len: 4, expected: 8 }));
    assert_eq!(caller.try_answer(&mut [0; 24]), Err(CallError::Refused));

    caller.ask(&7_u64.to_ne_bytes()).unwrap();
    let mut serving = server.typed::<u64, [u64; 3]>().unwrap();
    let question = serving.try_take().unwrap();
    let value = *question;
    assert_eq!(question.question().value::<u64>().unwrap(), &value);
    question.answer(&[value, 8, 9]);
    let other = caller.typed::<u64, u64>().unwrap().try_answer();
    assert_eq!(other, Err(CallError::OtherLength { len: 24, expected: 8 }), "the answer stays");
    assert_eq!(caller.typed::<u64, [u64; 3]>().unwrap().try_answer(), Ok([7, 8, 9]));
}

#[test]
fn a_ring_has_the_roles_of_its_kind_only() {
    let (calls, _server, _caller) = pair(&Config::calls(1).of_bytes(24));
    let refused = Err(RegisterError::Delivery { delivery: Delivery::Call });
    assert_eq!(calls.writer().map(drop), refused);
    assert_eq!(calls.reader(Start::Next).map(drop), refused);
    assert_eq!(calls.taker().map(drop), refused);
    let stats = calls.stats();
    assert_eq!(stats.stream, Stream::Open);
    let roles: Vec<_> = stats.participants.iter().map(|one| (one.role, one.lag)).collect();
    assert_eq!(roles, [(Role::Server, 0), (Role::Caller, 0)]);
    let Err(RegisterError::TableFull { holders }) = calls.caller() else { panic!("there is one cell") };
    assert!(holders.iter().any(|peer| peer.to_string().starts_with("the caller of process")));
    let ring = Ring::heap(&Config::slots(2).of_bytes(24)).unwrap();
    let refused = RegisterError::Delivery { delivery: Delivery::Gated };
    assert_eq!(ring.server().map(drop), Err(refused.clone()));
    assert_eq!(ring.caller().map(drop), Err(refused));
}

#[test]
fn what_has_no_meaning_for_calls_is_refused() {
    let calls = || Config::calls(2).of_bytes(8);
    let refused = [
        Config::calls(0).of_bytes(8),
        Config::calls(usize::MAX).of_bytes(8),
        Config::calls(2).of_bytes(1 << 17),
        calls().participants(4),
        calls().tag(true),
        calls().observers(true),
        calls().await_readers(1),
        calls().first_sequence(8),
        Config::slots(4).of_bytes(8).delivery(Delivery::Call),
    ];
    for config in refused {
        assert!(matches!(Ring::heap(&config), Err(RingError::Config(_))), "{config:?}");
    }
    Ring::heap(&calls().user_words(3).keep(true)).unwrap();
}

/// The layout of FORMAT.md: a change of it would make other builds misread a ring.
#[test]
fn the_cells_lie_where_the_format_says() {
    const SLOTS: usize = 12288;
    let (name, ring) = create("calls-format", &Config::calls(2).of_bytes(8));
    let (mut server, mut caller) = (ring.server().unwrap(), ring.caller().unwrap());
    let word = |offset: usize| {
        let bytes = std::fs::read(path_of(&name)).unwrap();
        u64::from_ne_bytes(bytes[offset..offset + 8].try_into().unwrap())
    };
    assert_eq!((word(32), word(40), word(64) as u32), (4, 24, 4), "slots, bytes, delivery");
    let stamp = |sequence: u64, full: u64, len: u64| sequence << 6 | full << 5 | len;
    assert_eq!((word(SLOTS), word(SLOTS + 32)), (stamp(0, 0, 0), stamp(1, 0, 0)));
    assert_eq!((word(SLOTS + 64), word(SLOTS + 96)), (stamp(2, 0, 0), stamp(3, 0, 0)));
    caller.ask(b"question").unwrap();
    assert_eq!((word(SLOTS), word(SLOTS + 8)), (stamp(2, 1, 8), u64::from_ne_bytes(*b"question")));
    let question = server.try_take().unwrap();
    assert_eq!(word(8192 + 8), 2 << 17 | 1, "the question that the server took");
    question.answer(b"an answe").unwrap();
    assert_eq!((word(SLOTS + 32), word(SLOTS + 40)), (stamp(3, 1, 8), u64::from_ne_bytes(*b"an answe")));
    caller.ask(b"").unwrap();
    drop(server.try_take().unwrap());
    assert_eq!((word(SLOTS), word(SLOTS + 32), word(SLOTS + 40)), (stamp(4, 1, 0), stamp(5, 0, 0), 0));
}
