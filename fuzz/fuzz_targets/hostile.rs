//! A peer stores what it likes between any two accesses of a writer, a reader and a taker at work: nobody accesses what
//! is not the ring's, nobody panics, and no call goes on for long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seqring::Ring;
use seqring::fuzzing::before_each_access;
use seqring_fuzz::peer::Poke;
use seqring_fuzz::{Act, Crowd, Peer, Shape};
use std::cell::Cell;
use std::rc::Rc;

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    shape: Shape,
    plan: Vec<Poke>,
    acts: Vec<Act>,
}

/// No call has reason to make more accesses: a thousand tries of the longest message.
const ACCESSES: usize = 200_000;

fuzz_target!(|input: Input| {
    let ring = Ring::heap(&input.shape.config()).expect("the shapes are good ones");
    let mut crowd = Crowd::new(ring.clone());
    let mut peer = Peer::new(&ring, input.plan);
    let accesses = Rc::new(Cell::new(0));
    let watched = Rc::clone(&accesses);
    before_each_access(Some(Box::new(move || {
        watched.set(watched.get() + 1);
        assert!(watched.get() < ACCESSES, "a call goes on and on");
        peer.turn();
    })));
    crowd.act(&input.acts, &mut || accesses.set(0));
    accesses.set(0);
    drop(crowd);
    before_each_access(None);
});
