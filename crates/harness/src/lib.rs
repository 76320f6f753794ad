//! The shared part of all measurements: `perf`, the benches, the laboratory, and the comparison
//! with rivals.
//!
//! The machine of this project is a VM whose two cores move over the host during a measurement, and
//! which other processes use too. The same code reads 33 or 600 million messages a second
//! there. So a number by itself means nothing; this crate makes a *ratio* of two
//! contestants, taken in the same rounds and in the same class of core distance, with every run and
//! every reason for leaving one out.
//!
//! # Where to look
//! | question | module |
//! |---|---|
//! | What must a contestant implement? | [`engine`], with [`ring_spec`], [`refusal`] |
//! | Does a contestant do what it must? | [`conformance`] |
//! | How are two contestants compared? | [`repeat`], [`summary`] |
//! | Which repetitions may be compared? | [`class`], by [`mod@line`] and [`surroundings`] |
//! | What could the best possible ring do? | [`floor`] |
//! | How is a latency taken? | [`pace`], [`latency`]; across processes, [`clock`] |
//! | Did the messages arrive whole? | [`payload`]; next to unchecked: [`content`] |
//! | How do the ends of a measurement run? | [`drive`], [`patience`], [`child`] |
//! | How does a program print what must be reached? | [`table`] |
//! | What did it cost, and where did it run? | [`usage`], [`machine`], [`pin`] |
//!
//! # Example
//! Two contestants, in turn, until 5 rounds can be compared or 30 s are over:
//! ```
//! use std::sync::atomic::AtomicBool;
//! use std::time::Duration;
//! use harness::floor::one_core_copy;
//! use harness::{line::LineProbe, pin::CorePair, surroundings::ThisMachine};
//! use harness::repeat::{Contestant, Counted, Plan, interleave};
//!
//! let copy = |bytes| {
//!     move || Ok(one_core_copy(bytes, 1, Duration::from_millis(2)))
//! };
//! let (small, large) = (copy(1 << 10), copy(1 << 20));
//! let mut contestants = [Contestant::new("1 KiB", small), Contestant::new("1 MiB", large)];
//! let mut machine = ThisMachine::new(LineProbe::new(CorePair::first_allowed()?));
//! let plan = Plan { rounds: 5, counted: Counted::OfEachClass, budget: Duration::from_secs(30) };
//! let stop = AtomicBool::new(false); // What a Ctrl-C handler sets.
//!
//! let record = interleave(&mut contestants, &plan, &mut machine, &stop, |_| ())?;
//!
//! let class = record.best_class();
//! println!("{}", record.ending);
//! for contestant in 0..2 {
//!     let summary = record.summary(contestant, class, |&rate| rate / 1e9);
//!     if let Some(spread) = &summary.spread {
//!         println!("{}, {class}: {spread} GB/s, {}", record.names[contestant], summary.dropped);
//!     }
//! }
//! if let Some(ratio) = record.ratio(0, 1, class, |&rate| rate) {
//!     println!("1 KiB is {ratio} times as fast");
//! }
//! # std::io::Result::Ok(())
//! ```

#[doc(hidden)]
pub use git_version;

pub mod child;
pub mod class;
pub mod clock;
pub mod conformance;
pub mod content;
pub mod deaths;
pub mod drive;
pub mod engine;
pub mod floor;
pub mod latency;
pub mod line;
pub mod machine;
pub mod pace;
pub mod patience;
pub mod payload;
pub mod pin;
pub mod refusal;
pub mod repeat;
pub mod ring_spec;
pub mod shared_words;
pub mod spread;
pub mod summary;
pub mod surroundings;
pub mod table;
pub mod usage;
pub mod wait;
