//! The watcher: one thread of the process that sleeps on event counts in the place of endpoints.
//!
//! An endpoint that finds nothing, and whose program waits for it in an event loop, a future or a
//! set of more than 128 rings, arms its watch. When the event count has changed, the watcher rings
//! the watch's alarm: it makes a descriptor readable, or wakes a task. The watcher knows no
//! protocol: the endpoint itself finds out whether there is something for it.
//!
//! # Steps
//! | endpoint, after it found nothing            | watcher                                       |
//! |---------------------------------------------|-----------------------------------------------|
//! | 1 disarm; the descriptor: not readable      | a collect the words of all armed watches      |
//! | 2 set SLEEPING in the event count, keep the | b sleep while all of them, and its control    |
//! |   word; a heavy barrier and a fence         |   word, are as collected                      |
//! | 3 is there something now? ring the alarm    | c a word differs from that of 2: disarm the   |
//! | 4 arm the watch with the word of 2; change  |   watch, ring its alarm                       |
//! |   the control word, wake the watcher        |                                               |
//!
//! No wake is lost. For the notifier of the event count 2 and 3 are the steps of any sleeper
//! ([`crate::sync::event_count`]): either 3 finds the change, or the word changes after 2. If it
//! changes before the watcher sleeps, b does not sleep or c finds it. A lock makes 4 one step for a
//! and c.
//!
//! # Sleeps that time out
//! As other sleeps between processes, these end after 20 to 40 ms. The watcher then looks for
//! deaths in up to [`LOOKS`] of the rings, in turn, and whether a wake was lost: it compares what
//! the endpoint waits for with what it was in 2.
//!
//! # Groups
//! The kernel lets a thread sleep on 128 words. A watcher with more than 127 watches has a second
//! thread for the next 127, and so on. A thread ends when the last of its watches is dropped.
//!
//! A forked child has no watcher. There, an inherited watch does nothing.

use crate::memory::Memory;
use crate::protocol::attachment::{Attachment, WaitFor};
use crate::protocol::eviction::Stalls;
use crate::protocol::reader_entry;
use crate::protocol::registry::{self, Registration};
use crate::protocol::slots::Slots;
use crate::segment::hold_off;
use crate::sync::Relaxed;
use crate::sync::event_count::{FIRST_SLEEP, LONGEST_SLEEP, sleeps_time_out};
use crate::sync::futex::{self, Expected, FutexWord, MOST_WORDS, Scope};
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread::Builder;

/// Enough: the watcher's calls nest a few levels only.
const STACK_BYTES: usize = 128 << 10;
/// Rings in which one look searches for deaths. It takes a system call for each participant.
const LOOKS: usize = 8;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the watcher does when an event count has changed.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    descriptor: OnceLock<OwnedFd>,
    /// The task to wake. Each ring takes it.
    task: Mutex<Option<Waker>>,
}

impl Alarm {
    /// An eventfd, which is readable at first, and whenever the alarm was rung and not reset.
    pub(crate) fn descriptor(&self) -> io::Result<&OwnedFd> {
        if self.descriptor.get().is_none() {
            let descriptor = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let _ = self.descriptor.set(descriptor);
        }
        Ok(self.descriptor.get().expect("set above"))
    }

    #[cfg(feature = "async")]
    pub(crate) fn set_task(&self, task: &Waker) {
        lock(&self.task).get_or_insert_with(|| task.clone()).clone_from(task);
    }

    pub(crate) fn ring(&self) {
        if let Some(descriptor) = self.descriptor.get() {
            // The counter holds up to 2⁶⁴ - 2 and each reset clears it: the write never blocks.
            let _ = rustix::io::write(descriptor, &1_u64.to_ne_bytes());
        }
        let task = lock(&self.task).take();
        if let Some(task) = task {
            task.wake();
        }
    }

    pub(crate) fn reset(&self) {
        if let Some(descriptor) = self.descriptor.get() {
            // An error means that it was not readable.
            let _ = rustix::io::read(descriptor, &mut [0; 8]);
        }
    }
}

/// A change that an endpoint waits for: its ring's event count, at step 2.
#[derive(Clone)]
pub(crate) struct Awaited {
    pub(crate) memory: Memory,
    pub(crate) event: WaitFor,
    pub(crate) scope: Scope,
    pub(crate) word: u32,
}

impl Awaited {
    fn event_count(&self) -> &FutexWord {
        self.event.event_count(self.memory.control())
    }

    fn expected(&self) -> Expected<'_> {
        Expected { word: self.event_count(), value: self.word, scope: self.scope }
    }

    fn has_changed(&self) -> bool {
        self.event_count().load(Relaxed) != self.word // Relaxed: the endpoint looks for the change itself.
    }
}

/// What an endpoint's watch needs when a sleep timed out.
pub(crate) struct Look {
    attachment: Arc<Attachment>,
    stalls: Stalls,
    progress: u64,
}

impl Look {
    /// A look for what waits for `event`. `None` where no sleep need time out.
    ///
    /// `fenced`: the notifiers' light barriers were completed in 2.
    pub(crate) fn new(
        attachment: &Arc<Attachment>,
        event: WaitFor,
        scope: Scope,
        fenced: bool,
    ) -> Option<Self> {
        let timed = scope != Scope::Threads || !fenced || attachment.evicts_after(event).is_some();
        timed.then(|| Look {
            attachment: Arc::clone(attachment),
            stalls: Stalls::default(),
            progress: progress(&attachment.memory, event),
        })
    }

    /// Recovers dead participants. Returns whether an endpoint finds something although it was not
    /// woken.
    fn look(&mut self, event: WaitFor) -> bool {
        let Look { attachment, stalls, .. } = self;
        registry::recover_dead(attachment, event.awaited_role());
        if let Some(stall_time) = attachment.evicts_after(event) {
            stalls.evict_stalled(attachment, stall_time);
        }
        event == WaitFor::Message && Registration::has_orphan(attachment)
    }
}

/// A number that changes with what waits for `event`: a wake that was lost has changed it.
fn progress(memory: &Memory, event: WaitFor) -> u64 {
    let (slots, table) = (Slots::new(memory.clone()), &memory.control().table);
    // Relaxed, all of them: the endpoint looks for the change itself.
    let state = table.stream_state.load(Relaxed);
    match event {
        WaitFor::Message => slots.next_sequence().wrapping_add(state),
        WaitFor::Room => reader_entry::entries(memory)
            .map(|entry| memory.entry(entry))
            .flat_map(|entry| [entry.cursor.load(Relaxed), entry.floor.load(Relaxed)])
            .chain([table.readers_joined.load(Relaxed), slots.taken_sequence()])
            .fold(state, |sum, word| sum.wrapping_mul(31).wrapping_add(word)),
    }
}

struct Armed {
    watch: u64,
    alarm: Arc<Alarm>,
    awaited: Awaited,
    /// What to do when a sleep timed out. `None` if no sleep need, or if another thread does it.
    look: Option<Look>,
}

/// A thread of the watcher, and up to 127 watches.
#[derive(Default)]
struct Group {
    state: Mutex<GroupState>,
    /// It changes, and wakes the thread, when a watch is armed or dropped.
    control: FutexWord,
}

#[derive(Default)]
struct GroupState {
    armed: Vec<Armed>,
    watches: usize,
    numbered: u64,
    runs: bool,
    sleeps: bool,
    /// The armed watch whose ring is looked at next.
    next_look: usize,
}

impl Group {
    /// Lets the thread collect again.
    fn wake(&self, state: &mut GroupState) {
        if std::mem::take(&mut state.sleeps) {
            let word = self.control.load(Relaxed); // Relaxed, both: the lock orders them.
            let _ = self.control.compare_exchange(word, word.wrapping_add(1), Relaxed);
            self.control.wake_all(Scope::Threads);
        }
    }

    /// The thread.
    fn run(&self) {
        let (mut timeout, mut timed_out) = (FIRST_SLEEP, false);
        loop {
            let mut state = lock(&self.state);
            if state.watches == 0 {
                state.runs = false;
                return;
            }
            let rung = state.due(timed_out);
            state.sleeps = true;
            let control = self.control.load(Relaxed); // Relaxed: the lock orders it.
            let times_out = state.armed.iter().any(|armed| armed.look.is_some());
            let awaited: Vec<_> = state.armed.iter().map(|armed| armed.awaited.clone()).collect();
            drop(state);
            for alarm in rung {
                alarm.ring();
            }
            let own = Expected { word: &self.control, value: control, scope: Scope::Threads };
            let expected: Vec<_> =
                std::iter::once(own).chain(awaited.iter().map(Awaited::expected)).collect();
            futex::wait_any(&expected, (times_out && sleeps_time_out()).then_some(timeout));
            timed_out = expected.iter().all(|one| one.word.load(Relaxed) == one.value);
            timeout = if timed_out { (2 * timeout).min(LONGEST_SLEEP) } else { FIRST_SLEEP };
        }
    }
}

impl GroupState {
    /// Step c: disarms the watches whose event counts have changed. Returns their alarms.
    fn due(&mut self, timed_out: bool) -> Vec<Arc<Alarm>> {
        let looks = if timed_out { self.armed.len().min(LOOKS) } else { 0 };
        let mut found = Vec::new();
        for _ in 0..looks {
            self.next_look = (self.next_look + 1) % self.armed.len();
            let Armed { watch, awaited, look, .. } = &mut self.armed[self.next_look];
            if look.as_mut().is_some_and(|look| look.look(awaited.event)) {
                found.push(*watch);
            }
        }
        let is_due = |armed: &mut Armed| {
            let Armed { watch, awaited, look, .. } = armed;
            let lost = |look: &Look| look.progress != progress(&awaited.memory, awaited.event);
            awaited.has_changed() || timed_out && look.as_ref().is_some_and(lost) || found.contains(watch)
        };
        self.armed.extract_if(.., is_due).map(|armed| armed.alarm).collect()
    }
}

/// The groups of a process.
#[derive(Default)]
struct Groups {
    process: u32,
    groups: Vec<Arc<Group>>,
}

/// A watch for one event count, with its alarm. Dropping it disarms it.
pub(crate) struct Watch {
    group: Arc<Group>,
    number: u64,
    process: u32,
    pub(crate) alarm: Arc<Alarm>,
}

impl Watch {
    /// A watch that is not armed.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread.
    pub(crate) fn new(alarm: Arc<Alarm>) -> io::Result<Self> {
        static GROUPS: Mutex<Groups> = Mutex::new(Groups { process: 0, groups: Vec::new() });
        let process = std::process::id();
        // A child is not forked while a thread holds this lock.
        let (group, number) = hold_off(|| {
            let mut all = lock(&GROUPS);
            if all.process != process {
                *all = Groups { process, groups: Vec::new() };
            }
            let vacant = all.groups.iter().find_map(|group| Some((Arc::clone(group), group.join()?)));
            vacant.unwrap_or_else(|| {
                let group = Arc::<Group>::default();
                all.groups.push(Arc::clone(&group));
                let number = group.join().expect("it has no watch yet");
                (group, number)
            })
        });
        let watch = Watch { group, number, process, alarm };
        let mut state = lock(&watch.group.state);
        if !state.runs {
            let group = Arc::clone(&watch.group);
            let thread = Builder::new().name("seqring-watcher".into()).stack_size(STACK_BYTES);
            thread.spawn(move || group.run())?;
            state.runs = true;
        }
        drop(state);
        Ok(watch)
    }

    /// Whether the watch is armed, and its event count unchanged since.
    pub(crate) fn is_armed(&self) -> bool {
        let state = lock(&self.group.state);
        state.armed.iter().any(|armed| armed.watch == self.number && !armed.awaited.has_changed())
    }

    /// Step 4.
    pub(crate) fn arm(&self, awaited: Awaited, look: Option<Look>) {
        let mut state = lock(&self.group.state);
        state.armed.push(Armed { watch: self.number, alarm: Arc::clone(&self.alarm), awaited, look });
        self.group.wake(&mut state);
    }

    /// Step 1. From here on the alarm is rung only by a call that has begun.
    pub(crate) fn disarm(&self) {
        lock(&self.group.state).armed.retain(|armed| armed.watch != self.number);
    }

    /// Whether a forked child inherited this.
    pub(crate) fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }
}

impl Group {
    /// The number of a new watch, if there is room for one.
    fn join(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        if state.watches == MOST_WORDS - 1 {
            return None;
        }
        state.watches += 1;
        state.numbered += 1;
        Some(state.numbered)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.is_inherited() {
            return;
        }
        self.disarm();
        let mut state = lock(&self.group.state);
        state.watches -= 1;
        self.group.wake(&mut state); // It frees the ring's memory, or ends.
    }
}

#[cfg(all(test, not(seqring_model)))]
mod tests {
    use crate::protocol::attachment::WaitFor;
    use crate::sync::Relaxed;
    use crate::{Config, Delivery, Notifier, Ring, Start};
    use rustix::event::{PollFd, PollFlags, poll};

    fn wait_readable(notifier: &Notifier) {
        poll(&mut [PollFd::new(notifier, PollFlags::IN)], None).unwrap();
    }

    /// Makes a change whose notification does not see that the watcher sleeps, as after a wake that
    /// `membarrier` lost.
    fn unnoticed(ring: &Ring, event: WaitFor, change: impl FnOnce()) {
        const SLEEPING: u32 = 1;
        let word = event.event_count(ring.attachment.memory.control());
        let announced = word.load(Relaxed);
        assert_eq!(announced & SLEEPING, SLEEPING);
        word.compare_exchange(announced, announced & !SLEEPING, Relaxed).unwrap();
        change();
        assert_eq!(word.fetch_or(SLEEPING, Relaxed) | SLEEPING, announced);
    }

    /// Fails if the watcher compares event counts only: hangs.
    #[test]
    fn a_lost_wake_is_made_good_when_the_sleep_times_out() {
        let config = Config::slots(1).of_bytes(8);
        let ring = Ring::anonymous(&config).unwrap();
        let (mut reader, mut writer) = (ring.reader(Start::Next).unwrap(), ring.writer().unwrap());
        let (readable, writable) = (reader.notifier().unwrap(), writer.notifier().unwrap());
        reader.try_read(&mut [0; 8]).unwrap_err();
        unnoticed(&ring, WaitFor::Message, || assert!(writer.try_write(b"x").is_ok()));
        wait_readable(&readable);
        writer.try_write(b"y").unwrap_err();
        unnoticed(&ring, WaitFor::Room, || assert!(reader.try_read(&mut [0; 8]).is_ok()));
        wait_readable(&writable);

        let ring = Ring::anonymous(&config.delivery(Delivery::Queue)).unwrap();
        let (mut taker, mut writer) = (ring.taker().unwrap(), ring.writer().unwrap());
        let (takeable, writable) = (taker.notifier().unwrap(), writer.notifier().unwrap());
        taker.try_take().unwrap_err();
        unnoticed(&ring, WaitFor::Message, || assert!(writer.try_write(b"x").is_ok()));
        wait_readable(&takeable);
        writer.try_write(b"y").unwrap_err();
        unnoticed(&ring, WaitFor::Room, || drop(taker.try_take().unwrap()));
        wait_readable(&writable);
    }
}
