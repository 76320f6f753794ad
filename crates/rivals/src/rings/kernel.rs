//! The kernel's ways between processes: a named pipe of 1 MiB, a Unix stream socket, and a POSIX
//! message queue. All are opened without blocking; the blocking mode sleeps in `poll`. A message
//! that a stream took in part is finished by the next call, which brings the same message.
#![allow(unsafe_code, reason = "the C library's message queues")]

use harness::engine::{Engine, EngineReader, EngineWriter, Sink};
use harness::refusal::{EngineError, Refusal};
use harness::ring_spec::{Capabilities, Place, RingSpec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use rustix::pipe::fcntl_setpipe_size;
use std::ffi::CString;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What an unprivileged user may ask a pipe to hold, unless the administrator says otherwise.
const PIPE_BYTES: usize = 1 << 20;

/// Messages that a queue holds, and their length, unless the administrator allows others.
const MESSAGES: usize = 10;
const MESSAGE_BYTES: usize = 8192;

/// One end, connected or waiting for the other.
pub(crate) enum Link {
    Connected(OwnedFd),
    Listening(UnixListener),
}

/// Something of the kernel's that has a name.
pub(crate) trait Transport: Send + Sync + 'static {
    const NAME: &'static str;

    fn create(name: &str, spec: &RingSpec) -> io::Result<Link>;

    fn open(name: &str) -> io::Result<Link>;

    fn remove(name: &str) {
        // It may be gone already, and there is nothing to do about another failure.
        let _ = fs::remove_file(path(name));
    }

    /// Moves some of `bytes`, or a whole message.
    fn write(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::io::write(fd, bytes)
    }

    /// As [`write`](Self::write).
    fn read(fd: &OwnedFd, room: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::read(fd, room)
    }
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

/// A named pipe.
pub(crate) enum Pipe {}

impl Transport for Pipe {
    const NAME: &'static str = "pipe";

    fn create(name: &str, _: &RingSpec) -> io::Result<Link> {
        mknodat(CWD, path(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let link = Self::open(name)?;
        if let Link::Connected(fd) = &link {
            fcntl_setpipe_size(fd, PIPE_BYTES)?;
        }
        Ok(link)
    }

    fn open(name: &str) -> io::Result<Link> {
        // For reading and writing: opening for one of them would wait for the other end, or fail
        // without it.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(Link::Connected(open(path(name), flags, Mode::empty())?))
    }
}

/// A Unix stream socket: the end that creates it listens, the end that opens it connects.
pub(crate) enum Unix {}

impl Transport for Unix {
    const NAME: &'static str = "unix-socket";

    fn create(name: &str, _: &RingSpec) -> io::Result<Link> {
        let listener = UnixListener::bind(path(name))?;
        listener.set_nonblocking(true)?;
        Ok(Link::Listening(listener))
    }

    fn open(name: &str) -> io::Result<Link> {
        Ok(Link::Connected(prepared(UnixStream::connect(path(name))?)?))
    }
}

fn prepared(stream: UnixStream) -> io::Result<OwnedFd> {
    stream.set_nonblocking(true)?;
    // The kernel cuts them to what the administrator allows.
    set_socket_send_buffer_size(&stream, PIPE_BYTES)?;
    set_socket_recv_buffer_size(&stream, PIPE_BYTES)?;
    Ok(stream.into())
}

/// A message queue: as many messages as the system allows, at most as long as it allows.
pub(crate) enum Posix {}

impl Posix {
    fn limit(of: &str) -> Option<usize> {
        fs::read_to_string(format!("/proc/sys/fs/mqueue/{of}")).ok()?.trim().parse().ok()
    }

    fn name(name: &str) -> io::Result<CString> {
        Ok(CString::new(format!("/{name}"))?)
    }

    fn opened(raw: libc::mqd_t) -> io::Result<Link> {
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor that `mq_open` just gave; on Linux it is a file descriptor, and
        // `mq_close` is `close`.
        Ok(Link::Connected(unsafe { OwnedFd::from_raw_fd(raw) }))
    }
}

impl Transport for Posix {
    const NAME: &'static str = "posix-queue";

    fn create(name: &str, spec: &RingSpec) -> io::Result<Link> {
        if spec.slot_bytes > Self::limit("msgsize_max").unwrap_or(MESSAGE_BYTES) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "messages of this size"));
        }
        let name = Self::name(name)?;
        let messages = spec.slots.min(Self::limit("msg_max").unwrap_or(MESSAGES));
        // SAFETY: all zeros is a valid `mq_attr`.
        let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
        attributes.mq_maxmsg = messages.cast_signed() as libc::c_long;
        attributes.mq_msgsize = spec.slot_bytes.cast_signed() as libc::c_long;
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
        // SAFETY: a string that ends with a zero, and attributes that live until the call returns.
        Self::opened(unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw mut attributes) })
    }

    fn open(name: &str) -> io::Result<Link> {
        let name = Self::name(name)?;
        // SAFETY: a string that ends with a zero.
        Self::opened(unsafe {
            libc::mq_open(name.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC)
        })
    }

    fn remove(name: &str) {
        if let Ok(name) = Self::name(name) {
            // SAFETY: a string that ends with a zero.
            unsafe { libc::mq_unlink(name.as_ptr()) };
        }
    }

    fn write(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
        // SAFETY: an open queue, and `bytes` to send.
        match unsafe { libc::mq_send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) } {
            0 => Ok(bytes.len()),
            _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
        }
    }

    fn read(fd: &OwnedFd, room: &mut [u8]) -> Result<usize, Errno> {
        let (to, bytes, priority) = (room.as_mut_ptr().cast(), room.len(), std::ptr::null_mut());
        // SAFETY: an open queue, and room for `bytes` bytes; the priority is not asked for.
        let got = unsafe { libc::mq_receive(fd.as_raw_fd(), to, bytes, priority) };
        got.try_into().map_err(|_| Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

pub(crate) type Fifo = Kernel<Pipe>;
pub(crate) type Socket = Kernel<Unix>;
pub(crate) type PosixQueue = Kernel<Posix>;

/// Messages of one length through a [`Transport`]; a process has one end.
pub(crate) struct Kernel<T: Transport> {
    end: Mutex<Option<Link>>,
    created: Option<String>,
    transport: PhantomData<T>,
}

/// Either end.
pub(crate) struct HalfDone<T> {
    link: Link,
    /// Bytes of the present message that are through.
    done: usize,
    transport: PhantomData<T>,
}

impl<T: Transport> Engine for Kernel<T> {
    const NAME: &'static str = T::NAME;
    const CAPABILITIES: Capabilities =
        Capabilities { between_processes: true, gated: true, queue: true, ..Capabilities::NONE };
    type Writer = HalfDone<T>;
    type Reader = HalfDone<T>;

    fn create(spec: &RingSpec, place: &Place) -> Result<Self, EngineError> {
        spec.check(place, Self::CAPABILITIES)?;
        let Place::Named(name) = place else {
            return Err(EngineError::Unsupported { what: "rings without a name" });
        };
        let link = T::create(name, spec).map_err(|error| EngineError::failed("create it", error))?;
        Ok(Self { end: Mutex::new(Some(link)), created: Some(name.clone()), transport: PhantomData })
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        let link = T::open(name).map_err(|error| EngineError::failed("open it", error))?;
        Ok(Self { end: Mutex::new(Some(link)), created: None, transport: PhantomData })
    }

    fn writer(&self) -> Result<HalfDone<T>, EngineError> {
        let link = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
        let link = link.ok_or_else(|| EngineError::failed("join", "a process has one end"))?;
        Ok(HalfDone { link, done: 0, transport: PhantomData })
    }

    fn reader(&self) -> Result<HalfDone<T>, EngineError> {
        self.writer()
    }
}

impl<T: Transport> Drop for Kernel<T> {
    fn drop(&mut self) {
        if let Some(name) = &self.created {
            T::remove(name);
        }
    }
}

impl<T: Transport> HalfDone<T> {
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

    /// Moves the rest of a message of `bytes` bytes by `step`, whose argument is how much is
    /// through. `false`: the other end closed.
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

    /// Moves the rest of a message; with a `timeout` after a sleep until something can be moved, or
    /// until that is over.
    fn transfer(
        &mut self,
        (bytes, flags): (usize, PollFlags),
        timeout: Option<Duration>,
        step: impl FnMut(&OwnedFd, usize) -> Result<usize, Errno>,
    ) -> Result<(), Refusal> {
        if let Some(time) = timeout.and_then(|timeout| Timespec::try_from(timeout).ok()) {
            let (fd, flags): (BorrowedFd<'_>, _) = match &self.link {
                Link::Connected(fd) => (fd.as_fd(), flags),
                Link::Listening(listener) => (listener.as_fd(), PollFlags::IN),
            };
            // A failure shows at the attempt.
            let _ = poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&time));
        }
        match (self.go_on(bytes, step), timeout) {
            (Ok(true), _) => Ok(()),
            (Ok(false), _) => Err(Refusal::Closed),
            (Err(error), Some(after)) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(Refusal::TimedOut { after })
            }
            (Err(error), None) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(if flags == PollFlags::OUT { Refusal::Full } else { Refusal::Empty })
            }
            (Err(error), _) => Err(Refusal::Failed(EngineError::failed("move a message", error).into())),
        }
    }
}

fn not_in_place() -> Refusal {
    Refusal::Failed(EngineError::Unsupported { what: "messages in place" }.into())
}

impl<T: Transport> EngineWriter for HalfDone<T> {
    fn put(&mut self, message: &[u8], timeout: Option<Duration>) -> Result<(), Refusal> {
        let step = |fd: &OwnedFd, done| T::write(fd, &message[done..]);
        self.transfer((message.len(), PollFlags::OUT), timeout, step)
    }

    fn put_with(
        &mut self,
        _: usize,
        _: Option<Duration>,
        _: impl FnOnce(&mut dyn Sink),
    ) -> Result<(), Refusal> {
        Err(not_in_place())
    }
}

impl<T: Transport> EngineReader for HalfDone<T> {
    fn get(&mut self, buffer: &mut [u8], timeout: Option<Duration>) -> Result<usize, Refusal> {
        let bytes = buffer.len();
        let step = |fd: &OwnedFd, done| T::read(fd, &mut buffer[done..]);
        self.transfer((bytes, PollFlags::IN), timeout, step).map(|()| bytes)
    }

    fn get_with<V>(&mut self, _: Option<Duration>, _: impl FnOnce(&[u8]) -> V) -> Result<V, Refusal> {
        Err(not_in_place())
    }
}
