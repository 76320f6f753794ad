//! In the place of `linux`, on systems whose files cannot hold a segment: no value of a backend,
//! and no call succeeds.
#![allow(dead_code, reason = "the stand-ins exist to be named")]

pub(super) mod file {
    use crate::types::error::RingError;
    use std::path::Path;

    /// Has no values.
    #[derive(Debug)]
    pub(crate) enum SegmentFile {}

    impl SegmentFile {
        pub(crate) fn publish(&mut self, _: bool) -> Result<(), RingError> {
            match *self {}
        }

        pub(crate) fn path(&self) -> &Path {
            match *self {}
        }

        pub(crate) fn try_lock(&self, _: usize) -> bool {
            match *self {}
        }

        pub(crate) fn is_named(&self) -> bool {
            match *self {}
        }

        pub(crate) fn try_share(&self, _: usize) -> bool {
            match *self {}
        }

        pub(crate) fn is_obstructed(&self, _: usize) -> bool {
            match *self {}
        }

        pub(crate) fn unlock(&self, _: usize) {
            match *self {}
        }

        pub(crate) fn is_locked_elsewhere(&self, _: usize) -> bool {
            match *self {}
        }
    }
}

pub(crate) mod named {
    use crate::memory::header::Superblock;
    use crate::memory::layout::Layout;
    use crate::segment::backing::{Draft, Opened};
    use crate::types::backend::Backend;
    use crate::types::config::Config;
    use crate::types::error::RingError;
    use crate::types::open_options::OpenOptions;
    use std::path::{Path, PathBuf};

    const UNSUPPORTED: RingError = RingError::Unsupported { backend: Backend::File };

    pub(crate) fn draft(_: PathBuf, _: &Superblock, _: &Layout, _: &OpenOptions) -> Result<Draft, RingError> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn open(_: &Path, _: Option<&Config>, _: &OpenOptions) -> Result<Opened, RingError> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn unlink(_: &Path) -> Result<(), RingError> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn is_unused(_: &Path) -> Result<bool, RingError> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn remove_unused(_: &Path, _: bool) -> Result<bool, RingError> {
        Err(UNSUPPORTED)
    }
}

pub(crate) mod limits {
    use crate::types::error::RingError;

    /// No limit of this system ends a process.
    pub(crate) fn check_file(_: u64) -> Result<(), RingError> {
        Ok(())
    }

    pub(crate) fn check_memory(_: u64) -> Result<(), RingError> {
        Ok(())
    }

    pub(crate) fn exceeded(_: u64) -> Option<RingError> {
        None
    }
}

pub(super) mod pages {
    use crate::memory::layout::Layout;
    use crate::memory::mapping::Mapping;
    use crate::types::error::Warning;
    use crate::types::open_options::OpenOptions;

    /// There is no such option to ask for.
    pub(crate) fn settle(_: &Mapping, _: &Layout, options: &OpenOptions) -> Vec<Warning> {
        let reason = || "this system has no such option".to_string();
        let small = options.huge_pages.then(|| Warning::SmallPages { reason: reason() });
        let unlocked = options.lock_memory.then(|| Warning::NotLocked { reason: reason() });
        let any_node = options.numa_node.map(|node| Warning::AnyNode { node, reason: reason() });
        small.into_iter().chain(unlocked).chain(any_node).collect()
    }
}
