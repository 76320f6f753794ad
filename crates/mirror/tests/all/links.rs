//! Servers, mirrors and routers in processes of their own: what arrives, and what readers get when
//! a process dies or a connection is cut.

use crate::common::{
    Found, Network, Process, endpoint, free_port, fresh, open, origin, payload, source, wait_until, write,
};
use seqring::{Config, Delivery, ReadError, Ring, Start};
use std::thread;
use std::time::Duration;

/// Fails if a message is lost, changed or renumbered on its way, or the end does not come.
#[test]
fn a_lossless_mirror_gets_every_message_and_the_end() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Gated, 64).first_sequence(1000)).unwrap();
    let _server = Process::serve(&near, &["--lossless", "--listen", &endpoint(port)]);
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let mut writer = ring.writer().unwrap();
    let writing = thread::spawn(move || (0..20_000).for_each(|_| write(&mut writer)));
    let (far_ring, mut reader) = open(&far);
    assert_eq!(reader.position(), 1000);
    let mut found = Found::default();
    found.read_to(&mut reader, 21_000);
    writing.join().unwrap();
    while found.step(&mut reader) {}
    assert_eq!(found, Found { read: 20_000, lost: 0, deaths: vec![] });
    let origin = origin(&far_ring);
    assert!(origin.linked && !origin.host.is_empty(), "{origin:?}");
    assert_eq!(origin.source, near);
    let mut config = far_ring.config().clone();
    config.user_words -= mirror::ORIGIN_WORDS;
    assert_eq!(config, *ring.config());
}

/// Fails if a mirror holds up the writer of a lossy ring, or a loss is not counted exactly.
#[test]
fn a_lossy_mirror_counts_exactly() {
    for observers in [false, true] {
        let (near, far, port) = (fresh("near"), fresh("far"), free_port());
        let ring = Ring::create(&near, &source(Delivery::Lossy, 32).observers(observers)).unwrap();
        let _server = Process::serve(&near, &["--listen", &endpoint(port)]);
        let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
        let mut writer = ring.writer().unwrap();
        write(&mut writer);
        let (_far_ring, mut reader) = open(&far);
        let first = reader.position();
        for _ in 0..100_000 {
            write(&mut writer);
        }
        drop(writer);
        let mut found = Found::default();
        found.read_to(&mut reader, 100_001);
        wait_until("the end", || !found.step(&mut reader));
        assert_eq!(found.read + found.lost, 100_001 - first, "{found:?}");
        assert!(found.deaths.is_empty(), "observers {observers}: {found:?}");
    }
}

/// Fails if a gated ring is served in a way that would hold its writers up without being asked to.
#[test]
fn a_gated_ring_without_observers_is_served_losslessly_or_not_at_all() {
    let near = fresh("near");
    let _ring = Ring::create(&near, &source(Delivery::Gated, 4)).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_seqring-mirror"));
    let output = command.args(["serve", &near, "--listen", &endpoint(free_port())]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("--lossless"), "{text}");
}

/// Fails if the writer is not held back by what the far readers have not read.
#[test]
fn back_pressure_reaches_the_writer() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Gated, 8)).unwrap();
    let _server = Process::serve(&near, &["--lossless", "--listen", &endpoint(port)]);
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let mut writer = ring.writer().unwrap();
    let (far_ring, mut reader) = open(&far);
    // Eight in each ring: the mirror acknowledges what is in its own.
    for _ in 0..16 {
        write(&mut writer);
    }
    wait_until("the mirror's ring is full", || far_ring.next_sequence() == 8);
    let refused = writer.write_timeout(b"one too many", Duration::from_millis(300));
    assert!(matches!(refused, Err(seqring::WriteError::TimedOut { .. })), "{refused:?}");
    let mut found = Found::default();
    found.read_to(&mut reader, 1);
    write(&mut writer);
    found.read_to(&mut reader, 17);
    assert_eq!((found.read, found.lost), (17, 0));
}

/// Fails if the readers wait for ever once the server is dead, if the link does not come back, or
/// if what was overwritten meanwhile is not counted.
#[test]
fn a_server_that_is_killed_is_a_writer_that_died() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Lossy, 16)).unwrap();
    let serve = || Process::serve(&near, &["--listen", &endpoint(port)]);
    let server = serve();
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let mut writer = ring.writer().unwrap();
    write(&mut writer);
    let (far_ring, mut reader) = open(&far);
    let mut found = Found::default();
    found.read_to(&mut reader, 1);
    server.kill();
    while found.step(&mut reader) {}
    assert_eq!(found.deaths, [std::process::id()], "the writer's process, on the host that is named");
    assert!(!origin(&far_ring).linked);
    for _ in 0..40 {
        write(&mut writer);
    }
    let _server = serve();
    found.read_to(&mut reader, 41);
    assert_eq!(found.read + found.lost, 41);
    assert!(found.lost >= 24, "at most the 16 slots of the source are left: {found:?}");
    assert!(origin(&far_ring).linked);
}

/// Fails if a mirror that starts again does not continue in its ring, or loses its place.
#[test]
fn a_mirror_that_is_killed_continues_where_it_was() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Gated, 8)).unwrap();
    let _server = Process::serve(&near, &["--lossless", "--listen", &endpoint(port)]);
    let start = || Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let mirror = start();
    let mut writer = ring.writer().unwrap();
    let (_far_ring, mut reader) = open(&far);
    let mut found = Found::default();
    write(&mut writer);
    found.read_to(&mut reader, 1);
    let pid = mirror.pid();
    mirror.kill();
    while found.step(&mut reader) {}
    assert_eq!(found.deaths, [pid]);
    for _ in 0..7 {
        write(&mut writer); // As many as there is room for if the first one is not acknowledged.
    }
    let _mirror = start();
    found.read_to(&mut reader, 8);
    assert_eq!((found.read, found.lost), (8, 0));
}

/// Fails if a cut connection loses a message, or its end and its return do not reach the readers.
#[test]
fn a_connection_that_is_cut_comes_back() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Gated, 8)).unwrap();
    let _server = Process::serve(&near, &["--lossless", "--listen", &endpoint(port)]);
    let network = Network::to(port);
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(network.port)]);
    let mut writer = ring.writer().unwrap();
    let (far_ring, mut reader) = open(&far);
    let mut found = Found::default();
    for round in 0..3_u64 {
        write(&mut writer);
        found.read_to(&mut reader, 3 * round + 1);
        network.set_open(false);
        while found.step(&mut reader) {}
        assert_eq!(found.deaths.len() as u64, round + 1);
        assert!(!origin(&far_ring).linked);
        write(&mut writer);
        network.set_open(true);
        write(&mut writer);
        found.read_to(&mut reader, 3 * round + 3);
    }
    assert_eq!((found.read, found.lost), (9, 0));
}

/// Fails if a link by way of a router does not survive the router's death.
#[test]
fn a_router_that_is_killed_is_replaced() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Gated, 8)).unwrap();
    let router = Process::route(port);
    let _server = Process::serve(&near, &["--lossless", "--connect", &endpoint(port)]);
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let mut writer = ring.writer().unwrap();
    let (_far_ring, mut reader) = open(&far);
    let mut found = Found::default();
    write(&mut writer);
    found.read_to(&mut reader, 1);
    router.kill();
    while found.step(&mut reader) {}
    assert_eq!(found.deaths.len(), 1);
    write(&mut writer);
    let _router = Process::route(port);
    write(&mut writer);
    found.read_to(&mut reader, 3);
    assert_eq!((found.read, found.lost), (3, 0));
}

/// Fails if a mirror cannot be served again, or one mirror disturbs another.
#[test]
fn many_mirrors_and_a_mirror_of_a_mirror() {
    let (near, port) = (fresh("near"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Gated, 32)).unwrap();
    let _server = Process::serve(&near, &["--lossless", "--listen", &endpoint(port)]);
    let names = [fresh("far"), fresh("far"), fresh("farther")];
    let _first = Process::mirror(&near, &names[0], &["--from", &endpoint(port)]);
    let _second = Process::mirror(&near, &names[1], &["--from", &endpoint(port)]);
    let (_rings, mut readers): (Vec<_>, Vec<_>) = names[..2].iter().map(|name| open(name)).unzip();
    let next = free_port();
    let _relay = Process::serve(&names[0], &["--lossless", "--listen", &endpoint(next)]);
    let _third = Process::mirror(&names[0], &names[2], &["--from", &endpoint(next)]);
    let (last_ring, reader) = open(&names[2]);
    readers.push(reader);
    let mut writer = ring.writer().unwrap();
    let writing = thread::spawn(move || (0..5000).for_each(|_| write(&mut writer)));
    let reading = readers.into_iter().map(|mut reader| {
        thread::spawn(move || {
            let mut found = Found::default();
            found.read_to(&mut reader, 5000);
            while found.step(&mut reader) {}
            found
        })
    });
    for reading in reading.collect::<Vec<_>>() {
        assert_eq!(reading.join().unwrap(), Found { read: 5000, lost: 0, deaths: vec![] });
    }
    writing.join().unwrap();
    assert_eq!(origin(&last_ring).source, names[0]);
}

/// Fails if a large message is cut, or a frame of it is taken for several.
#[test]
fn large_messages_cross() {
    for (delivery, flags) in [(Delivery::Gated, &["--lossless"][..]), (Delivery::Lossy, &[])] {
        let (near, far, port) = (fresh("near"), fresh("far"), free_port());
        let config = Config::slots(8).of_bytes(3 << 20).delivery(delivery).participants(8);
        let ring = Ring::create(&near, &config).unwrap();
        let _server = Process::serve(&near, &[flags, &["--listen", &endpoint(port)]].concat());
        let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
        let mut writer = ring.writer().unwrap();
        let (_far_ring, mut reader) = open(&far);
        for (n, len) in [3 << 20, 0, 1, 200_000, (1 << 20) + 1].into_iter().enumerate() {
            let bytes: Vec<u8> = payload(n as u64 + 77).into_iter().cycle().take(len).collect();
            writer.write(&bytes).unwrap();
            let view = reader.view_timeout(crate::common::GUARD).unwrap();
            assert!(*view == bytes[..] && view.received().sequence == n as u64, "message {n}");
        }
    }
}

/// Fails if a ring that is closed for good is left open on the other side.
#[test]
fn a_ring_that_is_closed_closes_its_mirror() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Lossy, 8)).unwrap();
    let _server = Process::serve(&near, &["--listen", &endpoint(port)]);
    let mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let mut writer = ring.writer().unwrap();
    write(&mut writer);
    let (_far_ring, mut reader) = open(&far);
    let mut found = Found::default();
    found.read_to(&mut reader, 1);
    ring.close();
    while found.step(&mut reader) {}
    assert_eq!(found, Found { read: 1, lost: 0, deaths: vec![] });
    assert_eq!(mirror.wait(), Some(0));
}

/// Fails if the numbers of another ring of the same name are taken for those of the first.
#[test]
fn another_ring_of_the_name_gets_another_mirror() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let config = source(Delivery::Lossy, 8);
    let first = Ring::create(&near, &config.clone().first_sequence(100)).unwrap();
    let _server = Process::serve(&near, &["--listen", &endpoint(port)]);
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    write(&mut first.writer().unwrap());
    let (_old, mut reader) = open(&far);
    let mut found = Found::default();
    found.read_to(&mut reader, 101);
    Ring::unlink(&near[..]).unwrap();
    let second = Ring::create(&near, &config.first_sequence(7)).unwrap();
    write(&mut second.writer().unwrap());
    wait_until("the new mirror", || {
        Ring::open(&far[..]).is_ok_and(|ring| ring.config().first_sequence == 7 && ring.next_sequence() == 8)
    });
    while found.step(&mut reader) {}
    assert_eq!(found.read, 1);
    assert_eq!(reader.try_read(&mut [0; 100]), Err(seqring::TryReadError::Closed));
}

/// Fails if a program's own ring is written by a mirror.
#[test]
fn a_ring_that_is_no_mirror_is_left_alone() {
    let name = fresh("own");
    let ring = Ring::create(&name, &source(Delivery::Lossy, 8)).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_seqring-mirror"));
    let port = free_port();
    let _router = Process::route(port);
    let output =
        command.args(["mirror", "camera", "--as", &name, "--from", &endpoint(port)]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--as"));
    assert_eq!(ring.stats().participants, []);
}

/// Fails if a ring that was never written looks ended on the other side, or the reverse.
#[test]
fn a_stream_that_ended_before_the_link_has_ended_in_the_mirror() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Lossy, 8)).unwrap();
    drop(ring.writer().unwrap());
    let _server = Process::serve(&near, &["--listen", &endpoint(port)]);
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let far = Ring::open_timeout(&far, crate::common::GUARD).unwrap();
    let mut reader = far.reader(Start::Next).unwrap();
    assert_eq!(reader.read(&mut [0; 100]), Err(ReadError::Closed));
    write(&mut ring.writer().unwrap());
    let mut found = Found::default();
    found.read_to(&mut reader, 1);
}
