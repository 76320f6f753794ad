//! Limits of this process on memory and files. The kernel answers a file beyond its limit by a
//! signal, and a cgroup that is full by the end of one of its processes, so they are checked first.

use crate::types::error::RingError;
use rustix::process::{Resource, getrlimit};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Fails if a file may not be so long.
pub(in crate::segment) fn check_file(wanted: u64) -> Result<(), RingError> {
    let limit = getrlimit(Resource::Fsize).current.filter(|limit| *limit < wanted);
    let error = |available| Err(RingError::Limit { limit: "RLIMIT_FSIZE".into(), wanted, available });
    limit.map_or(Ok(()), error)
}

/// Fails if so many more bytes exceed the limit of a cgroup of this process.
pub(crate) fn check_memory(wanted: u64) -> Result<(), RingError> {
    let cgroups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    let full = cgroups.lines().flat_map(directories).find_map(|directory| {
        let available = left_in(&directory).filter(|left| *left < wanted)?;
        let limit = format!("the memory limit of the cgroup {}", directory.display());
        Some(RingError::Limit { limit, wanted, available })
    });
    full.map_or(Ok(()), Err)
}

/// The limit that a refused mapping or allocation of so many bytes exceeds, if it is one.
pub(crate) fn exceeded(wanted: u64) -> Option<RingError> {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let limits = [(Resource::As, "RLIMIT_AS", "VmSize"), (Resource::Data, "RLIMIT_DATA", "VmData")];
    limits.into_iter().find_map(|(resource, name, used)| {
        let used = value_of(&status, used).unwrap_or(0) << 10;
        let available = getrlimit(resource).current?.saturating_sub(used);
        (available < wanted).then(|| RingError::Limit { limit: name.into(), wanted, available })
    })
}

/// The directories of the cgroups that a line of `/proc/self/cgroup` names: a group and those
/// around it.
fn directories(line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { return vec![] };
    let mounts: &[&str] = match controllers {
        "" => &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"],
        _ if controllers.split(',').any(|controller| controller == "memory") => &["/sys/fs/cgroup/memory"],
        _ => &[],
    };
    let groups = Path::new(path.trim_start_matches('/')).ancestors();
    groups.flat_map(|group| mounts.iter().map(move |mount| Path::new(mount).join(group))).collect()
}

/// Bytes that a cgroup leaves; `None` if it has no limit.
fn left_in(group: &Path) -> Option<u64> {
    let text = |file: &str| read_to_string(group.join(file)).ok();
    let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
    let left = |limit: &str, used: &str| Some(number(limit)?.saturating_sub(number(used)?));
    let memory = left("memory.max", "memory.current");
    let memory = memory.or_else(|| left("memory.limit_in_bytes", "memory.usage_in_bytes"))?;
    // The kernel drops these pages before it ends a process. Shared memory is not in them.
    let stat = text("memory.stat").unwrap_or_default();
    let all = |key| value_of(&stat, &format!("total_{key}")).or_else(|| value_of(&stat, key));
    let cache = all("inactive_file").unwrap_or(0) + all("active_file").unwrap_or(0);
    let swap = value_of(&read_to_string("/proc/meminfo").unwrap_or_default(), "SwapFree").unwrap_or(0) << 10;
    let swap = left("memory.swap.max", "memory.swap.current").map_or(swap, |left| left.min(swap));
    Some(memory.saturating_add(cache).saturating_add(swap))
}

/// The number behind a key at the beginning of a line.
fn value_of(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once([' ', ':'])?;
        (name == key).then(|| value.split_ascii_whitespace().next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::{directories, left_in};
    use std::fs;
    use std::path::Path;

    /// Fails if a group around the process's own is left out, or a line of another controller is
    /// used.
    #[test]
    fn the_groups_of_both_versions_are_found_all_the_way_up() {
        let of =
            |line| directories(line).into_iter().filter(|path| !path.starts_with("/sys/fs/cgroup/unified"));
        let expected = ["/sys/fs/cgroup/a.slice/b", "/sys/fs/cgroup/a.slice", "/sys/fs/cgroup"];
        assert!(of("0::/a.slice/b").eq(expected.map(Path::new)));
        assert!(
            of("4:cpu,memory:/a").eq(["/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory"].map(Path::new))
        );
        for other in ["8:pids:/a", "9:name=systemd:/", "", "0"] {
            assert_eq!(directories(other), [] as [&Path; 0]);
        }
    }

    /// Fails if pages that the kernel drops count as used, or if no limit is one.
    #[test]
    fn a_group_leaves_its_limit_without_what_is_used_for_good() {
        let group = std::env::temp_dir().join(format!("seqring-cgroup-{}", std::process::id()));
        let with = |files: &[(&str, &str)]| {
            fs::create_dir(&group).unwrap();
            for (name, text) in files {
                fs::write(group.join(name), text).unwrap();
            }
            let left = left_in(&group);
            fs::remove_dir_all(&group).unwrap();
            left
        };
        let swap = [("memory.swap.max", "0\n"), ("memory.swap.current", "0\n")];
        let used = ("memory.current", "700\n");
        let stat = ("memory.stat", "anon 500\ninactive_file 100\nactive_file 20\n");
        assert_eq!(with(&[("memory.max", "1000\n"), used, stat, swap[0], swap[1]]), Some(420));
        assert_eq!(with(&[("memory.max", "max\n"), used, stat]), None);
        let stat = "inactive_file 1\nactive_file 1\ntotal_inactive_file 100\ntotal_active_file 0\n";
        let old =
            [("memory.limit_in_bytes", "1000"), ("memory.usage_in_bytes", "900"), ("memory.stat", stat)];
        assert_eq!(with(&[&old[..], &swap[..]].concat()), Some(200));
    }
}
