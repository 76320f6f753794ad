//! Queues whose takers are on two hosts.

use crate::common::{GUARD, Network, Process, Random, endpoint, free_port, fresh, payload, wait_until};
use seqring::{Config, Delivery, MessageHeader, ReadError, Ring, Taker};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const HOLD: [&str; 2] = ["--hold", "0.5"];

fn queue(name: &str) -> Ring {
    let config = Config::slots(64).of_bytes(100).delivery(Delivery::Queue).participants(24);
    Ring::create(name, &config.tag(true).meta_bytes(16)).unwrap()
}

/// Writes tasks until `end`; each carries its number.
fn feed(ring: &Ring, tasks: u64) -> thread::JoinHandle<()> {
    let mut writer = ring.writer().unwrap();
    thread::spawn(move || (0..tasks).for_each(|n| write(&mut writer, n)))
}

fn write(writer: &mut seqring::Writer, n: u64) {
    let metadata = n.to_le_bytes();
    let header = MessageHeader { tag: n, metadata: &metadata[..(n % 9) as usize] };
    writer.write_with(&payload(n), &header).unwrap();
}

/// How often each task was done, and whether one was marked as redelivered.
#[derive(Clone, Default)]
struct Done(Arc<Mutex<BTreeMap<u64, (u32, bool)>>>);

impl Done {
    /// Takes one task, checks it, and does it. Returns false at the end of the stream.
    fn step(&self, taker: &mut Taker) -> bool {
        match taker.take_timeout(GUARD) {
            Ok(task) => {
                let n = task.received().tag.unwrap();
                assert_eq!(*task, payload(n)[..]);
                assert_eq!(task.metadata(), &n.to_le_bytes()[..(n % 9) as usize]);
                let mut done = self.0.lock().unwrap();
                let (times, redelivered) = done.entry(n).or_default();
                *times += 1;
                *redelivered |= task.is_redelivered();
                true
            }
            Err(ReadError::Closed) => false,
            Err(ReadError::WriterDied { .. }) => true, // The link is down: another one comes.
            Err(error) => panic!("{error}"),
        }
    }

    /// A worker, until `all` tasks are done.
    fn work(&self, ring: &Ring, all: u64) -> thread::JoinHandle<u64> {
        let (done, mut taker) = (self.clone(), ring.taker().unwrap());
        thread::spawn(move || {
            let (begin, mut own) = (Instant::now(), 0);
            while (done.0.lock().unwrap().len() as u64) < all {
                assert!(begin.elapsed() < 10 * GUARD, "{} of {all} tasks", done.0.lock().unwrap().len());
                match taker.ready_within(Duration::from_millis(50)).then(|| done.step(&mut taker)) {
                    Some(true) => own += 1,
                    Some(false) => thread::yield_now(), // Another link, or another writer, comes.
                    None => {}
                }
            }
            own
        })
    }

    fn times(&self) -> Vec<u32> {
        self.0.lock().unwrap().values().map(|(times, _)| *times).collect()
    }
}

/// Fails if a task is lost, changed or done twice, or if either host gets none.
#[test]
fn takers_of_two_hosts_share_the_tasks() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = queue(&near);
    let _server = Process::serve(&near, &["--listen", &endpoint(port), "--ahead", "3"]);
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let far_ring = Ring::open_timeout(&far[..], GUARD).unwrap();
    let (tasks, done) = (3000, Done::default());
    let far_workers: Vec<_> = (0..2).map(|_| done.work(&far_ring, tasks)).collect();
    let feeding = feed(&ring, tasks);
    // The far takers have some before the near ones begin.
    wait_until("a task on the far host", || !done.0.lock().unwrap().is_empty());
    let near_worker = done.work(&ring, tasks);
    let far: u64 = far_workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    let near = near_worker.join().unwrap();
    feeding.join().unwrap();
    assert_eq!(done.times(), vec![1; tasks as usize]);
    assert!(done.0.lock().unwrap().values().all(|(_, redelivered)| !redelivered));
    println!("{far} tasks on the far host, {near} on the near one");
    assert!(far > 0);
    // The end comes, too.
    let mut taker = far_ring.taker().unwrap();
    wait_until("the end", || !done.step(&mut taker));
    wait_until("all finished", || ring.unfinished().is_empty());
}

/// Fails if tasks wait on a host that has no takers.
#[test]
fn a_host_without_takers_gets_no_tasks() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = queue(&near);
    let _server = Process::serve(&near, &["--listen", &endpoint(port)]);
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let far_ring = Ring::open_timeout(&far[..], GUARD).unwrap();
    let done = Done::default();
    feed(&ring, 20).join().unwrap();
    let mut taker = ring.taker().unwrap();
    (0..20).for_each(|_| assert!(done.step(&mut taker)));
    assert_eq!((done.times(), far_ring.next_sequence()), (vec![1; 20], 0));
}

/// Fails if a task is lost with the host that had it, or comes to its next taker without a mark.
#[test]
fn tasks_of_a_host_that_fails_go_to_other_takers_marked() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = queue(&near);
    let _server = Process::serve(&near, &[&HOLD[..], &["--listen", &endpoint(port)]].concat());
    let mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let far_ring = Ring::open_timeout(&far[..], GUARD).unwrap();
    let mut far_taker = far_ring.taker().unwrap();
    feed(&ring, 3).join().unwrap();
    let task = far_taker.take_timeout(GUARD).unwrap();
    assert_eq!(task.received().tag, Some(0));
    mirror.kill(); // The host is gone: its task, and the one that waits there.
    let (done, mut taker) = (Done::default(), ring.taker().unwrap());
    wait_until("all tasks", || {
        if taker.ready_within(Duration::from_millis(100)) {
            done.step(&mut taker);
        }
        done.0.lock().unwrap().len() == 3
    });
    let done = done.0.lock().unwrap().clone();
    assert_eq!(done[&0], (1, true));
    assert_eq!(done.values().map(|(times, _)| *times).collect::<Vec<_>>(), [1, 1, 1]);
    drop(task);
}

/// Fails if a task of a dead taker loses its mark on the way to another host.
#[test]
fn a_mark_crosses_the_link() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = queue(&near);
    feed(&ring, 2).join().unwrap();
    let mut taker = ring.taker().unwrap();
    taker.take().unwrap().put_off();
    drop(taker);
    let _server = Process::serve(&near, &["--listen", &endpoint(port)]);
    let _mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let far_ring = Ring::open_timeout(&far[..], GUARD).unwrap();
    let (done, mut taker) = (Done::default(), far_ring.taker().unwrap());
    wait_until("both tasks", || {
        if taker.ready_within(Duration::from_millis(100)) {
            done.step(&mut taker);
        }
        done.0.lock().unwrap().len() == 2
    });
    assert_eq!(done.0.lock().unwrap().clone(), BTreeMap::from([(0, (1, true)), (1, (1, false))]));
}

/// Fails if a writer of its own in the mirror's queue goes unnoticed.
#[test]
fn another_writer_in_the_mirrors_queue_ends_the_mirror() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = queue(&near);
    let _server = Process::serve(&near, &["--listen", &endpoint(port)]);
    let mirror = Process::mirror(&near, &far, &["--from", &endpoint(port)]);
    let far_ring = Ring::open_timeout(&far[..], GUARD).unwrap();
    far_ring.writer().unwrap().write(b"not from there").unwrap();
    let _taker = far_ring.taker().unwrap();
    feed(&ring, 2).join().unwrap();
    assert_eq!(mirror.wait(), Some(1));
}

/// Disturbs a queue with takers on both hosts. Returns how often each task was done.
fn disturb(kinds: u64) -> Vec<u32> {
    let cuts = crate::cuts::cuts();
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = queue(&near);
    let hold = ["--hold", if kinds > 3 { "1" } else { "60" }];
    let serve = || Process::serve(&near, &[&hold[..], &["--listen", &endpoint(port)]].concat());
    let network = Network::to(port);
    let mirror = || Process::mirror(&near, &far, &["--from", &endpoint(network.port)]);
    let (mut server, mut following) = (serve(), mirror());
    let far_ring = Ring::open_timeout(&far[..], GUARD).unwrap();
    let (done, stop, mut writer) =
        (Done::default(), Arc::new(AtomicBool::new(false)), ring.writer().unwrap());
    let feeding = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut written = 0;
            while !stop.load(SeqCst) {
                write(&mut writer, written);
                written += 1;
            }
            written
        }
    });
    // They end after the last task, whose number is not known yet.
    let all = Arc::new(Mutex::new(u64::MAX));
    let workers: Vec<_> = [&ring, &far_ring, &far_ring]
        .map(|ring| {
            let (done, all, mut taker) = (done.clone(), Arc::clone(&all), ring.taker().unwrap());
            thread::spawn(move || {
                while (done.0.lock().unwrap().len() as u64) < *all.lock().unwrap() {
                    if taker.ready_within(Duration::from_millis(20)) {
                        done.step(&mut taker);
                        thread::sleep(Duration::from_micros(300)); // The work.
                    }
                }
            })
        })
        .into();
    let mut random = Random::new();
    for _ in 0..cuts {
        thread::sleep(Duration::from_millis(random.below(60)));
        match random.below(kinds) {
            0 => network.cut(),
            1 => {
                network.set_open(false);
                thread::sleep(Duration::from_millis(random.below(300)));
                network.set_open(true);
            }
            2 => {
                following.kill();
                following = mirror();
            }
            _ => {
                server.kill();
                server = serve();
            }
        }
    }
    stop.store(true, SeqCst);
    let written = feeding.join().unwrap();
    *all.lock().unwrap() = written;
    let begin = Instant::now();
    while !workers.iter().all(thread::JoinHandle::is_finished) {
        let done = done.0.lock().unwrap().len();
        assert!(begin.elapsed() < 2 * GUARD, "{done} of {written} tasks are done");
        thread::sleep(Duration::from_millis(10));
    }
    for worker in workers {
        worker.join().unwrap();
    }
    let times = done.times();
    let again = times.iter().filter(|times| **times > 1).count();
    println!("{cuts} disturbances of a queue, {written} tasks, {again} of them done again");
    assert_eq!(times.len() as u64, written);
    times
}

/// Fails if a cut connection or a killed mirror loses a task, or lets it be done twice.
#[test]
fn a_queue_survives_cuts_and_mirrors() {
    assert!(disturb(3).iter().all(|times| *times == 1));
}

/// Fails if a killed server loses a task.
#[test]
fn a_queue_survives_cuts_and_servers() {
    disturb(4);
}
