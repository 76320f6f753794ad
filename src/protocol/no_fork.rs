//! For systems without `fork`, or whose locks a child does not inherit: there is nothing to do.

use crate::memory::Memory;
use crate::segment::Backing;

#[derive(Debug)]
pub(crate) struct WatchedRing;

impl WatchedRing {
    pub(crate) fn unwatch(self) -> ForkBlock {
        ForkBlock
    }
}

pub(crate) struct ForkBlock;

pub(crate) fn block_forks() -> ForkBlock {
    ForkBlock
}

impl ForkBlock {
    #[expect(clippy::unused_self, reason = "as where processes fork")]
    pub(crate) fn watch(self, _: &Backing, _: &Memory) -> Option<WatchedRing> {
        None
    }
}
