//! How a ring's memory is created, opened and mapped.

/// How a process creates, opens and maps a ring's memory. These options are not properties of the
/// ring, so its header does not have them.
///
/// [`Ring::create`](crate::Ring::create) and the other constructors use the defaults.
///
/// ```
/// use seqring::{Config, OpenOptions};
/// # let name = format!("doc-options-{}", std::process::id());
/// let options = OpenOptions::new().mode(0o660).lock_memory(true);
/// let ring = options.create(&name, &Config::slots(8).of_bytes(4096))?;
/// for warning in ring.warnings() {
///     eprintln!("{warning}"); // What the system refused; the ring works without.
/// }
/// # Ok::<(), seqring::RingError>(())
/// ```
///
/// # Rings between users
/// A ring is for its creator's user alone unless its mode says otherwise. To share rings among the
/// users of a group, here `rings`:
///
/// 1. Make a directory of the group on tmpfs: `install -d -m 2775 -g rings /dev/shm/rings`, at each
///    boot (in `tmpfiles.d`: `d /dev/shm/rings 2775 root rings -`). Its files get its group.
/// 2. Create rings there: `OpenOptions::new().mode(0o660)` and
///    [`Location::in_directory("/dev/shm/rings", name)`](crate::Location::in_directory).
/// 3. Give users that only observe a ring the right to read, by mode `0o664`. `SECURITY.md` in the
///    repository says what they can do.
///
/// In `/dev/shm` itself [`Self::group`] gives a file to the group. But only its user may remove a
/// name there: if another user leaves last, the name stays until the file's user removes it
/// (`seqring gc --remove`). The same holds for a process that changes its user after it opened the
/// ring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent options")]
pub struct OpenOptions {
    pub(crate) mode: u32,
    pub(crate) group: Option<u32>,
    pub(crate) huge_pages: bool,
    pub(crate) lock_memory: bool,
    pub(crate) node: Option<u32>,
    pub(crate) replace_unused: bool,
    pub(crate) core_dump: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// A segment for this user alone, on pages of the usual size.
    pub fn new() -> Self {
        OpenOptions {
            mode: 0o600,
            group: None,
            huge_pages: false,
            lock_memory: false,
            node: None,
            replace_unused: false,
            core_dump: false,
        }
    }

    /// The access rights of a segment that is created, whatever the umask. The default is `0o600`.
    ///
    /// A user with write access can do anything to the ring's messages; a user with read access can
    /// [observe](crate::Observer) them. Segments of the portable backend are always for this
    /// user alone.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// The group of a segment that is created, by its number. This user must be in it.
    #[must_use]
    pub fn group(mut self, group: u32) -> Self {
        self.group = Some(group);
        self
    }

    /// Asks for huge pages. On hugetlbfs all pages are huge; on tmpfs the mount must allow it
    /// (`huge=advise`).
    #[must_use]
    pub fn huge_pages(mut self, on: bool) -> Self {
        self.huge_pages = on;
        self
    }

    /// Keeps the memory from being swapped out, as far as this process may.
    #[must_use]
    pub fn lock_memory(mut self, on: bool) -> Self {
        self.lock_memory = on;
        self
    }

    /// Prefers memory of one NUMA node: best the node of the cores that read most.
    #[must_use]
    pub fn numa_node(mut self, node: u32) -> Self {
        self.node = Some(node);
        self
    }

    /// Includes the ring's memory in core dumps of this process, as far as the kernel's
    /// `coredump_filter` does. By default no ring is in them (`MADV_DONTDUMP`, Linux): a ring can
    /// be larger than all else, and its messages may be secret.
    #[must_use]
    pub fn core_dump(mut self, on: bool) -> Self {
        self.core_dump = on;
        self
    }

    /// Lets [`create`](Self::create) and [`open_or_create`](Self::open_or_create) replace a ring
    /// whose users were all killed. The old ring is removed with its messages. A ring that a living
    /// process has open, or that is to be [kept](crate::Config::keep), stays.
    #[must_use]
    pub fn replace_unused(mut self, on: bool) -> Self {
        self.replace_unused = on;
        self
    }
}
