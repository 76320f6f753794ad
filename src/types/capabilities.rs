//! What a ring's backend offers.

use crate::types::location::Backend;

/// What the backend of a ring offers, on this system.
///
/// | backend  | processes | named | wakes | liveness | descriptors | observers | sealing |
/// |----------|-----------|-------|-------|----------|-------------|-----------|---------|
/// | heap     | no        | no    | yes   | `Drop`   | no          | no        | no      |
/// | file     | yes       | yes   | yes   | yes      | yes         | yes       | no      |
/// | memfd    | yes       | no    | yes   | yes      | yes         | yes       | yes     |
/// | portable | yes       | yes   | no    | yes      | no          | no        | no      |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a table of what is there and what is not")]
pub struct Capabilities {
    /// What keeps the memory.
    pub backend: Backend,
    /// Other processes can use the ring.
    pub processes: bool,
    /// They find it by a name.
    pub named: bool,
    /// A waiting process is woken by whom it waits for. Else it looks every millisecond.
    pub wakes: bool,
    /// A participant that was killed is noticed, and what it held is freed. On the heap there is nobody to notice:
    /// threads end inside a living process, where dropping speaks for them.
    pub liveness: bool,
    /// The ring can be passed on as a descriptor.
    pub descriptors: bool,
    /// It can be read through a mapping that cannot be written to.
    pub observers: bool,
    /// No peer can shrink it under the others, and further writers can be locked out.
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
