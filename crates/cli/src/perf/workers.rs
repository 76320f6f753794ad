//! The workers as the coordinator sees them: it starts them, receives their replies, sends them
//! orders, and reaps them.

use super::plan::Transport;
use super::protocol::{Assignment, Order, Reply, Role, receive, send};
use super::worker::COMMAND;
use crate::reenter;
use anyhow::{Context, Error, Result, anyhow, ensure};
use harness::engine::Engine;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};

/// Something that the coordinator waits for.
#[derive(Debug)]
pub(crate) enum Event {
    /// A reply of the worker with that index.
    Said(usize, Result<Reply>),
    /// Its replies have ended; the text of its standard error.
    Ended(usize, String),
    Interrupted,
}

/// All workers of a run. Dropping it ends those that are left: processes are killed, and the orders
/// of threads end.
pub(crate) struct Workers {
    events: Sender<Event>,
    workers: Vec<Worker>,
}

struct Worker {
    role: Role,
    /// Where orders go; `None` once it is to leave.
    orders: Option<Box<dyn Write + Send>>,
    body: Option<Body>,
    has_reported: bool,
}

enum Body {
    Process(Child),
    Thread(JoinHandle<Result<()>>),
}

impl Workers {
    /// No worker yet. Replies go to `events`.
    pub(crate) fn new(events: Sender<Event>) -> Self {
        allow_many_files();
        Workers { events, workers: Vec::new() }
    }

    /// Starts a worker and gives it its assignment. Threads use `ring` itself, processes open it.
    pub(crate) fn start<E: Engine + 'static>(&mut self, ring: &Arc<E>, assignment: Assignment) -> Result<()> {
        let (role, transport) = (assignment.role, assignment.plan.transport);
        let worker = match transport {
            Transport::Process => self.start_process::<E>(role),
            Transport::Thread => self.start_thread(role, Arc::clone(ring)),
        };
        self.workers.push(worker.with_context(|| format!("starting {role} failed"))?);
        self.send_one(self.workers.len() - 1, &Order::Take(assignment));
        Ok(())
    }

    fn start_process<E: Engine>(&self, role: Role) -> Result<Worker> {
        let mut child = reenter::command()
            .args([COMMAND, E::NAME])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || anyhow!("a standard stream is missing");
        let orders = child.stdin.take().ok_or_else(missing)?;
        self.listen(child.stdout.take().ok_or_else(missing)?, child.stderr.take().ok_or_else(missing)?)?;
        Ok(Worker::new(role, orders, Body::Process(child)))
    }

    fn start_thread<E: Engine + 'static>(&self, role: Role, ring: Arc<E>) -> Result<Worker> {
        let (their_orders, orders) = io::pipe()?;
        let (replies, their_replies) = io::pipe()?;
        let work = move || super::worker::serve_thread(&*ring, BufReader::new(their_orders), their_replies);
        let thread = thread::Builder::new().name(role.to_string()).spawn(work)?;
        self.listen(replies, io::empty())?;
        Ok(Worker::new(role, orders, Body::Thread(thread)))
    }

    /// Turns the replies of the next worker into events.
    fn listen(&self, replies: impl Read + Send + 'static, errors: impl Read + Send + 'static) -> Result<()> {
        let (index, events) = (self.workers.len(), self.events.clone());
        // Two threads, so that a worker that floods one stream is not stopped by the other.
        let errors = thread::Builder::new().spawn(move || io::read_to_string(errors))?;
        thread::Builder::new().spawn(move || {
            // A run that was given up receives no events: a failure to send is no error.
            let mut replies = BufReader::new(replies);
            while let Some(reply) = receive(&mut replies).transpose() {
                let garbled = reply.is_err();
                let _ = events.send(Event::Said(index, reply));
                if garbled {
                    return;
                }
            }
            let errors = errors.join().ok().and_then(io::Result::ok).unwrap_or_default();
            let _ = events.send(Event::Ended(index, errors));
        })?;
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.workers.len()
    }

    /// The role and process of a worker.
    pub(crate) fn describe(&self, index: usize) -> String {
        self.workers[index].to_string()
    }

    /// A worker has sent its report: it may leave.
    pub(crate) fn has_reported(&mut self, index: usize) {
        self.workers[index].has_reported = true;
    }

    fn send_one(&mut self, index: usize, order: &Order) {
        if let Some(orders) = &mut self.workers[index].orders {
            // If the worker is gone, this fails; an event brings the reason.
            let _ = send(orders, order);
        }
    }

    /// Sends an order to all workers whose role `is_meant`, in the order of their start.
    pub(crate) fn send_to(&mut self, order: &Order, is_meant: impl Fn(Role) -> bool) {
        for index in 0..self.workers.len() {
            if is_meant(self.workers[index].role) {
                self.send_one(index, order);
            }
        }
    }

    /// Reaps a worker whose replies have ended: an error unless it succeeded, and after its report.
    pub(crate) fn dismiss(&mut self, index: usize, errors: &str) -> Result<()> {
        let worker = &mut self.workers[index];
        worker.orders = None;
        let name = worker.to_string();
        let Some(body) = worker.body.take() else { return Ok(()) };
        let said = errors.trim_end();
        let said = if said.is_empty() { String::new() } else { format!("; it said: {said}") };
        body.ended().map_err(|error| anyhow!("{name} failed: {error:#}{said}"))?;
        ensure!(worker.has_reported, "{name} left without a report{said}");
        Ok(())
    }
}

impl Worker {
    fn new(role: Role, orders: impl Write + Send + 'static, body: Body) -> Self {
        Worker { role, orders: Some(Box::new(orders)), body: Some(body), has_reported: false }
    }
}

impl std::fmt::Display for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.body {
            Some(Body::Process(child)) => write!(f, "{} (process {})", self.role, child.id()),
            _ => self.role.fmt(f),
        }
    }
}

impl Body {
    /// Waits for the end of a body that is about to end.
    fn ended(self) -> Result<()> {
        match self {
            Body::Process(mut child) => {
                let status = child.wait()?;
                if status.success() { Ok(()) } else { Err(anyhow!("{status}")) }
            }
            Body::Thread(thread) => thread.join().unwrap_or_else(|panic| Err(panicked(&*panic))),
        }
    }
}

/// A worker takes three descriptors here: raises the soft limit on their number to the hard one.
fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If this fails, the limit may suffice; if it does not, starting a worker fails.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of an unknown kind");
    anyhow!("a panic: {text}")
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Ends all of them first and waits afterwards: threads leave when their orders end, and end
        // each other's streams.
        for worker in &mut self.workers {
            worker.orders = None;
            if let Some(Body::Process(child)) = &mut worker.body {
                let _ = child.kill(); // It may be gone already.
            }
        }
        for body in self.workers.iter_mut().filter_map(|worker| worker.body.take()) {
            let _ = body.ended(); // This run has failed for another reason already.
        }
    }
}
