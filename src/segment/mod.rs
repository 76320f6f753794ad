//! Where a ring's memory comes from, and who of its users is alive.

mod mapping;
mod presence;

#[cfg(target_os = "linux")]
mod lock;
#[cfg(target_os = "linux")]
pub(crate) mod named;

pub(crate) use mapping::Mapping;
pub(crate) use presence::Presence;
