//! The space of a segment file on its file system.
//!
//! Pages are allocated (`fallocate`) before they are written to: a full file system is an error
//! then, and not a `SIGBUS` later.

use super::file::{SegmentFile, failure};
use super::limits;
use crate::memory::layout::Layout;
use crate::types::error::{RingError, Warning};
use rustix::fs::{self, FallocateFlags, SeekFrom};
use rustix::io::Errno;
use std::ops::Range;

const TMPFS: u32 = 0x0102_1994;
const HUGETLBFS: u32 = 0x9584_58f6;
const RAMFS: u32 = 0x8584_58f6;
/// The least that is allocated by one call after signals interrupted longer ones: a page.
const SMALLEST_STEP: u64 = 4096;

impl SegmentFile {
    /// Backs a range of the segment with pages.
    ///
    /// # Errors
    /// [`RingError::NoSpace`] and [`RingError::Limit`], with the bytes that are missing.
    pub(crate) fn allocate(&self, range: Range<u64>) -> Result<(), RingError> {
        let start = self.start + range.start;
        let hole = fs::seek(&self.fd, SeekFrom::Hole(start));
        if hole.is_ok_and(|hole| hole < start + (range.end - range.start)) {
            self.check_memory(&range)?;
        }
        self.back(range)
    }

    /// As [`Self::allocate`], for a range that was [checked](Self::check_space).
    pub(in crate::segment) fn back(&self, range: Range<u64>) -> Result<(), RingError> {
        let available = self.available(); // Before: a failed call leaves pages allocated.
        let bytes = range.end - range.start;
        let (mut start, mut step) = (range.start, bytes);
        while start < range.end {
            let part = step.min(range.end - start);
            match fs::fallocate(&self.fd, FallocateFlags::empty(), self.start + start, part) {
                Ok(()) => start += part,
                // tmpfs has freed what the interrupted call allocated. A shorter call fits between
                // two signals.
                Err(Errno::INTR) => step = (part / 2).max(SMALLEST_STEP),
                Err(Errno::NOSPC | Errno::FBIG) => return Err(self.no_space(bytes, available)),
                Err(error) => return Err(failure("allocating", &self.path)(error)),
            }
        }
        Ok(())
    }

    /// Pages of files on tmpfs are memory of a cgroup, and none of it can be dropped.
    fn check_memory(&self, range: &Range<u64>) -> Result<(), RingError> {
        if !self.is_on(&[TMPFS, RAMFS]) {
            return Ok(());
        }
        limits::check_memory(range.end - range.start)
    }

    /// The layout's size, in whole pages of the file system: on hugetlbfs those are large.
    pub(crate) fn file_bytes(&self, layout: &Layout) -> usize {
        let block = fs::fstatvfs(&self.fd).map_or(1, |stat| stat.f_bsize.max(1) as usize);
        layout.total_bytes.checked_next_multiple_of(block).unwrap_or(layout.total_bytes)
    }

    /// Bytes that are free, where the file system has a limit. Huge pages that are reserved for a
    /// mapping are not free.
    fn available(&self) -> Option<u64> {
        let stat = fs::fstatvfs(&self.fd).ok()?;
        if stat.f_blocks == 0 {
            return if self.is_on(&[HUGETLBFS]) { free_huge_pages(stat.f_bsize) } else { None };
        }
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Whether a private copy needs no pages but those that it changes: a huge page may be missing.
    pub(super) fn can_be_copied(&self) -> bool {
        !self.is_on(&[HUGETLBFS])
    }

    fn is_on(&self, file_systems: &[u32]) -> bool {
        #[allow(clippy::cast_sign_loss, reason = "32 bits, in a type that depends on the target")]
        fs::fstatfs(&self.fd).is_ok_and(|stat| file_systems.contains(&(stat.f_type as u32)))
    }

    /// Fails early if a file of `file_bytes` cannot be made with a range of it allocated.
    pub(in crate::segment) fn check_space(
        &self,
        file_bytes: usize,
        range: &Range<u64>,
    ) -> Result<(), RingError> {
        limits::check_file(self.start + file_bytes as u64)?;
        let bytes = range.end - range.start;
        match self.available() {
            Some(available) if bytes > available => Err(self.no_space(bytes, Some(available))),
            _ => self.check_memory(range),
        }
    }

    fn no_space(&self, wanted: u64, available: Option<u64>) -> RingError {
        let path = self.path.parent().filter(|parent| parent.is_absolute()).unwrap_or(&self.path);
        RingError::NoSpace { path: path.into(), wanted, available: available.unwrap_or(0) }
    }

    /// The error of `mmap` for a whole file. On hugetlbfs it reserves the pages of `resident`.
    pub(in crate::segment) fn map_failure(
        &self,
        error: Errno,
        file_bytes: usize,
        resident: &Range<u64>,
    ) -> RingError {
        match error {
            Errno::NOMEM if self.is_on(&[HUGETLBFS]) => self.no_space(resident.end, self.available()),
            Errno::NOMEM => {
                limits::exceeded(file_bytes as u64).unwrap_or_else(|| failure("mapping", &self.path)(error))
            }
            error => failure("mapping", &self.path)(error),
        }
    }

    pub(in crate::segment) fn disk_warning(&self) -> Option<Warning> {
        (!self.is_on(&[TMPFS, HUGETLBFS, RAMFS])).then(|| Warning::OnDisk { path: self.path.clone() })
    }
}

/// Bytes in huge pages of that size which are neither allocated nor reserved.
fn free_huge_pages(page_bytes: u64) -> Option<u64> {
    let count = |what| {
        let path = format!("/sys/kernel/mm/hugepages/hugepages-{}kB/{what}", page_bytes >> 10);
        std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
    };
    Some(count("free_hugepages")?.saturating_sub(count("resv_hugepages")?) * page_bytes)
}
