//! The kernel's byte streams between processes: a named pipe of 1 MiB, and a Unix stream socket. Without blocking; the
//! blocking manner sleeps in `poll`. A message that went half is finished by the next call, which brings the same one.

use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::refusal::{EngineError, ReadError, ReadRefused, WriteError, WriteRefused};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use rustix::pipe::fcntl_setpipe_size;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What an unprivileged user may ask a pipe to hold, unless the administrator says otherwise.
const PIPE_BYTES: usize = 1 << 20;

/// One end of a stream, connected or waiting for the other.
pub(crate) enum Link {
    Connected(OwnedFd),
    Listening(UnixListener),
}

/// A kind of stream with a path.
pub(crate) trait Transport: Send + Sync + 'static {
    const NAME: &'static str;
    fn create(path: &Path) -> io::Result<Link>;
    fn open(path: &Path) -> io::Result<Link>;
}

/// A named pipe.
pub(crate) enum Pipe {}

/// A Unix stream socket: who creates it listens, who opens it connects.
pub(crate) enum Unix {}

pub(crate) type Fifo = Stream<Pipe>;
pub(crate) type Socket = Stream<Unix>;

impl Transport for Pipe {
    const NAME: &'static str = "pipe";

    fn create(path: &Path) -> io::Result<Link> {
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let link = Self::open(path)?;
        if let Link::Connected(fd) = &link {
            fcntl_setpipe_size(fd, PIPE_BYTES)?;
        }
        Ok(link)
    }

    fn open(path: &Path) -> io::Result<Link> {
        // For reading and writing: opening for one of them would wait for the other end, or fail without it.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(Link::Connected(open(path, flags, Mode::empty())?))
    }
}

impl Transport for Unix {
    const NAME: &'static str = "unix-socket";

    fn create(path: &Path) -> io::Result<Link> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Link::Listening(listener))
    }

    fn open(path: &Path) -> io::Result<Link> {
        let stream = UnixStream::connect(path)?;
        Ok(Link::Connected(prepared(stream)?))
    }
}

fn prepared(stream: UnixStream) -> io::Result<OwnedFd> {
    stream.set_nonblocking(true)?;
    // The kernel cuts them to what the administrator allows.
    set_socket_send_buffer_size(&stream, PIPE_BYTES)?;
    set_socket_recv_buffer_size(&stream, PIPE_BYTES)?;
    Ok(stream.into())
}

/// A stream of messages of one length.
pub(crate) struct Stream<T> {
    end: Mutex<Option<Link>>,
    created: Option<PathBuf>,
    transport: PhantomData<T>,
}

/// Either end of a [`Stream`].
pub(crate) struct HalfDone {
    link: Link,
    /// Bytes of the present message that are through.
    done: usize,
}

impl<T: Transport> Engine for Stream<T> {
    const NAME: &'static str = T::NAME;
    const CAPABILITIES: Capabilities =
        Capabilities { between_processes: true, gated: true, queue: true, ..Capabilities::NONE };
    type Writer = HalfDone;
    type Reader = HalfDone;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let Place::Named(name) = place else {
            return Err(EngineError::Unsupported { what: "rings without a name" });
        };
        let path = path(name);
        let link = T::create(&path).map_err(|error| EngineError::failed("create the stream", error))?;
        Ok(Self { end: Mutex::new(Some(link)), created: Some(path), transport: PhantomData })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let link = T::open(&path(name)).map_err(|error| EngineError::failed("open the stream", error))?;
        Ok(Self { end: Mutex::new(Some(link)), created: None, transport: PhantomData })
    }

    fn writer(&self) -> Result<HalfDone, EngineError> {
        self.end()
    }

    fn reader(&self) -> Result<HalfDone, EngineError> {
        self.end()
    }
}

impl<T> Stream<T> {
    fn end(&self) -> Result<HalfDone, EngineError> {
        let link = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
        let link = link.ok_or_else(|| EngineError::failed("join", "a process has one end of a stream"))?;
        Ok(HalfDone { link, done: 0 })
    }
}

impl<T> Drop for Stream<T> {
    fn drop(&mut self) {
        if let Some(path) = &self.created {
            // It may be gone already; and nobody is there to be told of another failure.
            let _ = fs::remove_file(path);
        }
    }
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

impl HalfDone {
    /// The descriptor, once both ends are there.
    fn connected(&mut self) -> io::Result<&OwnedFd> {
        if let Link::Listening(listener) = &self.link {
            self.link = Link::Connected(prepared(listener.accept()?.0)?);
        }
        match &self.link {
            Link::Connected(fd) => Ok(fd),
            Link::Listening(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Moves what is left of a message of `bytes` bytes by `step`, which is told how much is through. `false`: the other
    /// end closed.
    fn go_on(
        &mut self,
        bytes: usize,
        mut step: impl FnMut(&OwnedFd, usize) -> Result<usize, Errno>,
    ) -> io::Result<bool> {
        while self.done < bytes {
            let done = self.done;
            match step(self.connected()?, done) {
                Ok(0) | Err(Errno::PIPE | Errno::CONNRESET) => return Ok(false),
                Ok(moved) => self.done += moved,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.done = 0;
        Ok(true)
    }

    /// Sleeps until something can be moved, or `timeout` is over.
    fn sleep(&mut self, flags: PollFlags, timeout: Duration) {
        let Ok(timeout) = Timespec::try_from(timeout) else { return };
        // A failure shows at the next attempt.
        let _ = match &self.link {
            Link::Connected(fd) => poll(&mut [PollFd::new(fd, flags)], Some(&timeout)),
            Link::Listening(listener) => poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timeout)),
        };
    }
}

fn failed(attempt: &str, error: io::Error) -> Box<EngineError> {
    Box::new(EngineError::failed(attempt, error))
}

impl EngineWriter for HalfDone {
    fn try_write(&mut self, message: &[u8]) -> Result<(), WriteRefused> {
        match self.go_on(message.len(), |fd, done| rustix::io::write(fd, &message[done..])) {
            Ok(true) => Ok(()),
            Ok(false) => Err(WriteRefused::Closed),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(WriteRefused::Full),
            Err(error) => Err(WriteRefused::Failed(failed("write", error))),
        }
    }

    fn write(&mut self, message: &[u8], timeout: Duration) -> Result<(), WriteError> {
        self.sleep(PollFlags::OUT, timeout);
        match self.try_write(message) {
            Ok(()) => Ok(()),
            Err(WriteRefused::Full) => Err(WriteError::TimedOut { after: timeout }),
            Err(WriteRefused::Closed) => Err(WriteError::Closed),
            Err(other) => Err(WriteError::Failed(Box::new(EngineError::failed("write", other)))),
        }
    }
}

impl EngineReader for HalfDone {
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadRefused> {
        let bytes = buffer.len();
        match self.go_on(bytes, |fd, done| rustix::io::read(fd, &mut buffer[done..])) {
            Ok(true) => Ok(bytes),
            Ok(false) => Err(ReadRefused::Closed),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(ReadRefused::Empty),
            Err(error) => Err(ReadRefused::Failed(failed("read", error))),
        }
    }

    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, ReadError> {
        self.sleep(PollFlags::IN, timeout);
        match self.try_read(buffer) {
            Ok(bytes) => Ok(bytes),
            Err(ReadRefused::Empty) => Err(ReadError::TimedOut { after: timeout }),
            Err(ReadRefused::Closed) => Err(ReadError::Closed),
            Err(other) => Err(ReadError::Failed(Box::new(EngineError::failed("read", other)))),
        }
    }
}
