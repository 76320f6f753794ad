# The classes of the extension module. tests/stub_docs.py copies their docstrings.
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, Self, SupportsIndex, final

from _typeshed import ReadableBuffer, WriteableBuffer
from typing_extensions import disjoint_base

from seqring._aio import Messages, Views
from seqring._stats import Capabilities, Latest, Stats

# Before 3.12 an array's type does not declare a buffer.
class _HasArrayInterface(Protocol):
    @property
    def __array_interface__(self) -> dict[str, Any]: ...

_Data = ReadableBuffer | _HasArrayInterface
_Out = WriteableBuffer | _HasArrayInterface

Delivery = Literal["gated", "lossy", "queue", "call", "latest"]
Waiting = Literal["balanced", "spinning", "streaming", "sleeping"]
SlotClass = Literal["packed", "lines", "arena"]

@final
class Ring:
    """A ring of `slots` messages in shared memory, made by `Ring.create` and opened by its name in any
    process.

    It pickles to its name, for spawn and forkserver. A child of `os.fork` has it open too. `close`,
    or the end of a `with` statement, releases the ring; its readers and writers stay. The last
    process that releases a ring removes it; `python -m seqring gc --remove` removes what killed
    processes left.
    """
    @classmethod
    def create(
        cls,
        slots: int,
        slot_bytes: int | None = None,
        *,
        name: str | None = None,
        delivery: Delivery = "gated",
        writers: Literal["one", "many"] = "one",
        readers: int = 16,
        participants: int | None = None,
        shape: int | Sequence[int] | None = None,
        dtype: Any = None,
        meta_bytes: int = 0,
        tag: bool = False,
        timestamps: bool = False,
        words: int = 0,
        slot_class: SlotClass | None = None,
        first_sequence: int = 0,
        shared: bool = True,
        observers: bool = False,
        keep: bool = False,
        await_readers: int | None = None,
        evict_after: float | None = None,
        unfinished: Literal["redeliver", "drop"] | None = None,
        replace_unused: bool = False,
        mode: int = 0o600,
        group: int | None = None,
        directory: str | None = None,
        anonymous: bool = False,
        huge_pages: bool = False,
        lock_memory: bool = False,
        numa_node: int | None = None,
        core_dump: bool = False,
    ) -> Ring:
        """Creates a ring of `slots` messages of at most `slot_bytes` bytes each.

        `name`: for `Ring.open`; an unused one if `None`.
        `delivery`: `"gated"`: nothing is lost, writers wait for the slowest reader. `"lossy"`:
        writers never wait, `Lagged` reports what a slow reader lost. `"queue"`: each message goes
        to one taker. `"call"`: no messages, but questions of `slots` callers at most, and answers:
        see `Caller`. `"latest"`: a table of the latest value of each of `slots` keys
        (`table_writer`, `table_reader`), with time stamps.
        `writers`: `"one"` at a time or `"many"`. `readers`: how many at a time (takers, in a
        queue);
        `participants`: how many readers and writers together.
        `shape`, `dtype`: of every message; an element type of numpy, `ml_dtypes` or torch, or its
        name. Then `slot_bytes` is optional.
        `meta_bytes`: room for metadata with each message. `tag`, `timestamps`: each message carries
        a number, its time.
        `words`: 64-bit words for the application's own use.
        `slot_class`: how messages are stored: `"packed"`, `"lines"`, `"arena"`; by size if `None`.
        `shared=False`: a ring on the heap, for the threads of this process. It has no file, and
        cannot be opened or sent.
        `observers`: permits `Observer.open`; then claims are private memory. `keep`: the ring stays
        when the last process releases it, until `Ring.unlink`.
        `await_readers`: in a gated ring, how many readers it awaits; 1 if `None`. Until they have
        joined, nothing is overwritten, and each of them gets every message.
        `evict_after`: in a gated ring, how many seconds a live reader may hold back writers; then
        it skips to the newest message and raises `Lagged`. `unfinished`: in a queue, whether a
        message that a dead taker had not finished goes to another taker (`"redeliver"`, the
        default) or is dropped (`"drop"`).
        `replace_unused`: replaces a ring of that name whose processes were all killed. `mode`,
        `group`: access rights of the file, whatever the umask, and the number of its group.
        `directory`: of the file, on tmpfs or hugetlbfs; `/dev/shm` if `None`. `anonymous`: a ring
        without a name, in a memfd: see `descriptor`.
        `huge_pages`, `lock_memory`, `numa_node`: asks for huge pages, for memory that is not
        swapped out, for memory of that node; `warnings` says what the system refused. `core_dump`:
        includes the ring in core dumps of this process.

        Raises `RingExists`, `NoSpace`, `ValueError`.
        """
    @classmethod
    def open_or_create(
        cls,
        name: str,
        slots: int,
        slot_bytes: int | None = None,
        *,
        delivery: Delivery = "gated",
        writers: Literal["one", "many"] = "one",
        readers: int = 16,
        participants: int | None = None,
        shape: int | Sequence[int] | None = None,
        dtype: Any = None,
        meta_bytes: int = 0,
        tag: bool = False,
        timestamps: bool = False,
        words: int = 0,
        slot_class: SlotClass | None = None,
        first_sequence: int = 0,
        observers: bool = False,
        keep: bool = False,
        await_readers: int | None = None,
        evict_after: float | None = None,
        unfinished: Literal["redeliver", "drop"] | None = None,
        replace_unused: bool = False,
        mode: int = 0o600,
        group: int | None = None,
        directory: str | None = None,
        huge_pages: bool = False,
        lock_memory: bool = False,
        numa_node: int | None = None,
        core_dump: bool = False,
    ) -> Ring:
        """Opens the ring of that name, or creates it as `create` does. If several processes call this
        at once, one creates the ring.

        Raises `Unusable` if there is a ring with other properties, and what `create` and `open`
        raise.
        """
    @classmethod
    def open(
        cls,
        name: str,
        *,
        timeout: float | None = 0.0,
        directory: str | None = None,
        huge_pages: bool = False,
        lock_memory: bool = False,
        numa_node: int | None = None,
        core_dump: bool = False,
    ) -> Ring:
        """Opens the ring of that name, waiting for at most `timeout` seconds until it is created. A
        ring whose processes were all killed, without `keep`, is opened at once only with
        `timeout=0`. Else this waits until another process opens or replaces it, and opens it in the
        end.

        Raises `RingNotFound`, `NotPermitted`, `Unusable`. The other options are those of `create`.
        """
    @classmethod
    def from_descriptor(
        cls,
        descriptor: int,
        *,
        huge_pages: bool = False,
        lock_memory: bool = False,
        numa_node: int | None = None,
        core_dump: bool = False,
    ) -> Ring:
        """Opens the ring behind a descriptor that another process passed on, as by
        `socket.send_fds`. The descriptor stays open. The options are those of `open`.
        """
    def descriptor(self) -> int:
        """A descriptor of the ring's memory, for `socket.send_fds` or a child that inherits it. It
        stays open as long as this object. Another process opens it by `from_descriptor`.

        A ring with `anonymous=True` has no other way to other processes: it pickles to its
        descriptor, for processes that multiprocessing starts.
        """
    @staticmethod
    def unlink(name: str, *, directory: str | None = None) -> None:
        """Removes the name. Processes that have the ring open keep it."""
    def writer(self, *, waiting: Waiting = "balanced") -> Writer:
        """Registers a writer. Raises `WriterTaken`, `TableFull`, `NoSpace`, `Closed`.

        `waiting`: `"balanced"` spins for some µs and then sleeps; `"spinning"` and `"streaming"`
        never sleep, for processes with a core of their own; `"sleeping"` sleeps at once.
        """
    def reader(
        self,
        start: Literal["next", "oldest", "latest"] | int = "next",
        *,
        waiting: Waiting = "balanced",
        skip_lost: bool = False,
        as_bytes: bool = False,
    ) -> Reader:
        """Registers a reader, from the `"next"` message on, from the `"oldest"` or `"latest"` that is
        there, or from a sequence.

        `skip_lost`: lost messages are counted in `lost` and raise no error. `as_bytes`: copies of
        frames are `bytearray`s, not arrays. `waiting`: as for `writer`. Raises `TableFull`.
        """
    def resume(
        self,
        ticket: tuple[int, int],
        *,
        waiting: Waiting = "balanced",
        skip_lost: bool = False,
        as_bytes: bool = False,
    ) -> Reader:
        """Resumes a parked reader: see `Reader.park`. Raises `RegisterError` if it is not parked any
        more.
        """
    def position_of(self, ticket: tuple[int, int]) -> int | None:
        """The sequence that the reader of that ticket reads next, in any process; `None` once it left."""
    def taker(self, *, waiting: Waiting = "balanced", as_bytes: bool = False) -> Taker:
        """Registers a taker of a queue. `waiting`, `as_bytes`: as for `reader`. Raises `TableFull`,
        `NoSpace`.
        """
    def server(self, *, waiting: Waiting = "balanced") -> Server:
        """Registers the server of a ring with `delivery="call"`. `waiting`: as for `writer`. Raises
        `WriterTaken` while another one lives.
        """
    def caller(self, *, waiting: Waiting = "balanced") -> Caller:
        """Registers a caller in a ring with `delivery="call"`. `waiting`: as for `writer`. Raises
        `TableFull`.
        """
    def table_writer(self) -> TableWriter:
        """Registers the writer of a table: a ring made with `delivery="latest"`. Raises `WriterTaken`,
        `Closed`, and `RegisterError` if the ring is no table.
        """
    def table_reader(self, *, waiting: Waiting = "balanced") -> TableReader:
        """Registers a reader of a table: a ring made with `delivery="latest"`. `waiting`: as for
        `writer`. Raises `TableFull`, and `RegisterError` if the ring is no table.
        """
    @property
    def name(self) -> str:
        """The name."""
    @property
    def path(self) -> str | None:
        """The file that holds the ring; `None` for a ring on the heap."""
    @property
    def is_named(self) -> bool:
        """Whether the name still leads to this ring, so that other processes can open it: any process
        that may write to the directory can remove it.
        """
    @property
    def capabilities(self) -> Capabilities:
        """What the ring's memory offers here: see `Capabilities`."""
    @property
    def warnings(self) -> list[str]:
        """What the system refused, and the ring works without."""
    @property
    def slots(self) -> int:
        """How many messages fit."""
    @property
    def slot_bytes(self) -> int:
        """Largest message, in bytes."""
    @property
    def meta_bytes(self) -> int:
        """Longest metadata, in bytes."""
    @property
    def delivery(self) -> Delivery:
        """What happens when a reader is slow."""
    @property
    def slot_class(self) -> SlotClass:
        """How messages are stored."""
    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of the frames, if the ring declares one."""
    @property
    def dtype(self) -> str | None:
        """The element type of the frames, if the ring declares one."""
    @property
    def total_bytes(self) -> int:
        """Memory of the ring, in bytes, at most."""
    @property
    def next_sequence(self) -> int:
        """The sequence of the next message."""
    @property
    def words(self) -> Words:
        """The application's own words."""
    def stats(self) -> Stats:
        """The participants: position and lag of each."""
    def skip_readers(self) -> None:
        """Moves every reader to the newest message. Each raises `Lagged`."""
    def shutdown(self) -> None:
        """Ends the stream for good: writers are refused, readers get the remaining messages and then
        `Closed`.
        """
    @property
    def closed(self) -> bool:
        """Whether this object is closed."""
    def close(self) -> None:
        """Releases the ring. The last process that releases it removes it, with a `ResourceWarning` if
        it has messages and still awaits readers.
        """
    def _before_fork(self) -> None: ...
    def _after_fork(self) -> None: ...
    def _forget(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

@final
class Writer:
    """A registered writer. Made by `Ring.writer`; a `with` statement closes it at its end.

    When the last writer leaves, the stream ends: readers get the remaining messages, and then
    `Closed`. Data are any object with a buffer, of any element type but objects; elements with gaps
    between them are gathered. Do not change the data during the call. `meta` goes with a message in
    a ring with `meta_bytes`: bytes, or a value that JSON can represent; `json.loads(reader.meta)`
    returns it. `tag` is a 64-bit number, in a ring with `tag=True`.

    Calls raise `TooLarge`, `FrameMismatch` for data that are not a frame of the ring, `Closed`
    after `Ring.shutdown`, `TimedOut`, which names the slowest reader, `Busy` while a claim is open,
    `Forked`, and `ValueError` once the writer is closed.
    """
    def try_write(self, data: _Data, *, meta: Any = None, tag: int = 0) -> int | None:
        """Publishes a message without waiting. Returns its sequence, or `None` if the ring is full."""
    def _write_in_turn(self, data: _Data, is_full: Callable[[], bool]) -> int | None: ...
    def write(
        self, data: _Data, *, meta: Any = None, tag: int = 0, timeout: float | None = None
    ) -> int:
        """Publishes a message, waiting for room for at most `timeout` seconds. Returns its sequence."""
    def write_batch(self, messages: Iterable[_Data], *, timeout: float | None = None) -> int:
        """Publishes messages in their order, waiting for room. Returns how many it published: fewer
        than all only if `timeout` seconds passed. Data without a buffer, or that are no frame, are
        refused before anything is published.
        """
    def claim(
        self,
        shape: SupportsIndex | Sequence[int] | None = None,
        dtype: Any = None,
        *,
        meta: Any = None,
        tag: int = 0,
        timeout: float | None = None,
    ) -> Claim:
        """Claims room for a message that is filled in place: a context that gives a numpy array and
        publishes it at the end.

        `claim(shape, dtype)` gives an array; in a ring of frames both may be missing.
        `claim(nbytes)` gives a `memoryview`. `timeout` limits the wait for room, in seconds; and
        the wait at the end, if other writers took the room meanwhile. After an exception nothing is
        published. In lossy or observed rings, where a reader may be reading, and for small
        messages, the array is private memory, which is copied once.
        """
    def fileno(self) -> int:
        """A descriptor that becomes readable when there is room for a message, as `Reader.fileno`: it
        stays so until a call finds no room.
        """
    def wait(self, timeout: float | None = None) -> bool:
        """Waits until there is room, for at most `timeout` seconds; returns whether there is."""
    @property
    def next_sequence(self) -> int:
        """The sequence of the next message."""
    @property
    def refused(self) -> int:
        """How many calls found the ring full, whether or not they then waited."""
    def wait_for_readers(self, readers: int, timeout: float | None = None) -> bool:
        """Waits for at most `timeout` seconds until so many readers are registered, in a queue so many
        takers; returns whether they are. Then readers get every message that is written from now
        on.
        """
    @property
    def closed(self) -> bool:
        """Whether this object is closed."""
    def close(self) -> None:
        """Leaves the ring. While a claim is open, leaving is deferred until the claim ends. Warns as
        `Ring.close`.
        """
    def _forget(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

@final
class Claim:
    """A message that is filled before it is published. Made by `Writer.claim`.

    >>> import seqring
    >>> ring = seqring.Ring.create(4, 4096)
    >>> reader, writer = ring.reader(), ring.writer()
    >>> with writer.claim(5) as room:
    ...     room[:] = b"hello"
    >>> reader.read()
    bytearray(b'hello')

    The array becomes read-only when the message is published. Do not write to arrays made from it
    any more. While other buffers over the claim exist, nothing is published: that is a
    `BufferError`, and the writer is `Busy` until they are released.
    """
    @property
    def nbytes(self) -> int:
        """Number of claimed bytes."""
    @property
    def shape(self) -> tuple[int, ...]:
        """The extents of the array."""
    @property
    def dtype(self) -> str:
        """The name of the element type."""
    def publish(self, timeout: float | None = None) -> int:
        """Publishes the message. Returns its sequence.

        If other writers took the room meanwhile, it waits for at most `timeout` seconds; without
        it, for the rest of the time that `Writer.claim` had. After `TimedOut` the claim is still
        open, and its array read-only.
        """
    def abandon(self) -> None:
        """Gives up the room. Nothing is published."""
    # A numpy array, or a memoryview if a number of bytes was claimed.
    def __enter__(self) -> Any: ...
    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

# Shared by readers, observers and takers.
class _Receives:
    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the next read will return a message or raise an error; returns whether
        it will. Reads nothing.

        `timeout` is in seconds; `None` waits without a limit.
        """
    def aio(self) -> Messages:
        """The messages for `async for`, as `read` returns them. Ends when the stream does."""
    @property
    def meta(self) -> bytes:
        """The metadata of the last message; empty if it had none."""
    @property
    def sequence(self) -> int | None:
        """The sequence of the last message; `None` before the first. Sequences have no gaps."""
    @property
    def tag(self) -> int | None:
        """The tag of the last message; `None` before the first, and in a ring without tags."""
    @property
    def timestamp_ns(self) -> int | None:
        """When the last message was published, in ns of `time.CLOCK_MONOTONIC`; `None` before
        the first, and in a ring without timestamps.
        """
    @property
    def closed(self) -> bool:
        """Whether this object is closed."""
    def close(self) -> None:
        """Leaves the ring. A call that waits in another thread raises `ValueError` within 0.1
        s.

        While a view is open, leaving is deferred until the view is released.
        """
    def _forget(self) -> None: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

# Shared by readers and observers.
class _Reads(_Receives):
    def try_read(self) -> Any:
        """The next message, or `None` if there is none."""
    def read(self, timeout: float | None = None) -> Any:
        """The next message: a `bytearray`, or in a ring of frames a numpy array of its own.
        Waits for at most `timeout` seconds.
        """
    def try_read_into(self, out: _Out) -> int | None:
        """Copies the next message to the front of `out`, as the call that waits. `None` if
        there is no message.
        """
    def read_into(self, out: _Out, timeout: float | None = None) -> int:
        """Copies the next message to the front of `out`, a writable C-contiguous buffer.
        Returns its length in bytes. Waits for at most `timeout` seconds.

        Raises `TooSmall` if `out` is too small: for the message in a reader, for any
        message in a taker, since a taken message goes to no other taker. The next call
        finds the message.
        """
    def try_read_batch(self, max: int) -> list[Any]:
        """The messages that are there, up to `max`; an empty list if there is none."""
    def read_batch(self, max: int, timeout: float | None = None) -> list[Any]:
        """Waits for a message for at most `timeout` seconds; returns all that are there, up to
        `max`.

        If messages were lost in the middle, `Lagged.batch` holds those before the gap.
        """
    def skip_to_latest(self) -> int:
        """Skips to the newest message, which is read next. Returns how many messages were
        skipped; `lost` does not count them. For a display that shows only the latest frame.
        """
    @property
    def position(self) -> int:
        """The sequence that is read next."""
    @property
    def lag(self) -> int:
        """How many published messages this object has not read yet."""
    @property
    def lost(self) -> int:
        """How many messages were lost: the sum of all `Lagged.lost`."""

@final
class Reader(_Reads):
    """A registered reader: it sees every message from its start on, at its own pace. Made by
    `Ring.reader`.

    In a gated ring the writers wait for it. In a lossy ring `Lagged` reports what it lost. Any
    thread may use it, one at a time: a `try_` call returns `None` while another thread reads.
    Iterating yields copies and ends with the stream. A `with` statement closes the reader at its
    end.

    Calls that wait let other threads run, and Ctrl-C ends them. They raise `Closed` when every
    message was read and no writer is registered (if a writer joins later, reads succeed again),
    `Lagged` when messages were lost, `TimedOut`, `Busy` while a view is open, `Forked` in a child
    of the process that made the reader, and `ValueError` once it is closed.
    """
    def _read_in_turn(self, is_empty: Callable[[], bool]) -> bytearray | None: ...
    def try_view(self) -> View | None:
        """As `view`, without waiting: `None` if there is no message."""
    def view(self, timeout: float | None = None) -> View:
        """Views the next message in the ring. Waits for at most `timeout` seconds.

        In the ring, one view at a time: the reader continues when the view and every array made
        from it are released. A view that is a copy keeps nothing: see `View.in_place`.
        """
    def views(self) -> Views:
        """The views of all messages, for `for` and `async for`, until the stream ends. Each is
        released when the next one is asked for.
        """
    def fileno(self) -> int:
        """A descriptor that becomes readable when there is a message, for `selectors` and
        `loop.add_reader`.

        It is readable at first, and stays so until a call finds no message: call `try_read` at each
        event, once or until it returns `None`. At the end of the stream it is readable, and reads
        raise `Closed`. The process has one thread for the descriptors of up to 127 readers, takers
        and writers, which ends with the last of them. Unregister the descriptor before `close`.
        """
    def park(self) -> Parked:
        """Parks this reader: `Ring.resume` with the result's `ticket`, in any process, continues where
        it stopped.

        In a gated ring the writers wait at its position meanwhile, so nothing is lost. This object
        is closed.
        """

@final
class Observer(_Reads):
    """Reads a ring without registering: through a read-only mapping, which needs only the right to
    read. Participants do not see it.

    >>> import seqring
    >>> with seqring.Ring.create(4, 64, observers=True) as ring, ring.writer() as writer:
    ...     _ = writer.write(b"seen")
    ...     with seqring.Observer.open(ring.name, "oldest") as observer:
    ...         observer.read()
    bytearray(b'seen')

    Writers do not wait for it, not even in a gated ring: `Lagged` reports what it was too slow for.
    Writers do not wake it: it polls, at first without a pause and later every 20 ms. Otherwise
    calls and errors are those of `Reader`.
    """
    @classmethod
    def open(
        cls,
        name: str,
        start: Literal["next", "oldest", "latest"] | int = "next",
        *,
        skip_lost: bool = False,
        as_bytes: bool = False,
        directory: str | None = None,
    ) -> Observer:
        """Observes the ring of that name, from the `"next"` message on, from the `"oldest"` or
        `"latest"` that is there, or from a sequence. `skip_lost`: lost messages are counted in
        `lost` and raise no error.

        Raises `RingNotFound`, `NotPermitted`, and `Unusable` for a ring that was made without
        `observers=True` or is a queue.
        """

@final
class TableWriter:
    """The writer of a table: a ring made with `delivery="latest"`. Made by `Ring.table_writer`; a
    `with` statement closes it at its end. The values stay.

    >>> import seqring
    >>> with seqring.Ring.create(3, 64, delivery="latest") as table:
    ...     with table.table_writer() as writer, table.table_reader() as reader:
    ...         for value in (b"first", b"second"):
    ...             version = writer.set(1, value)
    ...         latest = reader.get(1)
    ...         latest.data, latest.version, latest.stream, latest.age < 60
    (bytearray(b'second'), 2, 'open', True)
    """
    def set(self, key: int, data: _Data) -> int:
        """Sets the value of `key`, a number from 0 to `Ring.slots` - 1. Never waits for readers.
        Returns the number of the value's version: from 1 on, for each key.

        Raises `IndexError` if there is no such key, `TooLarge`, `Closed` after `Ring.shutdown`,
        `Forked`, and `ValueError` once the writer is closed.
        """
    @property
    def closed(self) -> bool:
        """Whether this object is closed."""
    def close(self) -> None:
        """Leaves the ring. A call that waits in another thread raises `ValueError` within 0.1
        s.
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    def _forget(self) -> None: ...

@final
class TableReader:
    """A reader of a table: a ring made with `delivery="latest"`. Made by `Ring.table_reader`.

    It never waits for the writer, except in `wait`. `seqring.wait` takes it, too.
    """
    def get(self, key: int) -> Latest | None:
        """The latest value of `key`, with its version, age and the state of the stream: a `Latest`.
        `None` if the key was never set. Raises `IndexError` if there is no such key.
        """
    def changed(self) -> list[int]:
        """The keys whose values have changed since this reader got them; at first, all that were set."""
    def wait(self, timeout: float | None = None) -> bool:
        """Waits until a value has changed since this reader got it, or a writer has come or gone, for
        at most `timeout` seconds. Returns whether that is so.
        """
    def fileno(self) -> int:
        """A descriptor that becomes readable when a wait would end, as `Reader.fileno`: it stays so
        until `changed` finds no key.
        """
    @property
    def stream(self) -> str:
        """Whether the table has a living writer: `"open"`. Else `"fresh"` (none came yet), `"ended"`
        (it left), `"died"` (it was killed) or `"closed"`.
        """
    @property
    def closed(self) -> bool:
        """Whether this object is closed."""
    def close(self) -> None:
        """Leaves the ring. A call that waits in another thread raises `ValueError` within 0.1
        s.
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    def _forget(self) -> None: ...

@final
class Taker(_Receives):
    """A registered taker of a queue: each message goes to exactly one taker. Made by `Ring.taker`.

    Any thread may use it, one at a time. Iterating yields copies, as `take`
    returns them, and ends with the stream. Errors
    are those of `Reader`, without `Lagged`.
    """
    def fileno(self) -> int:
        """A descriptor that becomes readable when there is a message, as `Reader.fileno`. Another
        taker may take the message first.
        """
    def try_take(self) -> Any:
        """The next message, or `None` if there is none."""
    def _take_in_turn(self, is_empty: Callable[[], bool]) -> bytearray | None: ...
    def take(self, timeout: float | None = None) -> Any:
        """The next message: a `bytearray`, or in a ring of frames a numpy array of its own.
        Waits for at most `timeout` seconds.
        """
    def try_take_into(self, out: _Out) -> int | None:
        """Copies the next message to the front of `out`, as the call that waits. `None` if
        there is no message.
        """
    def take_into(self, out: _Out, timeout: float | None = None) -> int:
        """Copies the next message to the front of `out`, a writable C-contiguous buffer.
        Returns its length in bytes. Waits for at most `timeout` seconds.

        Raises `TooSmall` if `out` is too small: for the message in a reader, for any
        message in a taker, since a taken message goes to no other taker. The next call
        finds the message.
        """
    def try_take_batch(self, max: int) -> list[Any]:
        """The messages that are there, up to `max`; an empty list if there is none."""
    def take_batch(self, max: int, timeout: float | None = None) -> list[Any]:
        """Waits for a message for at most `timeout` seconds; returns all that are there, up to
        `max`.

        If messages were lost in the middle, `Lagged.batch` holds those before the gap.
        """
    def try_view(self) -> View | None:
        """As `view`, without waiting: `None` if there is no message."""
    def view(self, timeout: float | None = None) -> View:
        """Takes the next message and views it in the ring. The message is done when the view is
        released.

        One view at a time. If the process dies before the release, the message is not done.
        """
    def views(self) -> Views:
        """The views of all messages, for `for` and `async for`, until the stream ends. Each is
        released when the next one is asked for.
        """

@final
class Caller:
    """A registered caller. Made by `Ring.caller`; a `with` statement closes it at its end.

    Each question is taken by one server at most, and each answer goes to the question's caller.
    Payloads are any object with a buffer, and come as `bytearray`s. Threads that ask at the same
    time need a caller each.

    Calls raise `Unanswered` if the server died with the question or refused it, or if another
    thread asked meanwhile; `NoServer` if none is left (the question then waits for the next one),
    `TimedOut`, which names the server, `Closed` after `Ring.shutdown`, `TooLarge`, `Forked`, and
    `ValueError` once the caller is closed.
    """
    def call(self, question: _Data, timeout: float | None = None) -> bytearray:
        """Asks, and returns the answer. Waits for at most `timeout` seconds; the question then stays
        asked, and `answer` waits on.
        """
    def ask(self, question: _Data) -> None:
        """Asks, without waiting. A question that has no answer yet is given up."""
    def try_answer(self) -> bytearray | None:
        """The answer to the last question, or `None` if it is not there yet."""
    def answer(self, timeout: float | None = None) -> bytearray:
        """The answer to the last question. Waits for at most `timeout` seconds."""
    @property
    def closed(self) -> bool:
        """Whether this object is closed."""
    def close(self) -> None:
        """Leaves the ring. A call that waits in another thread raises `ValueError` within 0.1
        s.
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    def _forget(self) -> None: ...

@final
class Server:
    """The registered server of a ring for calls. Made by `Ring.server`; a `with` statement closes it
    at its end.

    Iterating takes one question after the other, and ends with `Ring.shutdown`. A question that is
    not answered when the next one is taken is refused.

    Calls raise `Closed`, `TimedOut`, `TooLarge`, `Forked`, and `ValueError` once the server is
    closed.
    """
    def try_take(self) -> bytearray | None:
        """Takes the next question, or returns `None` if there is none."""
    def take(self, timeout: float | None = None) -> bytearray:
        """Takes the next question. Waits for at most `timeout` seconds."""
    def answer(self, answer: _Data) -> None:
        """Answers the question that was taken last. Raises `ValueError` if there is none."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> bytearray: ...
    @property
    def closed(self) -> bool:
        """Whether this object is closed."""
    def close(self) -> None:
        """Leaves the ring. A call that waits in another thread raises `ValueError` within 0.1
        s.
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    def _forget(self) -> None: ...

@final
class View:
    """A message that is read where it lies: read-only, through the buffer protocol or `DLPack` (from
    version 1.0 on).

    >>> import numpy, seqring
    >>> with seqring.Ring.create(4, shape=(2, 3), dtype="int32") as ring:
    ...     reader, writer = ring.reader(), ring.writer()
    ...     _ = writer.write(numpy.arange(6, dtype="int32").reshape(2, 3))
    ...     with reader.view() as view:
    ...         print(numpy.asarray(view).sum(axis=1))
    [ 3 12]

    A frame of the ring has its shape and element type; any other message is plain bytes. `release`,
    or the end of a `with` statement, permits the message to go: it goes with the last array that
    shows it, and until then the writers of a gated ring wait for it. In lossy rings, and for small
    messages, the view shows a copy: see `in_place`.
    """
    @property
    def nbytes(self) -> int:
        """Length of the message in bytes."""
    @property
    def sequence(self) -> int:
        """The message's sequence."""
    @property
    def tag(self) -> int | None:
        """The message's tag; `None` in a ring without tags."""
    @property
    def timestamp_ns(self) -> int | None:
        """When the message was published, in ns of `time.CLOCK_MONOTONIC`; `None` in a ring without
        timestamps.
        """
    @property
    def shape(self) -> tuple[int, ...]:
        """The extents, slowest-varying first."""
    @property
    def dtype(self) -> str:
        """The name of the element type."""
    @property
    def in_place(self) -> bool:
        """Whether the view shows the bytes in the ring, not a copy."""
    @property
    def meta(self) -> bytes:
        """The message's metadata, as bytes."""
    @property
    def released(self) -> bool:
        """Whether `release` was called."""
    def release(self) -> None:
        """Permits the message to go; it goes with the last array that shows it."""
    def tobytes(self) -> bytes:
        """A copy, as bytes."""
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

# Base classes in seqring.compat.ringbuffer: the fast paths. The slow paths are `_try_read` etc.
@disjoint_base
class PointerBase:
    """The reader of a pointer, once this process has read by it."""
    def __new__(cls, *_arguments: Any, **_keywords: Any) -> Self: ...
    @property
    def _reader(self) -> Reader | None: ...
    @_reader.setter
    def _reader(self, reader: Reader | None) -> None: ...

@disjoint_base
class RingBufferBase:
    """A ring's active-writers word, and this process's writer."""
    def __new__(cls, *_arguments: Any, **_keywords: Any) -> Self: ...
    def _set_ring(self, ring: Ring, writers_at: int) -> None: ...
    @property
    def _writer(self) -> Writer | None: ...
    @_writer.setter
    def _writer(self, writer: Writer | None) -> None: ...
    def _enter(self) -> None: ...
    def _has_entered(self) -> bool: ...
    def _is_due(self) -> bool: ...
    def try_write(self, data: _Data) -> None:
        """Writes any object with a buffer, without waiting.

        Raises `WaitingForReaderError` if the ring is full, `AlreadyClosedError` without an active
        writer, `DataTooLargeError`, and `TypeError` for an object without a buffer.
        """
    def blocking_write(self, data: _Data, timeout: float | None = None) -> None:
        """Writes any object with a buffer, waiting for the slowest reader for at most `timeout`
        seconds.

        Raises `TimedOutError`, and the errors of `try_write`.
        """
    def try_read(self, pointer: PointerBase) -> bytearray:
        """The next message for `pointer`, as a `bytearray` of the length that was written, without
        waiting.

        Raises `WaitingForWriterError` if there is none, `WriterFinishedError` if none will come.
        """
    def blocking_read(self, pointer: PointerBase, timeout: float | None = None) -> bytearray:
        """The next message for `pointer`, as a `bytearray` of the length that was written. Waits for
        at most `timeout` seconds.

        Raises `WriterFinishedError` if none will come, `WriterDiedError` if a writer's process
        ended without `writer_done()`, `TimedOutError`, and `PointerInUseError` if another process
        reads by `pointer`.
        """

@final
class Parked:
    """The position of a parked reader, kept until `Ring.resume`. Made by `Reader.park`. If it is not
    resumed, the reader ends with this object.
    """
    @property
    def ticket(self) -> tuple[int, int]:
        """The argument of `Ring.resume`."""
    def close(self) -> None:
        """Ends the reader, unless it was resumed. In a forked child the reader is the parent's."""
    def _forget(self) -> None: ...

class _Spawner(Protocol):
    # The commander's and each producer's task, for threads; `None` if `start` starts workers.
    @property
    def roles(self) -> tuple[_CommanderTask, Sequence[_ProducerTask]] | None: ...
    def start(self, index: int | None, ticket: str) -> _Worker: ...

class _Worker(Protocol):
    @property
    def pid(self) -> int | None: ...
    @property
    def sentinel(self) -> int | None: ...
    def wait(self, timeout: float) -> int | None: ...
    def kill(self) -> None: ...

class _CommanderTask(Protocol):
    def build(self) -> None: ...
    def next(self) -> bytes | None: ...

class _ProducerTask(Protocol):
    def build(self) -> None: ...
    def make(self, command: bytes, filling: ItemBuffer) -> bytes: ...

@final
class Host:
    """Starts a pipeline and receives its items."""
    def __new__(
        cls,
        spawner: _Spawner,
        nbytes: Sequence[int],
        *,
        producers: int,
        in_flight: int | None,
        held_items: int,
        ordered: bool,
        skips: bool,
        retries: int,
        produce_timeout: float | None,
        meta_bytes: int,
        message_bytes: int,
    ) -> Self: ...
    def next(self, timeout: float | None = None) -> ItemBuffer | None:
        """The next item, waiting for at most `timeout` seconds; `None` after the last."""
    def wait(self, timeout: float | None = None) -> bool:
        """Waits for at most `timeout` seconds until `next` will not wait; returns whether it will not."""
    def stats(self) -> tuple[int, int, int, int, list[tuple[int, int, float, int]]]:
        """Messages issued, items done, messages in flight, items copied; and for each producer: items
        made, items failed, seconds at work, and how often it was replaced.
        """
    def stop(self, interrupt: Callable[[], None] | None = None) -> None:
        """Ends the pipeline. Raises `Stuck`, and last an exception of a signal handler. A call that
        waits in another thread raises `ValueError`. In a signal handler that interrupts a wait of
        this thread, that wait ends the pipeline instead.

        `interrupt` is called if workers are still running after half of their time.
        """
    def forget(self) -> None:
        """In a forked child: the pipeline is the parent's."""

@final
class ItemBuffer:
    """The bytes of all arrays of an item.

    A producer fills them until the item is done; then the memory is reused for another item, and
    new arrays are refused. (Python sets the old ones read-only.) The consumer may change and keep
    them: its arrays keep this object, and when it goes, the memory is reused.
    """
    @property
    def number(self) -> int: ...
    @property
    def tries(self) -> int:
        """For a producer, from 1 on; for the consumer 0."""
    @property
    def meta(self) -> bytes:
        """The item's metadata."""
    def __len__(self) -> int: ...
    def __array__(self, *_arguments: Any, **_keywords: Any) -> Any: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Words:
    """A ring's words: 64-bit numbers in its segment for the application's own use, initially 0. Made
    by `Ring.words`.

    >>> import seqring
    >>> words = seqring.Ring.create(1, 8, words=2).words
    >>> words.add(0, 5), words.load(0), words.exchange(0, 5, 7), words.exchange(0, 5, 9)
    (0, 5, True, False)

    Each access is atomic and sequentially consistent.
    """
    def __len__(self) -> int: ...
    def load(self, index: int) -> int:
        """The value of a word."""
    def store(self, index: int, value: int) -> None:
        """Stores a value in a word."""
    def add(self, index: int, value: int) -> int:
        """Adds to a word and returns its previous value. Wraps around."""
    def exchange(self, index: int, old: int, new: int) -> bool:
        """Stores `new` if the word is `old`; returns whether it was."""
    def notified(self, index: int) -> int:
        """How often `notify` was called for this word, modulo 2³².

        Use a word either with `notify` and `wait` or as a number.
        """
    def notify(self, index: int) -> None:
        """Wakes all threads that `wait` for this word, in all processes."""
    def wait(self, index: int, seen: int, timeout: float | None = None) -> bool:
        """Waits for at most `timeout` seconds until `notified` differs from `seen`; returns whether it
        does.

        Read `notified` first, then check the condition, then wait: no `notify` is missed. Lets
        other threads run, and Ctrl-C ends it.
        """
    def read(self, index: int, nbytes: int) -> bytearray:
        """The first `nbytes` bytes of the words from `index` on. Each word is read atomically."""
    def write(self, index: int, data: _Data) -> None:
        """Stores the bytes of `data` in the words from `index` on. Each word is stored atomically; the
        last one is padded with zeros.
        """

__version__: str

class _Closable(Protocol):
    def close(self) -> None: ...
    def _forget(self) -> None: ...

def register(thing: _Closable) -> None:
    """Closes `thing` when the process ends. In a forked child, drops the copy at once.

    A copy would keep the parent's locks, which mark the parent as alive.
    """
def living() -> list[_Closable]:
    """The registered objects that live."""
def end_daemon_threads() -> None:
    """In a process that is about to end: an error of a call in a daemon thread becomes `SystemExit`,
    which ends the thread without a traceback. Its rings are closed while it uses them.
    """
def leave_rings() -> None:
    """Leaves all rings, in a process that is about to end."""
def gc(*, remove: bool = False, kept: bool = False, directory: str | None = None) -> list[str]:
    """The names of the rings that killed processes left, as `python -m seqring gc` lists them. With
    `remove=True` it removes these rings. A ring that a living process has open stays.

    `kept`: also rings that were created with `keep=True`. `directory`: `/dev/shm` if `None`.
    """
def command(arguments: list[str], reenter: list[str]) -> int:
    """Runs the command with `arguments`, and returns the exit code. `reenter` is the command line that
    starts another process of this command.
    """
def run_commander(ticket: str, role: _CommanderTask) -> None:
    """Runs the commander of that ticket: calls `role.build()`, and `role.next()` until it returns
    `None`.
    """
def run_producer(ticket: str, role: _ProducerTask) -> None:
    """Runs the producer of that ticket: calls `role.build()`, and `role.make(message, filling)` for
    each message.
    """
def refuse_start(ticket: str, reason: str) -> None:
    """Reports that the worker of that ticket could not start, and why."""
def interrupt_thread(thread: int) -> None:
    """Raises `SystemExit` in a thread when it next runs Python code."""
