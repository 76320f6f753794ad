//! No notifier: this target has no eventfd, or is a model.

/// A type without values: no watcher is started.
pub(crate) enum Watched {}

impl Watched {
    pub(crate) fn arm(
        &self,
        _: &std::sync::Arc<crate::protocol::attachment::Attachment>,
        _: crate::protocol::attachment::WaitFor,
        _: impl FnOnce() -> bool,
    ) {
        match *self {}
    }
}
