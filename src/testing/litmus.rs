//! The two ends of each [`Pair`], as functions: `scripts/litmus` makes litmus tests of the
//! instructions that the compiler emits for them. `scripts/litmus.toml` says which functions race,
//! and what they must never see.
//!
//! `inline_publish`, `inline_read` and `free_read` call the protocol's own functions. In the
//! protocol, the others are parts of functions that walk the ring. Each makes the accesses of the
//! part that its name says, in their order, with the orderings of its pair alone: all other
//! accesses are relaxed, and no branch stands between them. So no other ordering and no dependency
//! hides that the pair orders nothing.
#![allow(
    missing_docs,
    private_interfaces,
    unsafe_code,
    reason = "public, so that they are compiled; no program calls them"
)]

use crate::memory::copy::Kernel;
use crate::memory::format::Entry;
use crate::memory::stamp::{ExpectedStamp, InlineStamp};
use crate::memory::{InlineSlot, Payload};
use crate::protocol::inline_slot::{self, LoadedSlot};
use crate::protocol::reader_entry::ReaderEntry;
use crate::sync::futex::FutexWord;
use crate::sync::{AtomicU64, End, Pair, Relaxed, acquire, acquire_fence, full_fence, release};

/// What two loads saw.
type Seen = (u64, u64);

// Publish and Tear, of an inline slot that had message 0 and gets message 1.

fn slot<'a>(payload: &'a AtomicU64, stamp: &'a AtomicU64) -> InlineSlot<'a> {
    // SAFETY: the payload is one word, accessed by words alone.
    let payload = unsafe { Payload::new(payload.as_ptr().cast(), 8, Kernel::WordsInline) };
    InlineSlot { stamp, header: &[], payload }
}

#[inline(never)]
pub fn inline_publish(payload: &AtomicU64, stamp: &AtomicU64) {
    let next = InlineStamp::new(8).of(1);
    inline_slot::publish(&slot(payload, stamp), next, &1_u64.to_ne_bytes(), true, |_| ());
}

/// The payload of the `expected` message; 2 if the slot does not have it.
#[inline(never)]
pub fn inline_read(payload: &AtomicU64, stamp: &AtomicU64, expected: ExpectedStamp) -> u64 {
    let Some(read) = LoadedSlot::load(slot(payload, stamp), expected).message_of(8) else { return 2 };
    let payload = u64::from_ne_bytes(read.message.word(0));
    if read.validate() { payload } else { 2 }
}

// Publish, of the word of an arena slot: the exchange of many writers, and the exchange by which a
// taker leaves a buffer that a writer then fills.

#[inline(never)]
pub fn publish_exchange(payload: &AtomicU64, word: &AtomicU64) {
    payload.store(1, Relaxed);
    let _ = word.compare_exchange(0, 1, release(Pair::Publish), Relaxed);
}

#[inline(never)]
pub fn publish_read(payload: &AtomicU64, stamp: &AtomicU64) -> Seen {
    (stamp.load(acquire(Pair::Publish)), payload.load(Relaxed))
}

#[inline(never)]
pub fn publish_leave(payload: &AtomicU64, word: &AtomicU64) -> u64 {
    let seen = payload.load(Relaxed);
    let _ = word.compare_exchange(0, 1, release(Pair::Publish), Relaxed);
    seen
}

#[inline(never)]
pub fn publish_refill(payload: &AtomicU64, word: &AtomicU64) -> u64 {
    let seen = word.load(acquire(Pair::Publish));
    payload.store(1, Relaxed);
    seen
}

// Free: a reader's cursor passes a message, which a writer then overwrites.

#[inline(never)]
pub fn free_read(payload: &AtomicU64, entry: &Entry) -> u64 {
    let copied = payload.load(Relaxed);
    ReaderEntry(entry).advance(1);
    copied
}

#[inline(never)]
pub fn free_write(payload: &AtomicU64, entry: &Entry) -> u64 {
    let cursor = entry.cursor.load(acquire(Pair::Free));
    payload.store(1, Relaxed);
    cursor
}

// Join: a writer announces its limit and looks at the cursors; a reader stores its cursor and looks
// at the limit. A reader that is counted, or that shows its position, decided before.

#[inline(never)]
pub fn join_announce(limit: &AtomicU64, cursor: &AtomicU64) -> u64 {
    limit.store(1, Relaxed);
    full_fence(Pair::Join, End::Release);
    cursor.load(Relaxed)
}

#[inline(never)]
pub fn join_announce_many(limit: &AtomicU64, cursor: &AtomicU64) -> u64 {
    limit.fetch_max(1, Relaxed);
    full_fence(Pair::Join, End::Release);
    cursor.load(Relaxed)
}

#[inline(never)]
pub fn join_register(limit: &AtomicU64, cursor: &AtomicU64) -> u64 {
    cursor.store(1, Relaxed);
    full_fence(Pair::Join, End::Acquire);
    limit.load(Relaxed)
}

#[inline(never)]
pub fn join_count(limit: &AtomicU64, joined: &AtomicU64) -> u64 {
    let seen = limit.load(Relaxed);
    joined.fetch_add(1, release(Pair::Join));
    seen
}

#[inline(never)]
pub fn join_place(next: &AtomicU64, joined: &AtomicU64) -> u64 {
    let seen = next.load(Relaxed);
    joined.store(1, release(Pair::Join));
    seen
}

#[inline(never)]
pub fn join_go_on(word: &AtomicU64, joined: &AtomicU64) -> u64 {
    let seen = joined.load(acquire(Pair::Join));
    word.store(1, Relaxed);
    seen
}

// Pin: a reader pins and looks at its floor; another participant raises the floor; a writer that
// sees the floor looks at the cursor again.

#[inline(never)]
pub fn pin_read(cursor: &AtomicU64, floor: &AtomicU64) -> u64 {
    cursor.store(1, Relaxed);
    full_fence(Pair::Pin, End::Acquire);
    floor.load(Relaxed)
}

#[inline(never)]
pub fn pin_raise(floor: &AtomicU64) {
    floor.fetch_max(1, Relaxed);
}

#[inline(never)]
pub fn pin_write(cursor: &AtomicU64, floor: &AtomicU64) -> Seen {
    let seen = floor.load(Relaxed);
    full_fence(Pair::Pin, End::Release);
    (seen, cursor.load(Relaxed))
}

// Floor: a floor is raised above a message that was published.

#[inline(never)]
pub fn floor_raise(slot: &AtomicU64, floor: &AtomicU64) {
    slot.store(1, Relaxed);
    floor.fetch_max(1, release(Pair::Floor));
}

#[inline(never)]
pub fn floor_read(slot: &AtomicU64, floor: &AtomicU64) -> Seen {
    let seen = floor.load(Relaxed);
    acquire_fence(Pair::Floor);
    (seen, slot.load(Relaxed))
}

// Notify, where the notifier has a full fence: `membarrier` is no instruction.

#[inline(never)]
pub fn notify_notify(change: &AtomicU64, word: &FutexWord) -> u32 {
    change.store(1, Relaxed);
    full_fence(Pair::Notify, End::Release);
    word.load(Relaxed)
}

#[inline(never)]
pub fn notify_wait(change: &AtomicU64, word: &FutexWord) -> u64 {
    word.fetch_or(1, Relaxed);
    full_fence(Pair::Notify, End::Acquire);
    change.load(Relaxed)
}

// Next: a shared counter passes a message that was published.

#[inline(never)]
pub fn next_raise(slot: &AtomicU64, counter: &AtomicU64) {
    slot.store(1, Relaxed);
    counter.fetch_max(1, release(Pair::Next));
}

#[inline(never)]
pub fn next_jump(slot: &AtomicU64, counter: &AtomicU64) -> Seen {
    (counter.load(acquire(Pair::Next)), slot.load(Relaxed))
}

// Owner: a participant records the owner of a buffer, then its intent or its next aim.

#[inline(never)]
pub fn owner_record(owner: &AtomicU64, intent: &AtomicU64) {
    owner.store(1, Relaxed);
    intent.store(1, release(Pair::Owner));
}

#[inline(never)]
pub fn owner_ask(owner: &AtomicU64, intent: &AtomicU64) -> Seen {
    (intent.load(acquire(Pair::Owner)), owner.load(Relaxed))
}

// Leave: each of two writers marks its entry and looks at that of the other.

#[inline(never)]
pub fn leave_leave(own: &AtomicU64, other: &AtomicU64) -> u64 {
    own.store(1, Relaxed);
    full_fence(Pair::Leave, End::Release);
    other.load(Relaxed)
}

// End: a writer ends the stream after its last message; the writer that ends a stream sees the
// entry of the writer that opened it. (One exchange has both orderings in the protocol.)

#[inline(never)]
pub fn end_change(before: &AtomicU64, state: &AtomicU64) {
    before.store(1, Relaxed);
    let _ = state.compare_exchange(0, 1, release(Pair::End), Relaxed);
}

#[inline(never)]
pub fn end_read(before: &AtomicU64, state: &AtomicU64) -> Seen {
    (state.load(acquire(Pair::End)), before.load(Relaxed))
}

#[inline(never)]
pub fn end_exchange(before: &AtomicU64, state: &AtomicU64) -> Seen {
    let (Ok(seen) | Err(seen)) = state.compare_exchange(1, 2, acquire(Pair::End), Relaxed);
    (seen, before.load(Relaxed))
}
