//! The sequential specifications and the search of `tests/linearizable`, which uses threads.

#[path = "../../../tests/linearizable/broadcast.rs"]
pub(crate) mod broadcast;
#[path = "../../../tests/linearizable/history.rs"]
pub(crate) mod history;
#[path = "../../../tests/linearizable/message.rs"]
pub(crate) mod message;
#[path = "../../../tests/linearizable/queue.rs"]
pub(crate) mod queue;
