//! Where there is no descriptor to be made readable, nobody watches.

/// Nobody.
#[derive(Debug)]
pub(crate) enum NotifierThread {}

impl NotifierThread {
    pub(crate) fn arm(&self, _: u64, _: crate::protocol::stream_state::StreamObserver) {
        match *self {}
    }
}
