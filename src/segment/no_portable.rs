//! In the place of `portable`, in builds without that feature: no value of the backend, and no call
//! succeeds.
#![allow(dead_code, reason = "the stand-ins exist to be named")]

use crate::memory::header::Superblock;
use crate::memory::layout::Layout;
use crate::segment::backing::{Draft, Opened};
use crate::types::backend::Backend;
use crate::types::config::Config;
use crate::types::error::RingError;
use crate::types::open_options::OpenOptions;
use std::path::{Path, PathBuf};

const UNSUPPORTED: RingError = RingError::Unsupported { backend: Backend::Portable };

/// Has no values.
#[derive(Debug)]
pub(crate) enum Link {}

impl Link {
    pub(super) fn publish(&mut self, _: bool) -> Result<(), RingError> {
        match *self {}
    }

    pub(super) fn is_named(&self) -> bool {
        match *self {}
    }

    pub(super) fn path(&self) -> &Path {
        match *self {}
    }

    pub(super) fn try_lock(&self, _: usize) -> bool {
        match *self {}
    }

    pub(super) fn unlock(&self, _: usize) {
        match *self {}
    }

    pub(super) fn is_locked_elsewhere(&self, _: usize) -> bool {
        match *self {}
    }
}

pub(super) fn draft(_: PathBuf, _: &Superblock, _: &Layout, _: &OpenOptions) -> Result<Draft, RingError> {
    Err(UNSUPPORTED)
}

pub(super) fn open(_: &Path, _: Option<&Config>, _: &OpenOptions) -> Result<Opened, RingError> {
    Err(UNSUPPORTED)
}

pub(super) fn unlink(_: &Path) -> Result<(), RingError> {
    Err(UNSUPPORTED)
}

pub(super) fn is_unused(_: &Path) -> Result<bool, RingError> {
    Err(UNSUPPORTED)
}

pub(super) fn remove_unused(_: &Path, _: bool) -> Result<bool, RingError> {
    Err(UNSUPPORTED)
}
