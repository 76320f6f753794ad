//! A pipeline: one commander issues commands, several producers make an item from each, and the
//! consumer iterates over the items.
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
//! # The problem
//! A program consumes large items, such as training batches, faster than one worker can make them.
//! Several producers must work at a time, the items must come in the order of the commands, the
//! bytes must not be copied, and no item may be lost or repeated when a producer fails, hangs or is
//! killed.
//!
//! - The **commander** ([`Commander`]) writes commands: short byte strings, numbered from 0.
//! - A **producer** ([`Producer`]) takes a command and fills the arrays of its item in place.
//! - The **consumer** iterates over [`Items`]. While it waits for one, it supervises the workers.
//!   Its process is the **host** of the pipeline.
//!
//! # Threads or processes
//! [`Pipeline::start`] makes the workers threads. [`Pipeline::start_with`] makes them processes
//! (Linux): [`Programs`] runs this program again, and [`worker_main`], at the beginning of `main`,
//! runs the worker there. For another way to start processes, implement [`Spawner`] and
//! [`WorkerProcess`], and pass each process its [`WorkerTicket`]. Commanders and producers are
//! written alike for both, and items and errors come in the same order. The differences:
//!
//! |                      | threads                      | processes                              |
//! |----------------------|------------------------------|----------------------------------------|
//! | a producer hangs     | given up; its late item is dropped | killed and replaced              |
//! | a producer dies      | the whole process dies       | replaced, or an error with its signal  |
//! | the commander dies   | the whole process dies       | an error with its process and signal   |
//! | `stop`, in user code | named after two seconds      | killed after one and a half            |
//! | the consumer dies    | the workers die with it      | the workers end within two seconds     |
//!
//! *Hangs* means: exceeds its [time limit](Pipeline::produce_timeout).
//!
//! # How it works
//! There are two [queues](crate::Delivery::Queue), of commands and of results. For threads they are
//! on the heap; for processes, in one segment without a name, which goes with the last of them,
//! however they end.
//!
//! | step | participant | action                                                                  |
//! |------|-------------|-------------------------------------------------------------------------|
//! | 1    | commander   | waits until result `n` has room: until result `n - in_flight` was taken |
//! | 2    | commander   | publishes command `n`                                                   |
//! | 3    | producer    | takes the command, and claims result `n`; in any order, the next result |
//! | 4    | producer    | fills its own buffer                                                    |
//! | 5    | producer    | exchanges its state from *working* to *idle*                            |
//! | 6    | producer    | publishes the result: its buffer goes into the ring                     |
//! | 7    | consumer    | takes the result and its buffer, by a taker that the [`Item`] keeps     |
//!
//! The consumer gives a producer up by an exchange of the same state word, from *working* to *given
//! up*. If the producer's exchange in step 5 comes first, the item is published. If the consumer's
//! comes first, step 5 fails, the producer drops its item, and the consumer decides about the
//! command.
//!
//! A failure is a result too, with its kind in the tag and the message in the payload: it takes the
//! item's place. After the last command comes a result that holds the number of commands.
//!
//! # States of a command
//! | state     | its bytes are in                        | next                                |
//! |-----------|-----------------------------------------|-------------------------------------|
//! | issued    | the commands ring                       | taken (step 3)                      |
//! | taken     | the commands ring, its producer's entry | published; or issued again: a retry |
//! | published | the results ring: an item or a failure  | delivered (step 7)                  |
//! | delivered | the consumer's [`Item`]                 | its buffer is free after the drop   |
//!
//! # Recovery
//! - **A producer process dies before step 6.** The consumer finds it within 50 ms. The command is
//!   still taken by the dead producer. The consumer takes it over, and retries it or publishes its
//!   failure. A new process takes the dead one's entries, and with them its buffers.
//! - **A producer process dies after step 6,** before it has marked the command as done. The
//!   command is retried as well. In order, the second result finds its number published. In any
//!   order, the consumer drops the second result of a number.
//! - **A producer hangs.** A process is killed, and its command is recovered as above. A thread is
//!   given up: another one retries a copy of its command.
//! - **The commander dies.** The consumer gets the error after the results of all commands issued.
//! - **The host dies.** A watchdog thread in each worker closes the rings, and the workers end.
//!
//! # Guarantees
//! - Every command issued gives exactly one result, an item or an error, however often it was tried
//!   and whichever workers died.
//! - At most `in_flight` commands are issued whose results were not taken.
//! - An error names the item's number if a commander or producer fails or panics, if a producer
//!   exceeds its [time limit](Pipeline::produce_timeout), and if a process dies. A commander has no
//!   time limit for a command: use [`Items::next_timeout`] to bound the consumer's wait.
//! - A command is retried by another producer than the one that failed at it, if another is at
//!   work.
//! - [`Items::stop`], and dropping [`Items`], take at most two seconds. Then no process, segment or
//!   descriptor is left; threads that are still in the user's code are left, and `stop` names them.
//! - A worker program that does not call [`worker_main`] gets an error. It never starts workers
//!   itself.
//!
//! # Costs
//! An item is written once, by its producer, and never copied. Buffers: `in_flight`, one a
//! producer, one an item held, and a few more. Waits sleep. There is no lock, except for the copy
//! of the command that threads with a time limit keep. A consumer that waits checks worker
//! processes every 50 ms; workers that wait wake once a second. `cargo bench --bench pipeline`
//! measures these costs.

#![cfg_attr(not(target_os = "linux"), allow(dead_code, unreachable_pub, reason = "only processes need it"))]

mod builder;
mod channels;
mod commander;
mod delivered;
mod error;
#[cfg(target_os = "linux")]
mod host_watchdog;
mod item;
mod items;
#[cfg(target_os = "linux")]
mod joined_worker;
mod plan;
mod producer;
#[cfg(target_os = "linux")]
mod programs;
mod results;
mod status;
mod supervisor;
mod tag;
mod ticket;
mod worker_processes;
mod workers;

pub use builder::Pipeline;
pub use commander::{Commander, Commands};
pub use error::{Activity, PipelineError, ProcessExit, WorkerError};
pub use item::{Filling, Item, ItemMemory};
pub use items::Items;
#[cfg(target_os = "linux")]
pub use joined_worker::JoinedWorker;
pub use plan::{ItemOrder, OnFailure};
pub use producer::Producer;
#[cfg(target_os = "linux")]
pub use programs::{Programs, WORKER_VARIABLE, worker_main};
pub use status::{ProducerStats, Progress};
#[cfg(target_os = "linux")]
pub use ticket::{WorkerRole, WorkerTicket};
#[cfg(target_os = "linux")]
pub use worker_processes::{Spawner, WorkerProcess};
