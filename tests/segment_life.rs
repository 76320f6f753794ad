//! How a segment comes and goes: killed creators, races of creators, openers and leavers, who may open it, and what is
//! left behind.
//!
//! The other processes are this very test binary, run again for the one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::{fresh_name, path_of, segments_named};
use seqring::{
    Config, Delivery, Location, OpenOptions, Participant, RegisterError, Ring, RingError, Segment, Start,
    TryWriteError, Warning, Writers,
};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn config() -> Config {
    Config::new(4, 64).delivery(Delivery::Lossy)
}

#[test]
#[ignore = "this is what the children of the other tests run"]
fn child() {
    let Ok(order) = std::env::var("SEQRING_LIFE") else { return };
    let (what, name) = order.split_once(' ').unwrap();
    println!("started");
    match what {
        "create" => loop {
            // Several MB, so that there is something to be killed in.
            drop(Ring::create(name, &Config::new(4, 1 << 20)));
        },
        "come-and-go" => {
            for _ in 0..300 {
                let ring = Ring::open_or_create(name, &config()).unwrap();
                assert_eq!(ring.config(), &config());
                let next = ring.next_sequence();
                if let Ok(mut writer) = ring.writer() {
                    assert!(writer.write(b"x").unwrap() >= next);
                }
            }
        }
        "fill" => fill_a_small_file_system(&|number| Location::in_directory(name, number.to_string())),
        "fill-portable" => fill_a_small_file_system(&|number| Location::portable(format!("{name}-{number}"))),
        "read" => {
            let _reader = Ring::open(name).unwrap().reader(Start::Next).unwrap();
            println!("joined as {}", std::process::id());
            let _ = std::io::stdin().read_line(&mut String::new());
        }
        "open" => match Ring::open(name) {
            Ok(_) => println!("opened"),
            Err(error) => println!("{error}"),
        },
        other => panic!("{other}"),
    }
}

fn start(what: &str, name: &str, user: u32) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env("SEQRING_LIFE", format!("{what} {name}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if user != 0 {
        command.uid(user).gid(user);
    }
    command.spawn().unwrap()
}

/// Waits until it runs.
fn started(what: &str, name: &str) -> Child {
    let mut child = start(what, name, 0);
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("started")));
    child
}

/// Fails if a segment has its name before it is whole, or a temporary one.
#[test]
fn a_creator_killed_at_any_moment_leaves_a_whole_ring_or_nothing() {
    let name = fresh_name("killed-creator");
    for round in 0..60 {
        let mut creator = started("create", &name);
        // Somewhere else in the loop each time: looks take as long as they take. Half of the times, one finds a ring.
        let mut looks = 0..round * 5;
        while looks.next().is_some() || round % 2 == 0 {
            match Ring::open(&name) {
                Ok(ring) => {
                    assert_eq!((ring.config(), ring.next_sequence()), (&Config::new(4, 1 << 20), 0));
                    break;
                }
                Err(error) => assert!(matches!(error, RingError::NotFound { .. }), "{error:?}"),
            }
        }
        creator.kill().unwrap();
        creator.wait().unwrap();
        match Ring::open(&name) {
            Ok(ring) => assert!(ring.writer().unwrap().write(b"x").is_ok()), // And goes with us.
            Err(error) => assert!(matches!(error, RingError::NotFound { .. }), "{error:?}"),
        }
        assert!(segments_named(&name).is_empty(), "round {round}");
    }
}

/// Fails if an opener holds a ring whose name is gone while others make a new one: their writers would not meet. And if
/// of two creators both win, or none, or a name is left.
#[test]
fn processes_that_come_and_go_at_once_share_one_ring_and_leave_none() {
    let name = fresh_name("come-and-go");
    let children: Vec<_> = (0..4).map(|_| started("come-and-go", &name)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(segments_named(&name).is_empty());
}

/// Fails if `open_or_create` takes any ring for the one that was asked for.
#[test]
fn open_or_create_opens_what_it_would_have_created_and_nothing_else() {
    let name = fresh_name("open-or-create");
    let ring = Ring::open_or_create(&name, &config()).unwrap();
    ring.writer().unwrap().write(b"x").unwrap();
    assert_eq!(Ring::open_or_create(&name, &config()).unwrap().next_sequence(), 1);
    let error = Ring::open_or_create(&name, &Config::new(5, 64)).unwrap_err();
    assert!(matches!(error, RingError::Unusable { .. }) && error.to_string().contains("slots: 4"), "{error}");
}

/// Fails if the umask, or nothing, decides who may do what.
#[test]
fn access_rights_are_those_asked_for_whatever_the_umask() {
    for mask in [0o000, 0o077, 0o777] {
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
        let (private, open) = (fresh_name("private"), fresh_name("open"));
        let options = OpenOptions::new().mode(0o666).group(rustix::process::getegid().as_raw());
        let rings = [Ring::create(&private, &config()), options.create(&open, &config())];
        rustix::process::umask(before);
        for (name, mode) in [(&private, 0o600), (&open, 0o666)] {
            assert_eq!(fs::metadata(path_of(name)).unwrap().permissions().mode() & 0o777, mode);
            assert_eq!(Segment::inspect(name).unwrap().mode(), mode);
        }
        drop(rings.map(Result::unwrap));
    }
    for mode in [0o1600, 0o400, 0] {
        let error = OpenOptions::new().mode(mode).create(fresh_name("mode"), &config()).unwrap_err();
        assert!(
            matches!(&error, RingError::Config(text) if text.contains(&format!("{mode:#o}"))),
            "{error:?}"
        );
    }
}

/// Fails if another user's private ring is opened because we may do anything, or one that he opened to us is refused.
#[test]
fn another_users_ring_is_opened_only_if_its_mode_says_so() {
    if !rustix::process::geteuid().is_root() {
        return println!("not checked: only root can give a file away");
    }
    let name = fresh_name("foreign");
    let ring = OpenOptions::new().mode(0o600).create(&name, &config()).unwrap();
    let give = |user, mode| {
        std::os::unix::fs::chown(path_of(&name), Some(user), Some(user)).unwrap();
        fs::set_permissions(path_of(&name), fs::Permissions::from_mode(mode)).unwrap();
    };
    give(65534, 0o600);
    let error = Ring::open(&name).unwrap_err();
    assert!(matches!(error, RingError::ForeignOwner { owner: 65534, user: 0, mode: 0o600, .. }), "{error:?}");
    assert!(Segment::inspect(&name).is_ok(), "to look at it is no risk");
    give(65534, 0o606);
    drop(Ring::open(&name).unwrap());
    give(0, 0o660);
    let answer = |user| {
        let output = start("open", &name, user).wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(answer(65534).contains("closed to this one"));
    give(0, 0o666);
    assert!(answer(65534).contains("opened"));
    drop(ring);
}

/// Fails if a look at a segment locks it: then its last user could not remove the name, or the entries of the dead.
#[test]
fn a_look_keeps_nothing() {
    let name = fresh_name("looked-at");
    let ring = Ring::create(&name, &config().observers(true)).unwrap();
    let segment = Segment::inspect(&name).unwrap();
    let observer = Ring::observe(&name, Start::Next).unwrap();
    assert!(segment.is_in_use() && segment.is_named());
    assert_eq!(segment.config(), ring.config());
    drop(ring);
    assert!(!path_of(&name).exists());
    assert!(!segment.is_in_use() && !segment.is_named());
    assert_eq!(observer.segment().id(), segment.id());
}

/// Fails if what is made in a directory is looked for elsewhere, or if nobody is told that it lies on a disk.
#[test]
fn a_ring_lies_in_the_directory_that_it_is_told() {
    let name = fresh_name("in-directory");
    let ring = Ring::create(Location::in_directory("/dev/shm", &name), &config()).unwrap();
    assert_eq!((ring.path(), ring.warnings()), (Some(path_of(&name).as_path()), &[][..]));
    drop(Ring::open(&name).unwrap());
    drop(ring);
    let missing = Ring::create(Location::in_directory("/nowhere/at/all", &name), &config()).unwrap_err();
    assert!(
        matches!(&missing, RingError::NotFound { path } if path == Path::new("/nowhere/at/all")),
        "{missing:?}"
    );

    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let on_disk = Ring::create(Location::in_directory(directory, &name), &config());
    match on_disk {
        Ok(ring) if directory_is_in_memory(directory) => assert!(ring.warnings().is_empty()),
        Ok(ring) => assert!(matches!(ring.warnings(), [Warning::OnDisk { .. }]), "{:?}", ring.warnings()),
        Err(error) => assert!(error.to_string().contains("use tmpfs"), "{error}"),
    }
    assert!(!directory.join(format!("{name}.seqring")).exists());
}

fn directory_is_in_memory(directory: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    rustix::fs::statfs(directory).unwrap().f_type == TMPFS
}

/// This test binary as the child `what` in namespaces of its own, after a command there; nothing where that is refused.
fn unshared(namespaces: &[&str], first: &str, what: &str, name: &str) -> Option<Child> {
    let may = Command::new("unshare").args(namespaces).arg("true").stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        println!("not checked: this user may not have namespaces");
        return None;
    }
    let run = format!("{first} exec \"$0\" child --exact --ignored --nocapture");
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["sh", "-c", &run]).arg(std::env::current_exe().unwrap());
    command.env("SEQRING_LIFE", format!("{what} {name}")).stdin(Stdio::piped()).stdout(Stdio::piped());
    Some(command.spawn().unwrap())
}

/// Fails if a full file system is a `SIGBUS`, or an error that leaves what was there before unusable.
#[test]
fn a_small_file_system_is_full_and_nothing_else() {
    let directory = format!("/dev/shm/{}", fresh_name("small"));
    fs::create_dir(&directory).unwrap();
    let portable = fresh_name("small-portable");
    for (what, mounted, name) in [("fill", &*directory, &directory), ("fill-portable", "/dev/shm", &portable)]
    {
        let mount = format!("mount -t tmpfs -o size=1m none {mounted} &&");
        if let Some(child) = unshared(&["--mount"], &mount, what, name) {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && said.contains("filled"), "{what}: {said}");
        }
    }
    fs::remove_dir(&directory).unwrap();
}

/// What the child does in a file system of 1 MiB.
fn fill_a_small_file_system(at: &dyn Fn(usize) -> Location) {
    let many = Config::new(2, 65_536).writers(Writers::Many).participants(32);
    let ring = Ring::create(at(0), &many).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut writers = Vec::new();
    let refused = loop {
        match ring.writer() {
            Ok(writer) => writers.push(writer),
            Err(error) => break error,
        }
    };
    let RegisterError::NoSpace { wanted, available } = refused else { panic!("{refused:?}") };
    assert!(writers.len() > 2 && available < wanted && wanted <= 65_536 + 4096, "{refused}");
    let message = vec![7; 65_536];
    for writer in &mut writers {
        writer.write(&message).unwrap();
        assert!(*reader.view().unwrap() == message[..]);
    }
    let mut small = Vec::new();
    let error = loop {
        match Ring::create(at(1 + small.len()), &config()) {
            Ok(ring) => small.push(ring),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, RingError::NoSpace { wanted, available, .. } if available < wanted), "{error:?}");
    for ring in small {
        ring.writer().unwrap().write(b"works").unwrap();
    }
    println!("filled");
}

/// Fails if who lives is asked of process numbers: those of another namespace are others here.
#[test]
fn who_lives_in_another_pid_namespace_is_known() {
    let name = fresh_name("namespace");
    let ring = Ring::create(&name, &Config::new(2, 64)).unwrap();
    let namespaces = ["--pid", "--fork", "--kill-child"];
    let Some(mut peer) = unshared(&namespaces, "", "read", &name) else { return };
    let mut lines = BufReader::new(peer.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line.contains("joined as 1")),
        "the first process of a namespace is number 1 there"
    );
    let there = ring.participants();
    assert!(matches!(there[..], [Participant { pid: 1, alive: true, .. }]), "{there:?}");
    let mut writer = ring.writer().unwrap();
    while writer.try_write(b"x") != Err(TryWriteError::Full) {}
    peer.kill().unwrap();
    peer.wait().unwrap();
    writer.write_timeout(b"x", std::time::Duration::from_secs(20)).unwrap();
    assert_eq!(ring.participants().len(), 1);
}

/// Fails if a file of huge pages is filled, sized or mapped like another. Not checked without such a file system: as
/// root, `echo 16 > /proc/sys/vm/nr_hugepages; mount -t hugetlbfs none /mnt`.
#[test]
fn a_ring_lies_on_huge_pages_where_there_are_some() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mut huge = mounts.lines().filter(|line| line.split(' ').nth(2) == Some("hugetlbfs"));
    let Some(directory) = huge.next().and_then(|line| line.split(' ').nth(1)) else {
        return println!("not checked: no hugetlbfs is mounted");
    };
    let location = Location::in_directory(directory, fresh_name("huge"));
    let config = Config::new(4, 3000).observers(true).writers(Writers::Many).participants(8);
    let ring = match OpenOptions::new().huge_pages(true).create(&location, &config) {
        Err(RingError::NoSpace { .. }) => return println!("not checked: no huge pages are free"),
        ring => ring.unwrap(),
    };
    assert!(ring.warnings().is_empty(), "{:?}", ring.warnings());
    let mut reader = Ring::open(&location).unwrap().reader(Start::Next).unwrap();
    for _ in 0..3 {
        ring.writer().unwrap().write(&[7; 3000]).unwrap();
        assert_eq!(&*reader.view().unwrap(), &[7; 3000]);
    }
    assert_eq!(Ring::observe(&location, Start::Newest).unwrap().try_read(&mut [0; 3000]).unwrap().len, 3000);
    assert!(Segment::inspect(&location).unwrap().allocated_bytes() >= 2 << 20);
    let all = fs::read_to_string("/proc/meminfo").unwrap();
    let free =
        all.lines().find_map(|line| line.strip_prefix("HugePages_Free:")?.trim().parse::<usize>().ok());
    let most = Config::new(free.unwrap() - 4, 2 << 20);
    drop(Ring::create(Location::in_directory(directory, fresh_name("huge")), &most).unwrap());
    let too_large = Config::new(free.unwrap() + 1, 2 << 20);
    let error = Ring::create(Location::in_directory(directory, fresh_name("huge")), &too_large).unwrap_err();
    assert!(matches!(error, RingError::NoSpace { wanted, available, .. } if available < wanted), "{error:?}");
}

/// Fails if a file among the temporary ones, which anybody may put there, is followed to where it leads.
#[test]
#[cfg(feature = "portable")]
fn a_portable_rings_file_leads_to_memory_of_a_ring_or_nowhere() {
    let location = Location::portable(fresh_name("link"));
    let path = location.path().unwrap();
    let refused = |says: &str| {
        let error = Ring::open(&location).unwrap_err();
        assert!(matches!(&error, RingError::Unusable { reason, .. } if reason.contains(says)), "{error:?}");
    };
    for text in ["", "junk", "/other", "/shmem_", "/shmem_12/../other", "/shmem_FFFFFFFFFFFFFFFFx"] {
        fs::write(&path, text).unwrap();
        refused("does not lead to memory");
        assert!(Ring::unlink(&location).is_err() && path.exists(), "{text:?}");
    }
    fs::write(&path, "/shmem_FFFFFFFFFFFFFFFF").unwrap();
    refused("its memory is gone");
    Ring::unlink(&location).unwrap();
    std::os::unix::fs::symlink("/dev/shm", &path).unwrap();
    refused("not a regular file");
    fs::remove_file(&path).unwrap();
}

/// Fails if what the system refuses is an error, or goes unsaid.
#[test]
fn kinds_of_pages_are_wishes_and_what_is_refused_is_said() {
    let name = fresh_name("pages");
    let options = OpenOptions::new().huge_pages(true).lock_memory(true).numa_node(0);
    let ring = options.create(&name, &Config::new(4, 1 << 20)).unwrap();
    let mut writer = ring.writer().unwrap();
    writer.write(b"works").unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let locked_kb =
        status.lines().find_map(|line| line.strip_prefix("VmLck:")?.trim().split(' ').next()?.parse().ok());
    let refused = |what: fn(&Warning) -> bool| ring.warnings().iter().any(what);
    assert_ne!(locked_kb > Some(0_u64), refused(|warning| matches!(warning, Warning::NotLocked { .. })));
    let policies = fs::read_to_string("/proc/self/numa_maps").unwrap_or_default();
    let preferred = policies.lines().any(|line| line.contains("prefer") && line.contains("/dev/shm/"));
    assert_ne!(
        preferred,
        refused(|warning| matches!(warning, Warning::AnyNode { node: 0, .. })),
        "{policies}"
    );
    let nowhere = OpenOptions::new().numa_node(1 << 20).create(fresh_name("node"), &config()).unwrap();
    assert!(matches!(nowhere.warnings(), [Warning::AnyNode { node: 1_048_576, .. }]));
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let inode = format!(" {} ", fs::metadata(path_of(&name)).unwrap().ino());
    let ours = smaps.split(&inode).nth(1).unwrap();
    let huge =
        ours.lines().take(30).any(|line| line.starts_with("ShmemPmdMapped") && !line.ends_with(" 0 kB"));
    assert_ne!(
        huge,
        refused(|warning| matches!(warning, Warning::SmallPages { .. })),
        "{:?}",
        ring.warnings()
    );
    assert!(ring.warnings().iter().all(|warning| !warning.to_string().ends_with('.')));
}

/// Fails if anything is left behind: a name, a descriptor, a lock.
#[test]
fn a_thousand_rings_leave_nothing() {
    let name = fresh_name("thousand");
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    for _ in 0..1000 {
        let ring = Ring::create(&name, &config()).unwrap();
        let other = Ring::open(&name).unwrap();
        let _both = (ring.writer().unwrap(), other.reader(Start::Next).unwrap());
    }
    assert!(segments_named(&name).is_empty());
    // Other tests of this binary run at the same time: a leak of one a cycle would show.
    assert!(descriptors() < before + 500);
    assert_eq!(fs::metadata("/dev/shm").unwrap().uid(), 0);
}
