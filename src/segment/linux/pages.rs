//! When the pages of a mapping are allocated, of which size, on which node, and whether they can be
//! swapped out.
//!
//! A ring works without any of it: what the system refuses becomes a [`Warning`].

use crate::memory::layout::Layout;
use crate::memory::mapping::Mapping;
use crate::types::error::Warning;
use crate::types::open_options::OpenOptions;

/// Before a mapping's pages are allocated.
pub(super) fn prepare(mapping: &Mapping, layout: &Layout, options: &OpenOptions) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Some(node) = options.numa_node
        && let Err(error) = mapping.prefer_node(node)
    {
        warnings.push(Warning::AnyNode { node, reason: error.to_string() });
    }
    // Refused where pages are huge anyway; `settle` checks the result.
    if options.huge_pages && mapping.prefer_huge_pages().is_ok() {
        // The advice acts when a page is touched first, not in `fallocate`. A lack of room is an
        // error of `fallocate`, later.
        let _ = mapping.make_resident(0..layout.resident_bytes);
    }
    warnings
}

/// After they are allocated.
pub(in crate::segment) fn settle(mapping: &Mapping, layout: &Layout, options: &OpenOptions) -> Vec<Warning> {
    let mut warnings = Vec::new();
    mapping.include_in_dumps(options.core_dump);
    let resident = 0..layout.resident_bytes;
    let _ = mapping.make_resident(resident.clone()); // If refused, pages come at their first use.
    if options.huge_pages
        && let Some(pages) = page_bytes(mapping)
        && pages.base == pages.small
        && pages.huge == 0
    {
        let reason = "the file system gave small ones; it may want huge=advise, or be hugetlbfs".into();
        warnings.push(Warning::SmallPages { reason });
    }
    if options.lock_memory {
        let rest = resident.end..mapping.len();
        if let Err(error) = mapping.lock(resident, true).and_then(|()| mapping.lock(rest, false)) {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
            let reason = match limit.filter(|limit| *limit < mapping.len() as u64) {
                Some(limit) => format!("it has {} bytes, and RLIMIT_MEMLOCK is {limit}", mapping.len()),
                None => error.to_string(),
            };
            warnings.push(Warning::NotLocked { reason });
        }
    }
    warnings
}

struct PageBytes {
    /// Of a page of this mapping.
    base: u64,
    /// Of a page of most mappings.
    small: u64,
    /// Of this mapping, in pages which the kernel made huge.
    huge: u64,
}

/// The pages of a mapping, as `/proc/self/smaps` shows them.
fn page_bytes(mapping: &Mapping) -> Option<PageBytes> {
    let all = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let start = format!("{:x}-", mapping.base().addr());
    let mut ours = all.lines().skip_while(|line| !line.trim_start_matches('0').starts_with(&start)).skip(1);
    let (mut base, mut huge) = (None, 0);
    for line in ours.by_ref().map_while(|line| line.split_once(':')).take_while(|(key, _)| *key != "VmFlags")
    {
        let (key, value) = line;
        let bytes = || value.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kb| kb << 10);
        match key {
            "KernelPageSize" => base = bytes(),
            "ShmemPmdMapped" | "FilePmdMapped" | "AnonHugePages" => huge += bytes().unwrap_or(0),
            _ => {}
        }
    }
    Some(PageBytes { base: base?, small: rustix::param::page_size() as u64, huge })
}
