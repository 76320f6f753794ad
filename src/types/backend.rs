//! Backends, and what they offer.

/// Where a ring's memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// The allocator: for the threads of one process.
    Heap,
    /// Linux: a file with a name, on tmpfs or hugetlbfs.
    File,
    /// Linux: a file without a name, which is passed on as a descriptor.
    Memfd,
    /// Memory of the crate `shared_memory`, found and locked through small files beside it: for
    /// other systems.
    Portable,
}

/// What the backend of a ring offers, on this system.
///
/// | backend  | processes | named | wakes | liveness | descriptors | observers | sealing |
/// |----------|-----------|-------|-------|----------|-------------|-----------|---------|
/// | heap     | no        | no    | yes   | `Drop`   | no          | no        | no      |
/// | file     | yes       | yes   | yes   | yes      | yes         | yes       | no      |
/// | memfd    | yes       | no    | yes   | yes      | yes         | yes       | yes     |
/// | portable | yes       | yes   | no    | yes      | no          | no        | no      |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a row of the table above")]
#[non_exhaustive]
pub struct Capabilities {
    /// Where the memory comes from.
    pub backend: Backend,
    /// Other processes can use the ring.
    pub processes: bool,
    /// Other processes find the ring by a name.
    pub named: bool,
    /// A change wakes a process that waits for it. Otherwise the waiting process polls every
    /// millisecond.
    pub wakes: bool,
    /// The death of a participant is detected, and what it held is freed. The heap does not need
    /// that: a thread ends inside a living process, where its handles are dropped.
    pub liveness: bool,
    /// The ring can be sent to other processes as a descriptor.
    pub descriptors: bool,
    /// The ring can be read through a read-only mapping.
    pub observers: bool,
    /// No peer can shrink the memory while others use it, and further writable mappings can be
    /// forbidden.
    pub sealing: bool,
}

impl Capabilities {
    /// Those of a backend.
    pub fn of(backend: Backend) -> Self {
        let file = matches!(backend, Backend::File | Backend::Memfd);
        Capabilities {
            backend,
            processes: backend != Backend::Heap,
            named: matches!(backend, Backend::File | Backend::Portable),
            wakes: backend != Backend::Portable,
            liveness: backend != Backend::Heap,
            descriptors: file,
            observers: file,
            sealing: backend == Backend::Memfd,
        }
    }
}
