//! Where processes do not fork, or their locks are not inherited: nothing to hold off, nothing to watch.

use crate::memory::Memory;
use crate::segment::Backing;

#[derive(Debug)]
pub(crate) struct Watched;

pub(crate) struct HoldOff;

pub(crate) fn hold_off() -> HoldOff {
    HoldOff
}

impl HoldOff {
    #[expect(clippy::unused_self, reason = "as where processes fork")]
    pub(crate) fn watch(self, _: &Backing, _: &Memory) -> Option<Watched> {
        None
    }
}
