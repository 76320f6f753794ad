//! Simulated cores with caches of unlimited size, and the lines that move between them.
//!
//! Each core runs one participant as a coroutine. Before each access to shared memory the library
//! calls [`watch`]: the core waits until no other core is behind it in simulated time, the access
//! is accounted, and then it happens. So the order of all accesses follows from the code and the
//! costs alone, and a run repeats exactly.
//!
//! # Coherence
//! A line is in the caches of a set of cores. A load by a core outside of the set moves the line
//! there. A store or a read-modify-write by a core that does not have the line alone moves the line
//! there, or takes it from the others. Each of these is one transfer. Prefetches are not simulated.

use corosensei::{Coroutine, CoroutineResult, Yielder};
use seqring::fuzzing::{Access, watch_each_access};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// What an access costs, in the unit of the simulated time: one that hits, and a transfer.
const HIT: u64 = 1;
const TRANSFER: u64 = 60;
/// A pause instruction.
const PAUSE: u64 = 20;
const LINE: usize = 64;

#[derive(Default)]
struct Cores {
    clocks: Vec<u64>,
    /// The cores that have each line: a bit for each.
    holders: HashMap<usize, u64>,
    transfers: u64,
}

thread_local! {
    static CORES: RefCell<Cores> = RefCell::default();
    /// The core that runs, and how it gives way.
    static RUNNING: Cell<Option<(usize, *const Yielder<(), ()>)>> = const { Cell::new(None) };
}

/// Runs each part on a core of its own, up to 64 of them. Returns the number of transfers.
pub(crate) fn run(parts: Vec<Box<dyn FnOnce()>>) -> u64 {
    assert!(parts.len() <= u64::BITS as usize, "a bit for each core");
    CORES.set(Cores { clocks: vec![0; parts.len()], ..Cores::default() });
    watch_each_access(Some(watch));
    let cores = parts.into_iter().enumerate().map(|(core, part)| {
        Some(Coroutine::new(move |yielder: &Yielder<(), ()>, ()| {
            RUNNING.set(Some((core, yielder)));
            part();
        }))
    });
    let mut cores: Vec<_> = cores.collect();
    let running = cores.iter().map(|_| Cell::new(None)).collect::<Vec<_>>();
    while let Some(next) = foremost() {
        RUNNING.set(running[next].get());
        let coroutine = cores[next].as_mut().expect("a core that is done has no clock");
        match coroutine.resume(()) {
            CoroutineResult::Yield(()) => running[next].set(RUNNING.get()),
            CoroutineResult::Return(()) => {
                cores[next] = None;
                CORES.with_borrow_mut(|all| all.clocks[next] = u64::MAX);
            }
        }
    }
    RUNNING.set(None);
    watch_each_access(None);
    CORES.take().transfers
}

/// The core that is the least far in simulated time.
fn foremost() -> Option<usize> {
    CORES.with_borrow(|all| {
        let live = all.clocks.iter().enumerate().filter(|(_, clock)| **clock < u64::MAX);
        live.min_by_key(|(core, clock)| (**clock, *core)).map(|(core, _)| core)
    })
}

/// Lets the time pass for which a core executes so many pause instructions.
pub(crate) fn pause(pauses: u64) {
    let Some((core, _)) = RUNNING.get() else { return };
    CORES.with_borrow_mut(|all| all.clocks[core] += PAUSE * pauses);
}

fn watch(access: Access) {
    let Some((core, yielder)) = RUNNING.get() else { return };
    while foremost() != Some(core) {
        #[allow(unsafe_code, reason = "the hook is a function and knows no coroutine")]
        // SAFETY: the coroutine that set it runs now: the scheduler restores the value of the one
        // that it resumes.
        unsafe {
            (*yielder).suspend(());
        }
    }
    let (address, writes) = match access {
        Access::Load(address) => (address, false),
        Access::Store(address) => (address, true),
        Access::Pauses(pauses) => return pause(pauses.into()),
    };
    CORES.with_borrow_mut(|all| {
        let (bit, holders) = (1 << core, all.holders.entry(address / LINE).or_default());
        let hits = if writes { *holders == bit } else { *holders & bit != 0 };
        *holders = if writes { bit } else { *holders | bit };
        all.transfers += u64::from(!hits);
        all.clocks[core] += if hits { HIT } else { TRANSFER };
    });
}
