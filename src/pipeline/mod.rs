//! A pipeline: a commander says what is to be made, producers make it, and the consumer iterates over the items.
//!
//! ```
//! use seqring::Frame;
//! use seqring::pipeline::{Commands, Filling, Pipeline, WorkerError};
//!
//! let names = (0..100).map(|n: u32| n.to_string());
//! let items = Pipeline::new()
//!     .array(Frame::of::<f32>(&[64, 64])?)
//!     .bytes(16)
//!     .producers(4)
//!     .start(Commands(names), |_index| {
//!         |command: &[u8], item: &mut Filling<'_>| -> Result<(), WorkerError> {
//!             let value: f32 = std::str::from_utf8(command)?.parse()?;
//!             item.elements(0)?.fill(value);
//!             Ok(())
//!         }
//!     })?;
//! for (n, item) in items.enumerate() {
//!     assert_eq!(item?.elements::<f32>(0)?[4095], n as f32);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads or processes
//! [`Pipeline::start`] makes the workers threads. [`Pipeline::start_with`] makes them processes (Linux): [`Programs`] runs
//! this program again, and [`worker_main`], at the beginning of `main`, is the worker there; whoever has processes made in
//! another way says so by [`Launch`] and [`Worker`], and hands each a [`WorkerTicket`]. The text of commander and producer,
//! the order of events and the errors are the same. What differs:
//!
//! |                                  | threads                                   | processes                                  |
//! |----------------------------------|-------------------------------------------|--------------------------------------------|
//! | a producer takes too long        | is given up; its command is made by another; it goes on when it comes back, and what it made is dropped | is killed, and replaced by a new process |
//! | a worker dies                    | with the whole process                    | is told of with its process and signal, or, a producer, replaced |
//! | stopping while one is in the user's code | it is named after two seconds     | it is killed after one and a half          |
//! | the consumer dies                | with it                                   | the workers end by themselves, after two seconds also in the user's code |
//!
//! # How it works
//! Two [queues](crate::Delivery::Queue), of commands and of results: on the heap for threads; for processes in one segment
//! without a name, which goes with the last of them, however they end.
//!
//! | step | who       |                                                                                              |
//! |------|-----------|----------------------------------------------------------------------------------------------|
//! | 1    | commander | waits until result `n` has room: until that of `n - in_flight` was taken                      |
//! | 2    | commander | publishes command `n`                                                                         |
//! | 3    | producer  | takes the command, and claims room: result `n`, or the next one if the order does not matter  |
//! | 4    | producer  | fills its own buffer, where it lies                                                           |
//! | 5    | producer  | exchanges the word that says what it is at for *idle*; too late: somebody gave it up          |
//! | 6    | producer  | publishes the result: its buffer goes into the ring                                           |
//! | 7    | consumer  | takes the result, and its buffer with it, by a taker that the [`Item`] keeps                  |
//!
//! A failure is a result, too, with a mark in its tag and the message in its payload: it comes where the item would.
//! After the last command comes a mark that says how many there were.
//!
//! While the consumer waits, it looks after the workers. What a dead producer had taken in step 3 is still its, as the
//! ring sees it, and the consumer's to take over: the command is tried again, by another producer if there is one, or its
//! failure becomes its result. If the producer died after step 6, the result is there already: in order, the second one
//! finds its number taken; in any order, the consumer drops the second of a number.
//!
//! # Guarantees
//! - Every command issued gives exactly one result, an item or an error, however often it was tried and whoever died.
//! - There are never more than `in_flight` commands whose results were not taken.
//! - A commander or producer that panics or fails is told of with the item's number; so is a producer that takes too
//!   long, if there is a [time-out](Pipeline::produce_timeout), and a process that dies. A commander has as long as it likes
//!   for a command: a consumer that does not waits with [`Items::next_timeout`].
//! - A retried command goes to another producer than the one that failed at it, if another is at work.
//! - [`Items::stop`], and dropping [`Items`], take two seconds at most. Then no process is left, no segment, no descriptor;
//!   of threads, those that are still in the user's code, and `stop` names them.
//! - A process without an entry is an error, never one that starts others.
//!
//! # Costs
//! An item is written once, by its producer, and never copied. Buffers: `in_flight`, one a producer, one an item held, and
//! a few more. Whoever waits sleeps; nobody holds a lock, but for a copy of the command that threads with a time-out keep.
//! A consumer that waits for processes looks every 50 ms whether they live; workers that wait look up once a second.
//! `cargo bench --bench pipeline` measures what that costs, and what else a pipeline must reach.

#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "what only processes need"))]

mod arrays;
mod builder;
mod channels;
mod commander;
mod delivered;
mod error;
mod exit;
mod failure;
#[cfg(target_os = "linux")]
mod host_watchdog;
mod item;
mod items;
mod plan;
mod producer;
#[cfg(target_os = "linux")]
mod program;
mod progress;
mod results;
#[cfg(target_os = "linux")]
mod spawner;
mod status;
mod supervisor;
mod tag;
mod threads;
#[cfg(target_os = "linux")]
mod ticket;
mod worker;
#[cfg_attr(not(target_os = "linux"), path = "worker_processes/none.rs")]
mod worker_processes;
mod workers;

pub use builder::Pipeline;
pub use error::{PipelineError, WorkerError};
pub use exit::{Doing, Exit};
pub use failure::OnFailure;
pub use item::Item;
pub use items::Items;
#[cfg(target_os = "linux")]
pub use program::{Programs, WORKER_VARIABLE, worker_main};
pub use progress::{ProducerFigures, Progress};
pub use results::Order;
#[cfg(target_os = "linux")]
pub use spawner::{Launch, Worker};
#[cfg(target_os = "linux")]
pub use ticket::{Place, WorkerRole, WorkerTicket};
pub use worker::{Commander, Commands, Filling, Mapping, Producer};
