//! How a ring's memory is created, opened and mapped.

/// How a process creates, opens and maps a ring's memory: what is not a property of the ring, hence not in its header.
///
/// [`Ring::create`] and the others are this with all at its default.
///
/// ```
/// use seqring::{Config, OpenOptions};
/// # let name = format!("doc-options-{}", std::process::id());
/// let options = OpenOptions::new().mode(0o660).lock_memory(true);
/// let ring = options.create(&name, &Config::new(8, 4096))?;
/// for warning in ring.warnings() {
///     eprintln!("{warning}"); // What the system refused; the ring works without.
/// }
/// # Ok::<(), seqring::RingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    pub(crate) mode: u32,
    pub(crate) group: Option<u32>,
    pub(crate) huge_pages: bool,
    pub(crate) lock_memory: bool,
    pub(crate) node: Option<u32>,
    pub(crate) replace_unused: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// A segment of this user alone, on pages of the usual size.
    pub fn new() -> Self {
        OpenOptions {
            mode: 0o600,
            group: None,
            huge_pages: false,
            lock_memory: false,
            node: None,
            replace_unused: false,
        }
    }

    /// The access rights of a segment that is created, whatever the umask: `0o600` unless said otherwise.
    ///
    /// Whoever may write may do anything to the ring's messages; whoever may read may
    /// [observe](crate::Observer). What the portable backend makes is for this user alone.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// The group of a segment that is created, by its number: one of this user's.
    #[must_use]
    pub fn group(mut self, group: u32) -> Self {
        self.group = Some(group);
        self
    }

    /// Asks for huge pages. On hugetlbfs they come anyway; on tmpfs the mount must allow it (`huge=advise`).
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

    /// Asks for memory of one NUMA node, as long as that has any: best the one of the processors that read most.
    #[must_use]
    pub fn numa_node(mut self, node: u32) -> Self {
        self.node = Some(node);
        self
    }

    /// Lets [`create`](Self::create) and [`open_or_create`](Self::open_or_create) begin anew where there is a ring whose users
    /// were all killed: it goes, with the messages that are in it. One that a living process has open, or that was [made to be
    /// kept](Config::keep), stays.
    #[must_use]
    pub fn replace_unused(mut self, on: bool) -> Self {
        self.replace_unused = on;
        self
    }
}
