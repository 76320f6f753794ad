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
//! # How it works
//! Two [queues](crate::Delivery::Queue) on the heap: of commands, and of results.
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
//! # Guarantees
//! - Every command issued gives exactly one result, an item or an error, however often it was tried.
//! - There are never more than `in_flight` commands whose results were not taken.
//! - A commander or producer that panics or fails is told of with the item's number; so is a producer that takes too
//!   long, if there is a [time-out](Pipeline::produce_timeout). A commander has as long as it likes: a consumer that does
//!   not waits with [`Items::next_timeout`].
//! - Threads that are in the user's code cannot be ended: [`Items::stop`] names them after two seconds.
//!
//! # Costs
//! An item is written once, by its producer, and never copied. Buffers: `in_flight`, one a producer, one an item held, and
//! one or two more. Whoever waits sleeps; nobody holds a lock.

mod arrays;
mod board;
mod builder;
mod commanding;
mod crew;
mod doing;
mod error;
mod failure;
mod guard;
mod item;
mod items;
mod keeper;
mod label;
mod launch;
mod plan;
mod producing;
mod program;
mod progress;
mod results;
mod seen;
mod threads;
mod ticket;
mod worker;
mod workers;
mod workshop;

pub use builder::Pipeline;
pub use doing::Doing;
pub use error::{PipelineError, WorkerError};
pub use failure::OnFailure;
pub use item::Item;
pub use items::Items;
pub use launch::{Exit, Launch, Worker};
pub use program::{Programs, WORKER_VARIABLE, worker_main};
pub use progress::{ProducerFigures, Progress};
pub use results::Order;
pub use ticket::{Place, WorkerRole, WorkerTicket};
pub use worker::{Commander, Commands, Filling, Mapping, Producer};
