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
mod racy;
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
pub use participant::Role;
pub use racy::Racy;
pub use reader::{Messages, Reader, Received, Start};
pub use ring::{Participant, Ring};
pub use view::View;
pub use writer::Writer;
