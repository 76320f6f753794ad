//! The workers as the coordinator sees them: started, listened to, told what to do, and gone in the end.

use super::options::Transport;
use super::protocol::{Assignment, Order, Reply, Role, receive, send};
use super::worker;
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
    /// The member of that index says something.
    Said(usize, Result<Reply>),
    /// It will say no more; what it left on its standard error.
    Ended(usize, String),
    /// Ctrl-C.
    Interrupted,
}

/// All workers of a run. Dropping it ends those that are still there: processes are killed, threads told to
/// leave.
pub(crate) struct Team {
    events: Sender<Event>,
    members: Vec<Member>,
}

struct Member {
    role: Role,
    /// Where orders go; `None` once it shall leave.
    orders: Option<Box<dyn Write + Send>>,
    body: Option<Body>,
    has_reported: bool,
}

enum Body {
    Process(Child),
    Thread(JoinHandle<Result<()>>),
}

impl Team {
    /// Nobody yet. What they say goes to `events`.
    pub(crate) fn new(events: Sender<Event>) -> Self {
        allow_many_files();
        Team { events, members: Vec::new() }
    }

    /// Starts a worker and gives it its assignment. Threads use `ring` itself, processes open it.
    pub(crate) fn start<E: Engine + 'static>(&mut self, ring: &Arc<E>, assignment: Assignment) -> Result<()> {
        let (role, transport) = (assignment.role, assignment.plan.transport);
        let member = match transport {
            Transport::Process => self.start_process(role),
            Transport::Thread => self.start_thread(role, Arc::clone(ring)),
        };
        self.members.push(member.with_context(|| format!("starting {role} failed"))?);
        self.tell(self.members.len() - 1, &Order::Take(assignment));
        Ok(())
    }

    fn start_process(&self, role: Role) -> Result<Member> {
        let mut child = reenter::command()
            .arg(worker::COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || anyhow!("a standard stream is missing");
        let orders = child.stdin.take().ok_or_else(missing)?;
        self.listen(child.stdout.take().ok_or_else(missing)?, child.stderr.take().ok_or_else(missing)?)?;
        Ok(Member::new(role, orders, Body::Process(child)))
    }

    fn start_thread<E: Engine + 'static>(&self, role: Role, ring: Arc<E>) -> Result<Member> {
        let (their_orders, orders) = io::pipe()?;
        let (replies, their_replies) = io::pipe()?;
        let work = move || worker::serve_thread(&*ring, BufReader::new(their_orders), their_replies);
        let thread = thread::Builder::new().name(role.to_string()).spawn(work)?;
        self.listen(replies, io::empty())?;
        Ok(Member::new(role, orders, Body::Thread(thread)))
    }

    /// Turns what the next member says into events.
    fn listen(&self, replies: impl Read + Send + 'static, errors: impl Read + Send + 'static) -> Result<()> {
        let (index, events) = (self.members.len(), self.events.clone());
        // Two threads, so that a worker that floods one stream is not stopped by the other.
        let errors = thread::Builder::new().spawn(move || io::read_to_string(errors))?;
        thread::Builder::new().spawn(move || {
            // Nobody hears the events of a run that was given up: sending them then is no error.
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

    /// How many were started.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// What a member is, for people.
    pub(crate) fn describe(&self, index: usize) -> String {
        self.members[index].to_string()
    }

    /// A member did all that it was to do: it may leave.
    pub(crate) fn has_reported(&mut self, index: usize) {
        self.members[index].has_reported = true;
    }

    /// Gives an order to one member.
    pub(crate) fn tell(&mut self, index: usize, order: &Order) {
        if let Some(orders) = &mut self.members[index].orders {
            // A worker that is gone cannot be told; that it is gone comes as an event, with the reason.
            let _ = send(orders, order);
        }
    }

    /// Gives an order to all members for whom `who` holds, in the order of their start.
    pub(crate) fn tell_all(&mut self, order: &Order, who: impl Fn(Role) -> bool) {
        for index in 0..self.members.len() {
            if who(self.members[index].role) {
                self.tell(index, order);
            }
        }
    }

    /// Takes leave of a member that says no more: an error unless it ended well, and after its report.
    pub(crate) fn dismiss(&mut self, index: usize, errors: &str) -> Result<()> {
        let member = &mut self.members[index];
        member.orders = None;
        let name = member.to_string();
        let Some(body) = member.body.take() else { return Ok(()) };
        let said = errors.trim_end();
        let said = if said.is_empty() { String::new() } else { format!("; it said: {said}") };
        body.ended().map_err(|error| anyhow!("{name} failed: {error:#}{said}"))?;
        ensure!(member.has_reported, "{name} left without a report{said}");
        Ok(())
    }
}

impl Member {
    fn new(role: Role, orders: impl Write + Send + 'static, body: Body) -> Self {
        Member { role, orders: Some(Box::new(orders)), body: Some(body), has_reported: false }
    }
}

impl std::fmt::Display for Member {
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

/// A worker takes three descriptors here: raises the number that we may have as far as we may ourselves.
fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it is refused, the number may do; if it does not, starting a worker says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of an unknown kind");
    anyhow!("a panic: {text}")
}

impl Drop for Team {
    fn drop(&mut self) {
        // First everybody, then wait: threads leave when their orders end, and end each other's streams.
        for member in &mut self.members {
            member.orders = None;
            if let Some(Body::Process(child)) = &mut member.body {
                let _ = child.kill(); // It may be gone already.
            }
        }
        for body in self.members.iter_mut().filter_map(|member| member.body.take()) {
            let _ = body.ended(); // Whatever it is: this run has failed for another reason.
        }
    }
}
