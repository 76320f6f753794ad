//! Creation, opening and removal of segments: killed creators, races between creators, openers and
//! leaving users, access rights, and leaks.
//!
//! The peer processes are this test binary, run again for its one test `child`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use common::peer::{CHILD_ARGUMENTS, Peer, answer, child_command, order, wait_for_parent};
use common::{TEST_TIMEOUT, create, fresh_name, path_of, segments_named};
use seqring::inspect::{Participant, Segment};
use seqring::{
    Config, Delivery, Location, OpenOptions, ReadError, RegisterError, Ring, RingError, SlotClass, Start,
    TryWriteError, Warning, Writers,
};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn config() -> Config {
    Config::slots(4).of_bytes(64).delivery(Delivery::Lossy)
}

#[test]
#[ignore = "the child processes of the other tests run this"]
fn child() {
    let Some((verb, name)) = order() else { return };
    match verb.as_str() {
        "create" => {
            answer("started");
            loop {
                // Several MiB, so that a kill can hit the creation.
                drop(Ring::create(&name, &Config::slots(4).of_bytes(1 << 20)));
            }
        }
        "open-and-leave" => {
            answer("started");
            for _ in 0..300 {
                let ring = Ring::open_or_create(&name, &config()).unwrap();
                assert_eq!(ring.config(), &config());
                let next = ring.next_sequence();
                if let Ok(mut writer) = ring.writer() {
                    assert!(writer.write(b"x").unwrap() >= next);
                }
            }
        }
        "fill" => fill_a_small_file_system(&|number| Location::in_directory(&name, number.to_string())),
        "fill-portable" => fill_a_small_file_system(&|number| Location::portable(format!("{name}-{number}"))),
        "read" => {
            let _reader = Ring::open(&name).unwrap().reader(Start::Next).unwrap();
            answer(&format!("registered as {}", std::process::id()));
            wait_for_parent();
        }
        "write-and-exit" => {
            let ring = Ring::open(&name).unwrap();
            let mut writer = ring.writer().unwrap();
            writer.write(b"last").unwrap();
            let _claim = writer.try_claim(8).unwrap();
            ring.downgrade().leave_at_exit();
            answer("left");
            std::process::exit(0);
        }
        "open" => answer(&Ring::open(&name).map_or_else(|error| error.to_string(), |_| "opened".into())),
        other => panic!("{other}"),
    }
}

/// Fails if a segment has its name before it is complete, or a temporary name.
#[test]
fn a_creator_killed_at_any_moment_leaves_a_whole_ring_or_nothing() {
    let name = fresh_name("killed-creator");
    for round in 0..60 {
        let creator = Peer::ready("create", &name);
        // The number of attempts to open varies the time of the kill. In even rounds, an attempt
        // succeeds.
        let mut attempts = 0..round * 5;
        while attempts.next().is_some() || round % 2 == 0 {
            match Ring::open(&name) {
                Ok(ring) => {
                    assert_eq!(
                        (ring.config(), ring.next_sequence()),
                        (&Config::slots(4).of_bytes(1 << 20), 0)
                    );
                    break;
                }
                Err(error) => assert!(matches!(error, RingError::NotFound { .. }), "{error:?}"),
            }
        }
        creator.kill();
        match Ring::open(&name) {
            Ok(ring) => assert!(ring.writer().unwrap().write(b"x").is_ok()), // Then the name goes with us.
            Err(error) => assert!(matches!(error, RingError::NotFound { .. }), "{error:?}"),
        }
        assert!(segments_named(&name).is_empty(), "round {round}");
    }
}

/// Fails if a process opens a ring whose name is already removed while others create a new one:
/// their writers would use different rings. Also fails if both of two creators succeed, or none, or
/// if a name is left.
#[test]
fn concurrent_creators_openers_and_leavers_share_one_ring_and_leave_none() {
    let name = fresh_name("open-and-leave");
    let children: Vec<_> = (0..4).map(|_| Peer::ready("open-and-leave", &name)).collect();
    children.into_iter().for_each(Peer::finish);
    assert!(segments_named(&name).is_empty());
}

/// Fails if the last user removes a name that leads to another ring by now.
#[test]
fn the_last_user_removes_only_its_own_name() {
    let (name, removed) = create("own-name", &config());
    Ring::unlink(&name).unwrap();
    let present = Ring::create(&name, &config()).unwrap();
    drop(removed);
    assert!(path_of(&name).exists());
    drop(present);
    assert!(!path_of(&name).exists());
}

/// Fails if `open_or_create` accepts a ring of another configuration.
#[test]
fn open_or_create_opens_only_a_ring_of_the_requested_configuration() {
    let name = fresh_name("open-or-create");
    let ring = Ring::open_or_create(&name, &config()).unwrap();
    ring.writer().unwrap().write(b"x").unwrap();
    assert_eq!(Ring::open_or_create(&name, &config()).unwrap().next_sequence(), 1);
    let error = Ring::open_or_create(&name, &Config::slots(5).of_bytes(64)).unwrap_err();
    assert!(matches!(error, RingError::Unusable { .. }) && error.to_string().contains("slots: 4"), "{error}");
}

/// Fails if the end of a process is its death for what its threads still use.
#[test]
fn a_process_that_leaves_at_its_exit_has_left_also_what_is_in_use() {
    let name = fresh_name("exit");
    let ring = Ring::create(&name, &Config::slots(4).of_bytes(64).slot_class(SlotClass::Arena)).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut peer = Peer::start("write-and-exit", &name);
    assert_eq!(peer.answer(), "left");
    let mut out = [0; 64];
    assert_eq!(reader.read_timeout(&mut out, TEST_TIMEOUT).unwrap().len, 4);
    assert!(matches!(reader.read_timeout(&mut out, TEST_TIMEOUT), Err(ReadError::Closed)));

    let weak = ring.downgrade();
    let other = Ring::open(&name).unwrap();
    let parked = ring.reader(Start::Next).unwrap().park().unwrap();
    weak.leave_at_exit();
    assert!(weak.is_open() && path_of(&name).exists(), "another user keeps the name");
    drop(other);
    assert!(!path_of(&name).exists(), "the last user does not include the one that left");
    drop((ring, reader, parked));
    assert!(!weak.is_open());
}

/// Fails if the parent's end removes the name, or a ring without a name cannot be opened.
#[test]
fn a_hold_keeps_the_name_and_opens_the_ring_after_it_was_removed() {
    let name = fresh_name("hold");
    let ring = Ring::create(&name, &config()).unwrap();
    let (hold, unused) = (ring.hold().unwrap(), ring.hold().unwrap());
    ring.writer().unwrap().write(b"x").unwrap();
    drop(ring);
    assert!(path_of(&name).exists(), "the hold is a user");
    let again = hold.open().unwrap();
    assert_eq!(again.next_sequence(), 1);
    Ring::unlink(&name).unwrap();
    drop(again);
    let last = unused.open().unwrap();
    assert_eq!(last.next_sequence(), 1);
    let successor = Ring::create(&name, &config()).unwrap();
    drop(last);
    assert!(path_of(&name).exists(), "the name is the successor's");
    drop(successor);
    assert!(matches!(Ring::heap(&config()).unwrap().hold(), Err(RingError::Unsupported { .. })));
}

/// Fails if the umask affects the mode, or if the requested mode is ignored.
#[test]
fn access_rights_are_the_requested_ones_under_every_umask() {
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

/// Fails if root opens the private ring of another user, or if a ring whose mode grants access is
/// refused.
#[test]
fn the_ring_of_another_user_is_opened_only_if_its_mode_allows_it() {
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
    assert!(Segment::inspect(&name).is_ok(), "inspection is safe");
    give(65534, 0o644);
    assert!(matches!(Ring::open(&name), Err(RingError::ForeignOwner { mode: 0o644, .. })));
    give(65534, 0o606);
    drop(Ring::open(&name).unwrap());
    give(0, 0o660);
    let opened_by = |user| Peer::spawn(child_command().uid(user).gid(user), "open", &name).answer();
    assert!(opened_by(65534).contains("closed to this one"));
    give(0, 0o666);
    assert_eq!(opened_by(65534), "opened");
    drop(ring);
}

/// Fails if an inspection locks the segment: its last user could then remove neither the name nor
/// the entries of the dead.
#[test]
fn inspection_holds_no_lock() {
    let (name, ring) = create("inspected", &config().observers(true));
    let segment = Segment::inspect(&name).unwrap();
    let observer = seqring::Observer::open(&name, Start::Next).unwrap();
    assert!(segment.is_in_use() && segment.is_named());
    assert_eq!(segment.config(), ring.config());
    drop(ring);
    assert!(!path_of(&name).exists());
    assert!(!segment.is_in_use() && !segment.is_named());
    assert_eq!(observer.segment().id(), segment.id());
}

/// Fails if a ring in a directory is searched elsewhere, or if there is no warning about a file on
/// disk.
#[test]
fn a_ring_lies_in_the_requested_directory() {
    let name = fresh_name("in-directory");
    let ring = Ring::create(Location::in_directory("/dev/shm", &name), &config()).unwrap();
    assert_eq!((ring.path(), ring.warnings()), (Some(path_of(&name).as_path()), &[][..]));
    drop(Ring::open(&name).unwrap());
    drop(ring);
    let missing = Ring::create(Location::in_directory("/nowhere/at/all", &name), &config()).unwrap_err();
    assert!(
        matches!(&missing, RingError::NoDirectory { path } if path == Path::new("/nowhere/at/all")),
        "{missing:?}"
    );
    assert!(missing.to_string().contains("/nowhere/at/all does not exist; create it"), "{missing}");

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

/// A child in new namespaces, started after the command `first` there. `None` if this user may not
/// create namespaces.
fn unshared(namespaces: &[&str], first: &str, verb: &str, name: &str) -> Option<Peer> {
    let may = Command::new("unshare").args(namespaces).arg("true").stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        println!("not checked: this user may not have namespaces");
        return None;
    }
    let run = format!("{first} exec \"$0\" {}", CHILD_ARGUMENTS.join(" "));
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["sh", "-c", &run]).arg(std::env::current_exe().unwrap());
    Some(Peer::spawn(&mut command, verb, name))
}

/// Fails if a full file system causes a `SIGBUS`, or an error after which the earlier rings are
/// unusable.
#[test]
fn a_full_file_system_is_an_error_and_earlier_rings_still_work() {
    let directory = format!("/dev/shm/{}", fresh_name("small"));
    fs::create_dir(&directory).unwrap();
    let portable = fresh_name("small-portable");
    for (verb, mounted, name) in [("fill", &*directory, &directory), ("fill-portable", "/dev/shm", &portable)]
    {
        let mount = format!("mount -t tmpfs -o size=1m none {mounted} &&");
        if let Some(mut child) = unshared(&["--mount"], &mount, verb, name) {
            assert_eq!(child.answer(), "filled", "{verb}");
            child.finish();
        }
    }
    fs::remove_dir(&directory).unwrap();
}

/// Fills a file system of 1 MiB, in the child.
fn fill_a_small_file_system(at: &dyn Fn(usize) -> Location) {
    let many = Config::slots(2).of_bytes(65_536).writers(Writers::Many).participants(32);
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
    answer("filled");
}

/// Fails if liveness depends on process numbers: those of another namespace mean other processes
/// here.
#[test]
fn the_liveness_of_a_process_in_another_pid_namespace_is_known() {
    let (name, ring) = create("namespace", &Config::slots(2).of_bytes(64));
    let namespaces = ["--pid", "--fork", "--kill-child"];
    let Some(mut peer) = unshared(&namespaces, "", "read", &name) else { return };
    assert_eq!(peer.answer(), "registered as 1", "the first process of a namespace is number 1 there");
    let there = ring.participants();
    assert!(matches!(there[..], [Participant { pid: 1, alive: true, .. }]), "{there:?}");
    let mut writer = ring.writer().unwrap();
    while writer.try_write(b"x") != Err(TryWriteError::Full) {}
    peer.kill();
    writer.write_timeout(b"x", TEST_TIMEOUT).unwrap();
    assert_eq!(ring.participants().len(), 1);
}

/// Fails if a file of huge pages is filled, sized or mapped like other files. Needs such a file
/// system: as root, `echo 16 > /proc/sys/vm/nr_hugepages; mount -t hugetlbfs none /mnt`.
#[test]
fn a_ring_uses_huge_pages_where_available() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mut huge = mounts.lines().filter(|line| line.split(' ').nth(2) == Some("hugetlbfs"));
    let Some(directory) = huge.next().and_then(|line| line.split(' ').nth(1)) else {
        return println!("not checked: no hugetlbfs is mounted");
    };
    let location = Location::in_directory(directory, fresh_name("huge"));
    let config = Config::slots(4).of_bytes(3000).observers(true).writers(Writers::Many).participants(8);
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
    assert_eq!(
        seqring::Observer::open(&location, Start::Newest).unwrap().try_read(&mut [0; 3000]).unwrap().len,
        3000
    );
    assert!(Segment::inspect(&location).unwrap().allocated_bytes() >= 2 << 20);
    let all = fs::read_to_string("/proc/meminfo").unwrap();
    let free =
        all.lines().find_map(|line| line.strip_prefix("HugePages_Free:")?.trim().parse::<usize>().ok());
    let create_with = |slots: usize| {
        Ring::create(
            Location::in_directory(directory, fresh_name("huge")),
            &Config::slots(slots).of_bytes(2 << 20),
        )
    };
    drop(create_with(free.unwrap() - 4).unwrap());
    let error = create_with(free.unwrap() + 1).unwrap_err();
    assert!(matches!(error, RingError::NoSpace { wanted, available, .. } if available < wanted), "{error:?}");
}

/// Fails if a page option that the system refuses is an error, or gives no warning.
#[test]
fn a_refused_page_option_is_a_warning() {
    let name = fresh_name("pages");
    let options = OpenOptions::new().huge_pages(true).lock_memory(true).numa_node(0);
    let ring = options.create(&name, &Config::slots(4).of_bytes(1 << 20)).unwrap();
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
