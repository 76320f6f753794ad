//! Lock-free ring buffers in shared memory.

mod arena;
mod bell;
mod claim;
mod config;
mod copy;
mod endpoint;
mod error;
mod extras;
mod format;
mod gate;
mod inline;
mod layout;
mod life;
mod memory;
mod participant;
mod place;
mod reader;
mod ring;
mod segment;
mod slots;
mod stamp;
mod sync;
mod view;
mod writer;

pub use bell::Waiting;
pub use claim::Claim;
pub use config::{Config, Delivery, Frame, SlotClass, Writers};
pub use error::{
    Corrupt, JoinError, Lagged, Peer, ReadError, RingError, TryReadError, TryWriteError, WriteError,
};
pub use extras::Extras;
pub use memory::Racy;
pub use participant::Role;
pub use reader::{Messages, Reader, Received, Start};
pub use ring::{Participant, Ring};
pub use view::View;
pub use writer::Writer;

/// What the models in `loom-tests` need beside the public API.
#[cfg(seqring_loom)]
pub mod model {
    pub use crate::memory::exclusive_payloads;
    pub use crate::sync::membarrier::imp::lend_fences;
    pub use crate::sync::{End, Pair, weaken};
}
