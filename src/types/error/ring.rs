//! Errors and warnings of creating and opening a ring.

use crate::types::backend::Backend;
use crate::types::location::printable;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a ring could not be created or opened.
///
/// ```
/// use seqring::{Ring, RingError};
/// match Ring::open("a-name-that-no-ring-has") {
///     Err(RingError::NotFound { path, .. }) => eprintln!("{} is not there yet", path.display()),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The configuration is out of range or contradictory.
    #[error("bad configuration: {0}")]
    Config(String),
    /// No segment can have that name.
    #[error("bad ring name {name:?}: {reason}")]
    Name {
        /// The name asked for.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A ring of this name exists.
    #[error(
        "{} exists already; open it, or unlink it first; `seqring gc --remove` removes it if no process has it \
         open and it is not kept",
        printable(path)
    )]
    AlreadyExists {
        /// Where it is.
        path: PathBuf,
    },
    /// The directory in which a ring was to be created does not exist.
    #[error(
        "the directory {} does not exist; create it, or choose one on tmpfs, such as /dev/shm",
        printable(path)
    )]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// No ring of this name exists.
    #[error(
        "{} does not exist{}; a ring exists from its creation until its last user leaves",
        printable(path),
        if waited.is_zero() { String::new() } else { format!(", also after {waited:.1?}") }
    )]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
        /// How long the call waited for it.
        waited: Duration,
    },
    /// The file may not be used by this user.
    #[error("{} belongs to another user or is closed to this one", printable(path))]
    PermissionDenied {
        /// Where it is.
        path: PathBuf,
    },
    /// The file belongs to another user, and its mode lets no other user write. Only root can get
    /// this error.
    #[error(
        "{} belongs to user {owner}, is for that user alone (mode {mode:o}), and this is user {user}",
        printable(path)
    )]
    ForeignOwner {
        /// Where it is.
        path: PathBuf,
        /// Its user.
        owner: u32,
        /// This process's user.
        user: u32,
        /// Its access rights.
        mode: u32,
    },
    /// This build has no such backend on this system, or the backend cannot do that.
    #[error("the backend {backend:?} cannot do that here; see Ring::capabilities")]
    Unsupported {
        /// The backend asked for.
        backend: Backend,
    },
    /// The file system has no room for the ring.
    #[error(
        "{} needs {wanted} bytes and {available} are free there; enlarge it or use fewer or smaller slots",
        printable(path)
    )]
    NoSpace {
        /// The file system.
        path: PathBuf,
        /// Bytes that the ring needs.
        wanted: u64,
        /// Bytes that were free.
        available: u64,
    },
    /// A limit of this process leaves no room for the ring.
    #[error(
        "the ring needs {wanted} bytes and {limit} leaves {available}; raise it or use fewer or smaller slots"
    )]
    Limit {
        /// `RLIMIT_AS`, `RLIMIT_DATA`, `RLIMIT_FSIZE`, or the memory limit of a cgroup.
        limit: String,
        /// Bytes that the ring needs.
        wanted: u64,
        /// Bytes that the limit leaves.
        available: u64,
    },
    /// The file is not a ring that this build understands.
    #[error("{} cannot be used: {reason}", printable(path))]
    Unusable {
        /// Where it is.
        path: PathBuf,
        /// What was found, and what was expected.
        reason: String,
    },
    /// Any other failure of the operating system.
    #[error("{doing} {}: {source}", printable(path))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// An option that the system refused. The ring works without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Huge pages were asked for.
    #[error("the ring lies on pages of the usual size: {reason}")]
    SmallPages {
        /// Why.
        reason: String,
    },
    /// The memory was to be locked against swapping.
    #[error("the ring's memory is not locked: {reason}")]
    NotLocked {
        /// Why.
        reason: String,
    },
    /// Memory of one node was asked for.
    #[error("the ring's memory may lie on any node, not on node {node}: {reason}")]
    AnyNode {
        /// The node.
        node: u32,
        /// Why.
        reason: String,
    },
    /// The file system keeps its files on a disk.
    #[error("{} is written to a disk now and then; put it on tmpfs", printable(path))]
    OnDisk {
        /// The file.
        path: PathBuf,
    },
}
