//! Peers that send what no correct peer sends: they are refused, and disturb no other.

use crate::common::{Found, GUARD, endpoint, free_port, fresh, open, source, wait_until, write};
use mirror::{Error, FollowOptions, ServeOptions, follow, serve, session};
use seqring::{Delivery, Location, Ring};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use zenoh::{Session, Wait};

fn listening(port: u16) -> Session {
    zenoh::open(session::config(&[endpoint(port)], &[]).unwrap()).wait().unwrap()
}

fn connected(port: u16) -> Session {
    zenoh::open(session::config(&[], &[endpoint(port)]).unwrap()).wait().unwrap()
}

/// Asks until a server answers: the refusal, or nothing if it grants the request.
fn ask(session: &Session, ring: &str, request: &[u8]) -> Option<String> {
    let mut answer = None;
    wait_until("an answer", || {
        let query =
            session.get(format!("seqring/1/{ring}/link")).payload(request).timeout(Duration::from_secs(2));
        answer = query.wait().unwrap().recv().ok();
        answer.is_some()
    });
    answer
        .unwrap()
        .into_result()
        .err()
        .map(|error| String::from_utf8_lossy(&error.payload().to_bytes()).into())
}

/// Fails if a request that is none is granted, or ends the server.
#[test]
fn requests_that_are_none_are_refused() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Lossy, 8)).unwrap();
    let server_session = listening(port);
    let server = serve(&server_session, &near[..], ServeOptions::default()).unwrap();
    let session = connected(port);
    for request in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 100], &[0; 5000], b"SQMh\x09\x00 more"] {
        let refusal = ask(&session, &near, request).expect("it is refused");
        assert!(!refusal.is_empty());
    }
    let acks = format!("seqring/1/{near}/ack/*");
    let large = vec![0; 1 << 20];
    for garbage in [&b""[..], &[0xff; 22], &large] {
        session.put(acks.replace('*', "0000000000000001"), garbage).wait().unwrap();
        session.put(acks.replace('*', "zz"), garbage).wait().unwrap();
    }
    let location = Location::named(&far);
    let _mirror = follow(&session, &near, location.clone(), FollowOptions::of(&location)).unwrap();
    let (_far_ring, mut reader) = open(&far);
    write(&mut ring.writer().unwrap());
    Found::default().read_to(&mut reader, 1);
    assert_eq!(server.mirrors().len(), 1);
}

/// A server that gives every request this reply, and counts them.
fn fake_server(session: &Session, ring: &str, reply: Vec<u8>) -> (Arc<AtomicUsize>, impl Drop + use<>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let queryable = session.declare_queryable(format!("seqring/1/{ring}/link")).callback(move |query| {
        counted.fetch_add(1, SeqCst);
        query.reply(query.key_expr(), reply.clone()).wait().unwrap();
    });
    (requests, Guard(queryable.wait().unwrap()))
}

/// Keeps a declaration.
struct Guard<T>(T);

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {}
}

/// The error that ends a mirror of a server that replies so.
fn refusal(reply: Vec<u8>, max_bytes: u64) -> Error {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let server_session = listening(port);
    let (_requests, _server) = fake_server(&server_session, &near, reply);
    let session = connected(port);
    let location = Location::named(&far);
    let mut options = FollowOptions::of(&location);
    options.max_bytes = max_bytes;
    let mirror = follow(&session, &near, location, options).unwrap();
    let error = mirror.join().unwrap_err();
    assert!(Ring::open(&far[..]).is_err(), "no ring is created for it");
    error
}

/// A real reply.
fn reply() -> Vec<u8> {
    let (near, port) = (fresh("near"), free_port());
    let _ring = Ring::create(&near, &source(Delivery::Lossy, 8)).unwrap();
    let server_session = listening(port);
    let _server = serve(&server_session, &near[..], ServeOptions::default()).unwrap();
    let session = connected(port);
    // As `wire` encodes a request.
    let request =
        [&b"SQMh\x01\x00"[..], &[7; 8], &[0], &[0; 8], &[0; 16], &[0, 0, 1, 0], &[1, 0], b"x", &[0; 8]]
            .concat();
    let mut found = None;
    wait_until("a reply", || {
        let query = session
            .get(format!("seqring/1/{near}/link"))
            .payload(&request[..])
            .timeout(Duration::from_secs(2));
        found = query.wait().unwrap().recv().ok();
        found.is_some()
    });
    found.unwrap().into_result().expect("it is granted").payload().to_bytes().into()
}

/// Fails if a mirror creates a ring for a reply that is none, or reserves memory for a huge one.
#[test]
fn replies_that_are_none_end_the_mirror_with_an_error() {
    let good = reply();
    for bad in [b"no reply at all".to_vec(), good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat()] {
        let error = refusal(bad, 1 << 30);
        assert!(matches!(error, Error::Malformed(_)), "{error}");
    }
    assert!(matches!(refusal(good.clone(), 1000), Error::TooLarge { .. }));
    // The number of slots is the first of the configuration: 8, in eight bytes.
    let at = good.windows(8).rposition(|bytes| bytes == 8_u64.to_le_bytes()).unwrap();
    let mut huge = good;
    huge[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = refusal(huge, u64::MAX);
    assert!(matches!(error, Error::TooLarge { .. } | Error::Ring(_)), "{error}");
}

/// Fails if frames that are none end the mirror, are published, or leave it on a dead link.
#[test]
fn frames_that_are_none_end_the_link_only() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let ring = Ring::create(&near, &source(Delivery::Lossy, 8)).unwrap();
    let server_session = listening(port);
    let server = serve(&server_session, &near[..], ServeOptions::default()).unwrap();
    let session = connected(port);
    let location = Location::named(&far);
    let _mirror = follow(&session, &near, location.clone(), FollowOptions::of(&location)).unwrap();
    let (_far_ring, mut reader) = open(&far);
    let mut writer = ring.writer().unwrap();
    let mut found = Found::default();
    // Where the frames of links go, as any peer can see.
    let keys: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let _spy = session
        .declare_subscriber(format!("seqring/1/{near}/data/*"))
        .callback({
            let keys = Arc::clone(&keys);
            move |sample| keys.lock().unwrap().push(sample.key_expr().to_string())
        })
        .wait()
        .unwrap();
    let large = vec![0; 100_000];
    for round in 1..=3 {
        write(&mut writer);
        found.read_to(&mut reader, round);
        wait_until("a frame", || !keys.lock().unwrap().is_empty());
        let key = keys.lock().unwrap().pop().unwrap();
        let garbage = [&b"frame"[..], &[0xff; 36], &large][round as usize - 1];
        server_session.put(&key, garbage).wait().unwrap();
        wait_until("the next link", || keys.lock().unwrap().iter().any(|next| *next != key));
        keys.lock().unwrap().clear();
    }
    write(&mut writer);
    found.read_to(&mut reader, 4);
    assert_eq!((found.read, found.lost), (4, 0));
    drop(server);
    assert!(reader.ready_within(GUARD), "the end of the server");
}
