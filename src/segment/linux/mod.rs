//! Segments of Linux: files under a name, and memfds.

pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod limits;
mod lock;
pub(crate) mod memfd;
pub(crate) mod named;
pub(super) mod pages;
mod space;
