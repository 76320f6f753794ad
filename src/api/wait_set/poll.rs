//! The sleep of a set that has descriptors, or more rings than one sleep in the kernel has words.

use super::sources::{Place, Source};
use super::{Ring, Token};
use crate::endpoint::watcher::{Alarm, Awaited, Watch};
use crate::sync::futex::{Expected, MOST_WORDS};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// An alarm, and watches that ring it.
#[derive(Default)]
pub(super) struct Poll {
    alarm: Arc<Alarm>,
    /// At least as many as the set has rings.
    watches: Vec<Watch>,
}

impl Poll {
    /// Sleeps, unless a sleep on the words themselves does: then it returns `None`.
    pub(super) fn sleep<S: Source>(
        this: &mut Option<Self>,
        sources: &[(Token, S)],
        rings: &[Ring],
        words: &[Expected<'_>],
        timeout: Option<Duration>,
    ) -> Option<io::Result<()>> {
        let descriptors = sources.iter().filter_map(|(_, source)| match source.place() {
            Place::Descriptor(descriptor) => Some(PollFd::from_borrowed_fd(descriptor, PollFlags::IN)),
            _ => None,
        });
        let descriptors: Vec<_> = descriptors.collect();
        if descriptors.is_empty() && rings.len() <= MOST_WORDS {
            return None;
        }
        Some(this.get_or_insert_default().sleep_on(descriptors, rings, words, timeout))
    }

    fn sleep_on<'s>(
        &'s mut self,
        mut descriptors: Vec<PollFd<'s>>,
        rings: &[Ring],
        words: &[Expected<'_>],
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let Poll { alarm, watches } = self;
        let bell = alarm.descriptor()?;
        while watches.len() < rings.len() {
            watches.push(Watch::new(Arc::clone(alarm))?);
        }
        alarm.reset();
        for ((watch, (_, memory, event)), word) in watches.iter().zip(rings).zip(words) {
            let Expected { value: word, scope, .. } = *word;
            watch.arm(Awaited { memory: memory.clone(), event: *event, scope, word }, None);
        }
        descriptors.push(PollFd::new(bell, PollFlags::IN));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let polled = poll(&mut descriptors, timeout.as_ref());
        watches.iter().take(rings.len()).for_each(Watch::disarm);
        match polled {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
