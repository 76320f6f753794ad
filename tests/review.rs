use seqring::{Config, Delivery, MessageHeader, Ring};
use std::time::Duration;

#[test]
fn ready_within_is_false_while_the_queue_is_empty() {
    let ring = Ring::heap(&Config::slots(8).of_bytes(16).delivery(Delivery::Queue)).unwrap();
    let (mut writer, mut one, mut other) =
        (ring.writer().unwrap(), ring.taker().unwrap(), ring.taker().unwrap());
    writer.write(b"0").unwrap();
    drop(other.take().unwrap());
    assert!(!one.ready_within(Duration::from_millis(50)), "the queue is empty");
}

#[test]
fn a_plain_write_after_many_assigned_ones() {
    let slots = 140_000;
    let ring = Ring::heap(&Config::slots(slots).of_bytes(8).delivery(Delivery::Queue)).unwrap();
    let mut writer = ring.writer().unwrap();
    for n in 0..135_000 {
        writer.assigned().unwrap().write(n, b"a", &MessageHeader::default()).unwrap();
    }
    assert_eq!(ring.next_sequence(), 135_000);
    assert_eq!(writer.try_write(b"b"), Ok(135_000));
}

#[test]
fn alternate() {
    use std::time::Instant;
    let ring = Ring::heap(&Config::slots(8).of_bytes(16).delivery(Delivery::Queue)).unwrap();
    let (mut a, mut b, mut one, mut other) =
        (ring.writer().unwrap(), ring.writer().unwrap(), ring.taker().unwrap(), ring.taker().unwrap());
    let n = 20_000;
    for round in 0..2 {
        let start = Instant::now();
        for _ in 0..n {
            a.write(b"0").unwrap();
            drop(one.take().unwrap());
        }
        let alone = start.elapsed() / n;
        let (mut writes, mut takes) = (Duration::ZERO, Duration::ZERO);
        for i in 0..n {
            let start = Instant::now();
            if i % 2 == 0 {
                a.write(b"0").unwrap()
            } else {
                b.write(b"0").unwrap()
            };
            writes += start.elapsed();
            let start = Instant::now();
            drop(if i % 2 == 0 { one.take().unwrap() } else { other.take().unwrap() });
            takes += start.elapsed();
        }
        println!(
            "round {round}: alone, write + take: {alone:?}; alternating: write {:?}, take {:?}",
            writes / n,
            takes / n
        );
    }
}

#[test]
fn saturated() {
    use std::time::Instant;
    let n = 1_000_000u32;
    for _ in 0..3 {
        let ring = Ring::heap(
            &Config::slots(1024).of_bytes(16).delivery(Delivery::Lossy).writers(seqring::Writers::Many),
        )
        .unwrap();
        let start = Instant::now();
        std::thread::scope(|s| {
            for _ in 0..2 {
                let mut w = ring.writer().unwrap();
                s.spawn(move || {
                    for _ in 0..n {
                        w.write(b"0123").unwrap();
                    }
                });
            }
        });
        let writes = start.elapsed() / (2 * n);
        let ring = Ring::heap(&Config::slots(1 << 18).of_bytes(16).delivery(Delivery::Queue)).unwrap();
        let mut w = ring.writer().unwrap();
        for _ in 0..1 << 18 {
            w.write(b"0123").unwrap();
        }
        let start = Instant::now();
        std::thread::scope(|s| {
            for _ in 0..2 {
                let mut t = ring.taker().unwrap();
                s.spawn(move || while t.try_take().is_ok() {});
            }
        });
        println!("two writers: {writes:?} each message; two takers: {:?}", start.elapsed() / (1 << 18));
    }
}
