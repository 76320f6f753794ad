//! POSIX message queues between processes: as many messages as the system allows, at most as large as it allows.
#![allow(unsafe_code, reason = "the C library's message queues")]

use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadError, ReadRefused, WriteError, WriteRefused};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use std::ffi::CString;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Messages that a queue holds, unless the administrator allows fewer.
const MESSAGES: usize = 10;

/// An open queue.
struct Descriptor(libc::mqd_t);

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: a descriptor that `mq_open` gave, closed once.
        unsafe { libc::mq_close(self.0) };
    }
}

pub(crate) struct PosixQueue {
    queue: Arc<Descriptor>,
    created: Option<CString>,
}

/// Either end of a [`PosixQueue`].
pub(crate) struct End(Arc<Descriptor>);

impl Engine for PosixQueue {
    const NAME: &'static str = "posix-queue";
    const CAPABILITIES: Capabilities = Capabilities {
        between_processes: true,
        gated: true,
        queue: true,
        many_writers: true,
        many_readers: true,
        ..Capabilities::NONE
    };
    type Writer = End;
    type Reader = End;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let Place::Named(name) = place else {
            return Err(EngineError::Unsupported { what: "rings without a name" });
        };
        if spec.slot_bytes > limit("msgsize_max").unwrap_or(8192) {
            return Err(EngineError::Unsupported { what: "messages of this size" });
        }
        let name = name_of(name)?;
        let messages = spec.slots.min(limit("msg_max").unwrap_or(MESSAGES));
        // SAFETY: all zeros is a valid `mq_attr`.
        let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
        attributes.mq_maxmsg = messages.cast_signed() as libc::c_long;
        attributes.mq_msgsize = spec.slot_bytes.cast_signed() as libc::c_long;
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
        // SAFETY: a string that ends with a zero, and attributes that live until the call returns.
        let raw = unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw mut attributes) };
        Ok(Self { queue: opened(raw, "create the queue")?, created: Some(name) })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let name = name_of(name)?;
        // SAFETY: a string that ends with a zero.
        let raw = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        Ok(Self { queue: opened(raw, "open the queue")?, created: None })
    }

    fn writer(&self) -> Result<End, EngineError> {
        Ok(End(Arc::clone(&self.queue)))
    }

    fn reader(&self) -> Result<End, EngineError> {
        Ok(End(Arc::clone(&self.queue)))
    }
}

impl Drop for PosixQueue {
    fn drop(&mut self) {
        if let Some(name) = &self.created {
            // SAFETY: a string that ends with a zero.
            unsafe { libc::mq_unlink(name.as_ptr()) };
        }
    }
}

fn limit(of: &str) -> Option<usize> {
    fs::read_to_string(format!("/proc/sys/fs/mqueue/{of}")).ok()?.trim().parse().ok()
}

fn name_of(name: &str) -> Result<CString, EngineError> {
    CString::new(format!("/{name}")).map_err(|error| EngineError::failed("name the queue", error))
}

fn opened(raw: libc::mqd_t, attempt: &str) -> Result<Arc<Descriptor>, EngineError> {
    if raw < 0 {
        return Err(EngineError::failed(attempt, io::Error::last_os_error()));
    }
    Ok(Arc::new(Descriptor(raw)))
}

/// The moment `wait` from now on the clock of message queues; without a wait one that has passed, so that a call that
/// cannot go through at once fails at once.
fn deadline(wait: Duration) -> libc::timespec {
    let at = match wait {
        Duration::ZERO => Duration::ZERO,
        wait => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + wait,
    };
    libc::timespec { tv_sec: at.as_secs().cast_signed(), tv_nsec: at.subsec_nanos().into() }
}

impl End {
    /// `None`: not in time.
    fn send(&mut self, message: &[u8], wait: Duration) -> io::Result<Option<()>> {
        let deadline = deadline(wait);
        let (from, bytes) = (message.as_ptr().cast(), message.len());
        // SAFETY: an open queue, `bytes` bytes to send, a deadline that lives until the call returns.
        let sent = unsafe { libc::mq_timedsend(self.0.0, from, bytes, 0, &raw const deadline) };
        in_time(sent as isize).map(|sent| sent.map(drop))
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Option<usize>> {
        let deadline = deadline(wait);
        let (to, room, priority) = (buffer.as_mut_ptr().cast(), buffer.len(), std::ptr::null_mut());
        // SAFETY: an open queue, room for `room` bytes, a deadline that lives until the call returns; the priority is not
        // asked for.
        let got = unsafe { libc::mq_timedreceive(self.0.0, to, room, priority, &raw const deadline) };
        in_time(got)
    }
}

fn in_time(result: isize) -> io::Result<Option<usize>> {
    match usize::try_from(result) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::TimedOut => Ok(None),
            error if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            error => Err(error),
        },
    }
}

fn failed(attempt: &str, error: io::Error) -> Box<EngineError> {
    Box::new(EngineError::failed(attempt, error))
}

impl EngineWriter for End {
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        let sent = self.send(message, Duration::ZERO).map_err(|error| failed("send", error))?;
        sent.ok_or(WriteRefused::Full)
    }

    fn write(&mut self, message: &[u8], timeout: Duration) -> Result<(), WriteError> {
        let sent = self.send(message, timeout).map_err(|error| failed("send", error))?;
        sent.ok_or(WriteError::TimedOut { after: timeout })
    }
}

impl EngineReader for End {
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        let got = self.receive(buffer, Duration::ZERO).map_err(|error| failed("receive", error))?;
        got.ok_or(ReadRefused::Empty)
    }

    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, ReadError> {
        let got = self.receive(buffer, timeout).map_err(|error| failed("receive", error))?;
        got.ok_or(ReadError::TimedOut { after: timeout })
    }
}
