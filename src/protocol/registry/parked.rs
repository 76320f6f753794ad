//! The entry of a parked reader, for the process that has its ticket.

use super::{REGISTER_TRIES, deregister, park_lock};
use crate::protocol::attachment::Attachment;
use crate::protocol::entry_state::EntryState;
use crate::protocol::stream_state::Exit;
use crate::sync::yield_now;
use crate::types::participant::{ParkTicket, Role};

/// Ends the parking of a reader, and deregisters it if no process resumed it.
pub(crate) fn unpark(attachment: &Attachment, ticket: ParkTicket) {
    if attachment.liveness.is_inherited() {
        return;
    }
    // First: a process that has the entry locked at this moment then deregisters the reader in our
    // place.
    attachment.liveness.release(park_lock(attachment, ticket.entry));
    for _ in 0..REGISTER_TRIES {
        if attachment.liveness.acquire(ticket.entry) {
            if is_parked(attachment, ticket) {
                deregister(attachment, ticket.entry, Exit::Left);
            }
            attachment.liveness.release(ticket.entry);
            return;
        }
        if !is_parked(attachment, ticket) {
            return;
        }
        yield_now();
    }
}

/// Whether the ticket's reader is parked. Only resuming it decides.
pub(crate) fn is_parked(attachment: &Attachment, ticket: ParkTicket) -> bool {
    EntryState::of(attachment.memory.entry(ticket.entry)).word() == ticket.state
}

/// Whether an entry with this state word still belongs to the ticket's reader.
pub(crate) fn belongs_to(ticket: ParkTicket, state: u64) -> bool {
    let (state, parked) = (EntryState::from_word(state), EntryState::from_word(ticket.state));
    state.generation() == parked.generation() && state.role() == Some(Role::Reader)
}
