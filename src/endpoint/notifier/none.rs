//! Where there is no descriptor to be made readable, nobody watches.

/// Nobody.
#[derive(Debug)]
pub(crate) enum Watcher {}

impl Watcher {
    pub(crate) fn arm(&self, _: u64, _: crate::protocol::stream_state::Watch) {
        match *self {}
    }
}
