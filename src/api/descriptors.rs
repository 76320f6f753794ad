//! Passing a ring on as a descriptor, to processes that cannot or should not find it by name.

use crate::api::ring::Ring;
use crate::segment::{SegmentFile, memfd};
use crate::types::error::RingError;
use crate::types::open_options::OpenOptions;
use rustix::fs::OFlags;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

/// Linux only.
impl Ring {
    /// Opens the ring behind a descriptor that another process sent. Closes the descriptor.
    ///
    /// # Errors
    /// As [`Self::open`]; [`RingError::Unusable`] if the descriptor is read-only or the ring
    /// [sealed](Self::seal_against_writers).
    pub fn from_descriptor(descriptor: impl Into<OwnedFd>) -> Result<Self, RingError> {
        OpenOptions::new().from_descriptor(descriptor)
    }

    /// Returns a descriptor of the ring's memory, to be sent by [`send_descriptor`] or inherited.
    ///
    /// It holds none of this process's locks, so keeping it keeps no participant alive.
    ///
    /// # Errors
    /// [`RingError::Unsupported`] unless the ring is in a file.
    pub fn descriptor(&self) -> Result<OwnedFd, RingError> {
        self.file()?.reopen(OFlags::RDWR)
    }

    /// Returns a descriptor of the ring's memory for [observers](crate::Observer::from_descriptor).
    ///
    /// A process that the ring's mode lets write may also open it for writing through this
    /// descriptor, unless [`Self::seal_against_writers`] was called.
    ///
    /// # Errors
    /// As [`Self::descriptor`].
    pub fn read_only_descriptor(&self) -> Result<OwnedFd, RingError> {
        self.file()?.reopen(OFlags::RDONLY)
    }

    /// Lets no further process write to the ring, not even this user's: from now on it can only be
    /// observed. Processes that have it open keep it. This cannot be undone.
    ///
    /// # Errors
    /// [`RingError::Unsupported`] unless the ring is a memfd.
    pub fn seal_against_writers(&self) -> Result<(), RingError> {
        if !self.capabilities().sealing {
            return Err(RingError::Unsupported { backend: self.capabilities().backend });
        }
        memfd::seal_against_writers(self.file()?)
    }

    pub(crate) fn file(&self) -> Result<&SegmentFile, RingError> {
        let backing = &self.attachment.liveness.backing;
        backing.file().ok_or(RingError::Unsupported { backend: backing.backend() })
    }
}

/// The byte sent with a descriptor: a message must have one.
const MARK: &[u8] = b"r";

/// Sends a descriptor through a Unix socket. Linux only.
///
/// # Errors
/// Those of the socket.
pub fn send_descriptor(socket: impl AsFd, descriptor: impl AsFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(MARK)], &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives a descriptor that [`send_descriptor`] sent, waiting for it. Linux only.
///
/// # Errors
/// Those of the socket; [`io::ErrorKind::UnexpectedEof`] if the other side closed it;
/// [`io::ErrorKind::InvalidData`] if what it sent is no descriptor.
pub fn receive_descriptor(socket: impl AsFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut mark = [0];
    let received = retry_on_intr(|| {
        recvmsg(&socket, &mut [IoSliceMut::new(&mut mark)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.bytes == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other side sent no descriptor"));
    }
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptor.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a message without a descriptor"))
}
