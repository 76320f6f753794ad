//! No notifier: this target has no eventfd, or is a model.

/// A type without values: no watcher is started.
#[derive(Debug)]
pub(crate) enum NotifierThread {}

impl NotifierThread {
    pub(crate) fn arm(&self, _: u64, _: crate::protocol::stream_state::StreamObserver) {
        match *self {}
    }
}
