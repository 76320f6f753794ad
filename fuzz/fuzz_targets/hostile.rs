//! A hostile peer stores any value between any two accesses of a writer, a reader, a taker, a
//! server and a caller: no access leaves the ring's memory, no call panics, and each call returns
//! after a bounded number of accesses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seqring::Ring;
use seqring::fuzzing::before_each_access;
use seqring_fuzz::peer::Poke;
use seqring_fuzz::{Act, Peer, Shape, Users};
use std::cell::Cell;
use std::rc::Rc;

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    shape: Shape,
    plan: Vec<Poke>,
    acts: Vec<Act>,
}

/// The bound: a thousand attempts with the longest message.
const ACCESSES: usize = 200_000;

fuzz_target!(|input: Input| {
    let ring = Ring::heap(&input.shape.config()).expect("the shapes are valid");
    let mut users = Users::new(ring.clone());
    let mut peer = Peer::new(&ring, input.plan);
    let accesses = Rc::new(Cell::new(0));
    let watched = Rc::clone(&accesses);
    before_each_access(Some(Box::new(move || {
        watched.set(watched.get() + 1);
        assert!(watched.get() < ACCESSES, "a call does not return");
        peer.turn();
    })));
    users.act(&input.acts, &mut || accesses.set(0));
    accesses.set(0);
    drop(users);
    before_each_access(None);
});
