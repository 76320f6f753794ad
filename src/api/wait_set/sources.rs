//! What a set can wait for.

use super::Peer;
use crate::api::reader::Reader;
use crate::api::table::TableReader;
use crate::api::taker::Taker;
use crate::api::writer::Writer;
use crate::endpoint::wait::Endpoint;
use crate::memory::Memory;
use crate::protocol::attachment::WaitFor;
use crate::protocol::diagnostics;
use crate::types::config::Delivery;
use crate::types::participant::Role;

/// What a [`WaitSet`](super::WaitSet) can wait for.
#[expect(private_bounds, reason = "other crates implement no sources")]
pub trait Source: Waits {}

/// Where a source's set sleeps.
pub(crate) enum Place<'s> {
    Ring(&'s Endpoint, WaitFor),
    /// A ring that is not notified.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no observers"))]
    Observer,
    #[cfg(all(target_os = "linux", not(seqring_model)))]
    Descriptor(std::os::fd::BorrowedFd<'s>),
}

/// What a set needs of its sources.
pub(crate) trait Waits {
    fn is_ready(&mut self) -> bool;

    /// Looks for deaths.
    fn check_peers(&mut self) {}

    fn place(&self) -> Place<'_>;

    /// Adds the participants that the source waits for, unless they are there.
    fn awaited(&self, _: &mut Vec<Peer>) {}
}

fn add_peers(all: &mut Vec<Peer>, more: impl IntoIterator<Item = Peer>) {
    for peer in more {
        if !all.contains(&peer) {
            all.push(peer);
        }
    }
}

fn of_role(memory: &Memory, role: Role) -> impl Iterator<Item = Peer> {
    diagnostics::participants(memory).into_iter().filter(move |peer| peer.role == role)
}

impl Source for Reader {}

impl Waits for Reader {
    fn is_ready(&mut self) -> bool {
        self.cursor.is_ready()
    }

    fn check_peers(&mut self) {
        self.endpoint.recover_dead_if_due(WaitFor::Message);
    }

    fn place(&self) -> Place<'_> {
        Place::Ring(&self.endpoint, WaitFor::Message)
    }

    fn awaited(&self, peers: &mut Vec<Peer>) {
        add_peers(peers, of_role(&self.registration().attachment().memory, Role::Writer));
    }
}

impl Source for Taker {}

impl Waits for Taker {
    fn is_ready(&mut self) -> bool {
        Taker::is_ready(self)
    }

    fn check_peers(&mut self) {
        Taker::check_peers(self);
    }

    fn place(&self) -> Place<'_> {
        Place::Ring(&self.endpoint, WaitFor::Message)
    }

    fn awaited(&self, peers: &mut Vec<Peer>) {
        add_peers(peers, of_role(&self.endpoint.registration.attachment().memory, Role::Writer));
    }
}

impl Source for TableReader {}

impl Waits for TableReader {
    fn is_ready(&mut self) -> bool {
        TableReader::is_ready(self)
    }

    fn check_peers(&mut self) {
        self.endpoint.recover_dead_if_due(WaitFor::Message);
    }

    fn place(&self) -> Place<'_> {
        Place::Ring(&self.endpoint, WaitFor::Message)
    }

    fn awaited(&self, peers: &mut Vec<Peer>) {
        add_peers(peers, of_role(&self.endpoint.registration.attachment().memory, Role::Writer));
    }
}

/// A writer that waits for room.
impl Source for Writer {}

impl Waits for Writer {
    fn is_ready(&mut self) -> bool {
        self.publisher.is_ready()
    }

    fn check_peers(&mut self) {
        self.endpoint.recover_dead_if_due(WaitFor::Room);
    }

    fn place(&self) -> Place<'_> {
        Place::Ring(&self.endpoint, WaitFor::Room)
    }

    fn awaited(&self, peers: &mut Vec<Peer>) {
        if self.config().delivery == Delivery::Queue {
            add_peers(peers, of_role(&self.endpoint.registration.attachment().memory, Role::Taker));
        } else {
            add_peers(peers, self.publisher.slowest());
        }
    }
}

#[cfg(target_os = "linux")]
impl Source for crate::api::observer::Observer {}

#[cfg(target_os = "linux")]
impl Waits for crate::api::observer::Observer {
    fn is_ready(&mut self) -> bool {
        crate::api::observer::Observer::is_ready(self)
    }

    fn place(&self) -> Place<'_> {
        Place::Observer
    }

    fn awaited(&self, peers: &mut Vec<Peer>) {
        add_peers(peers, of_role(self.segment().memory(), Role::Writer));
    }
}

/// A descriptor that a set waits for: ready when it is readable, or when its other end is closed.
#[cfg(all(target_os = "linux", not(seqring_model)))]
#[derive(Debug)]
pub struct Descriptor<F>(pub F);

#[cfg(all(target_os = "linux", not(seqring_model)))]
impl<F: std::os::fd::AsFd> Source for Descriptor<F> {}

#[cfg(all(target_os = "linux", not(seqring_model)))]
impl<F: std::os::fd::AsFd> Waits for Descriptor<F> {
    fn is_ready(&mut self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        // An error is news, too: a read of the descriptor reports it.
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&Timespec::default())) != Ok(0)
    }

    fn place(&self) -> Place<'_> {
        Place::Descriptor(self.0.as_fd())
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<S: Source + ?Sized> Source for $pointer {}

        impl<S: Source + ?Sized> Waits for $pointer {
            fn is_ready(&mut self) -> bool {
                (**self).is_ready()
            }

            fn check_peers(&mut self) {
                (**self).check_peers();
            }

            fn place(&self) -> Place<'_> {
                (**self).place()
            }

            fn awaited(&self, peers: &mut Vec<Peer>) {
                (**self).awaited(peers);
            }
        }
    )*};
}

forward!(&mut S, Box<S>);
