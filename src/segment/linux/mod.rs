//! Segments of Linux: files under a name, and memfds.

pub(crate) mod file;
mod fork;
mod lock;
pub(crate) mod memfd;
pub(crate) mod named;
pub(super) mod pages;
mod space;
