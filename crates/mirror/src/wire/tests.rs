use super::{Ack, Clock, Description, Format, FrameHead, Hello, StreamState, Welcome, Work};
use seqring::{Config, Delivery, Frame, Redelivery};
use std::time::Duration;

fn welcome() -> Welcome {
    let frame = Frame::of::<f32>(&[4, 3]).unwrap();
    let config = Config::slots(7).of_frames(frame).delivery(Delivery::Lossy).tag(true).meta_bytes(24);
    Welcome {
        config: config.timestamp(true).evict_after(Duration::from_millis(70)).user_words(3),
        identity: 5 << 100,
        first: 1 << 60,
        lossless: true,
        stream: StreamState::Died { pid: 77 },
        host: "hôst".into(),
        clock: Clock { boot: 9 << 90, offset: -5 },
        dead_after: Duration::from_secs(2),
        server: 8,
    }
}

fn work() -> Work {
    Work { takers: 2, unfinished: vec![5, u64::MAX] }
}

fn hello() -> Hello {
    Hello { mirror: "b".into(), link: 3, resume: Some(0), identity: 1, window: 1 << 20, work: work() }
}

const HEAD: FrameHead = FrameHead { number: 1, first: 2, count: 3, stream: StreamState::Live { pid: 4 } };

#[test]
fn what_is_encoded_is_decoded() {
    assert_eq!(Welcome::decode(&welcome().encode()), Ok(welcome()));
    let queue =
        Config::slots(7).of_bytes(9).delivery(Delivery::Queue).redelivery(Redelivery::Drop).keep(true);
    let queue = Welcome { config: queue, ..welcome() };
    let decoded = Welcome::decode(&queue.encode()).unwrap();
    assert_eq!(decoded, queue);
    for resume in [None, Some(0), Some(u64::MAX)] {
        let hello = Hello { resume, ..hello() };
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    }
    assert_eq!(FrameHead::decode(&HEAD.encode()), Ok(HEAD));
    for work in [work(), Work::default()] {
        let ack = Ack { next: 1, bytes: 2, work };
        assert_eq!(Ack::decode(&ack.encode()), Ok(ack));
    }
}

/// Fails if a name is cut inside a character, or not at all.
#[test]
fn a_long_name_is_cut() {
    let long = Hello { mirror: format!("x{}", "é".repeat(200)), ..hello() };
    assert_eq!(Hello::decode(&long.encode()).unwrap().mirror.len(), 127);
}

/// Fails if any bytes panic, or a value that was not sent is accepted.
#[test]
fn bytes_that_were_changed_are_refused_or_read_as_values() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let mut state = seed | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let samples = [
        welcome().encode(),
        hello().encode(),
        HEAD.encode().to_vec(),
        Ack { next: 1, bytes: 2, work: work() }.encode(),
    ];
    for _ in 0..20_000 {
        let mut bytes = samples[random() as usize % samples.len()].clone();
        for _ in 0..=random() % 3 {
            let at = random() as usize % bytes.len();
            bytes[at] = random() as u8;
        }
        bytes.truncate(bytes.len() - random() as usize % 2 * (random() as usize % bytes.len()));
        let _ = Welcome::decode(&bytes);
        let _ = Hello::decode(&bytes);
        let _ = Ack::decode(&bytes);
        let _ = bytes.first_chunk().map(FrameHead::decode);
        let format = Format::of(&welcome().config);
        let _ = format.descriptions(&mut &bytes[..], random() as u32, bytes.len());
    }
}

#[test]
fn cut_bytes_are_refused() {
    let (welcome, hello) = (welcome().encode(), hello().encode());
    let ack = Ack { next: 1, bytes: 2, work: work() }.encode();
    assert!((0..ack.len()).all(|len| Ack::decode(&ack[..len]).is_err()));
    assert!((0..welcome.len()).all(|len| Welcome::decode(&welcome[..len]).is_err()));
    assert!((0..hello.len()).all(|len| Hello::decode(&hello[..len]).is_err()));
    assert!(Hello::decode(&[&hello[..], b"x"].concat()).is_err());
}

/// Fails if memory is allocated for a length before the length is compared with what is there.
#[test]
fn lengths_are_compared_with_what_is_there() {
    let config = Config::slots(4).of_bytes(100).tag(true);
    let format = Format::of(&config);
    let mut bytes = Vec::new();
    format.put(&mut bytes, Description { len: 100, tag: 7, ..Description::default() });
    bytes.extend_from_slice(&[1; 100]);
    let read = |bytes: &[u8], count| format.descriptions(&mut &bytes[..], count, bytes.len());
    assert_eq!(read(&bytes, 1).unwrap()[0].len, 100);
    for (bytes, count) in [(&bytes[..], u32::MAX), (&bytes, 2), (&bytes[..111], 1), (&bytes, 0)] {
        assert!(read(bytes, count).is_err());
    }
    let huge = [&Ack::default().encode()[..26], &u32::MAX.to_le_bytes()].concat();
    assert!(Ack::decode(&huge).unwrap_err().to_string().contains("announced"));
    bytes[0] = 101;
    bytes.push(1);
    assert!(read(&bytes, 1).unwrap_err().to_string().contains("in a ring of 100"));
}

#[test]
fn times_are_kept_within_a_boot_and_translated_between_hosts() {
    let here = Clock { boot: 1, offset: 1000 };
    assert_eq!(here.translate(5, Clock { boot: 1, offset: 7 }), 5);
    assert_eq!(here.translate(5, Clock { boot: 2, offset: 1500 }), 505);
    assert_eq!(here.translate(5, Clock { boot: 2, offset: 0 }), 0);
}
