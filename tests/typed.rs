//! Values, slices and frames as messages: what goes in comes out, and what does not fit is named
//! and stays.
#![allow(missing_docs)]

mod common;

use common::{CLASSES, ring};
use seqring::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use seqring::{Config, Delivery, Frame, ReadError, Ring, RingError, ShapeError, SlotClass, Start};
use seqring::{TryReadError, TryWriteError, WriteError};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "seqring::zerocopy")]
#[repr(C)]
struct Quote {
    instrument: u32,
    price: i32,
    time_ns: u64,
}

fn quote(n: u64) -> Quote {
    Quote { instrument: n as u32, price: -(n as i32), time_ns: n << 40 }
}

#[test]
fn values_pass_one_by_one_and_in_batches() {
    for class in CLASSES {
        let ring = Ring::heap(&Config::slots(8).of::<Quote>().slot_class(class)).unwrap();
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        let (mut reader, mut writer) = (reader.typed::<Quote>().unwrap(), writer.typed::<Quote>().unwrap());
        assert_eq!(writer.try_write(&quote(0)), Ok(0));
        assert_eq!(writer.write_batch(&[1, 2, 3].map(quote)), Ok(3));
        assert_eq!(writer.write_timeout(&quote(4), Duration::ZERO), Ok(4));
        assert_eq!(reader.try_read(), Ok(quote(0)));
        assert_eq!(reader.read(), Ok(quote(1)));
        let mut out = [quote(9); 8];
        assert_eq!(reader.read_batch(&mut out), Ok(3));
        assert_eq!(out[..3], [2, 3, 4].map(quote));
        assert_eq!((reader.position(), writer.next_sequence()), (5, 5));
        assert_eq!(reader.try_read(), Err(TryReadError::Empty));
        let late = reader.read_timeout(Duration::ZERO);
        assert!(matches!(late, Err(ReadError::TimedOut { .. })), "{late:?}");
        let late = reader.read_batch_timeout(&mut out, Duration::ZERO);
        assert!(matches!(late, Err(ReadError::TimedOut { .. })), "{late:?}");
        assert_eq!(writer.try_write_batch(&[0; 9].map(quote)), Ok(8));
        assert_eq!(writer.try_write_batch(&[quote(9)]), Err(TryWriteError::Full));
        let late = writer.write_batch_timeout(&[quote(9)], Duration::ZERO);
        assert!(matches!(late, Err(WriteError::TimedOut { .. })), "{late:?}");
    }
}

/// Fails if a shorter message is taken for a value with old bytes in its end, or a refused one is
/// passed over.
#[test]
fn a_message_of_another_length_is_named_and_stays() {
    for class in CLASSES {
        for delivery in common::DELIVERIES {
            let ring = ring(delivery, class, 8, 24);
            let mut reader = ring.reader(Start::Next).unwrap();
            let mut writer = ring.writer().unwrap();
            for len in [15, 17, 0, 24] {
                writer.write(&[7; 24][..len]).unwrap();
                let other = TryReadError::OtherLength { len, expected: 16 };
                let mut quotes = reader.typed::<Quote>().unwrap();
                assert_eq!(quotes.try_read(), Err(other));
                assert_eq!(quotes.try_read_batch(&mut [quote(0)]), Err(other));
                assert_eq!(quotes.read(), Err(ReadError::OtherLength { len, expected: 16 }));
                assert_eq!(reader.try_read(&mut [0; 24]).unwrap().len, len);
            }
        }
    }
}

#[test]
fn slices_have_a_whole_number_of_elements_and_fit_or_stay() {
    for class in CLASSES {
        let ring = ring(Delivery::Gated, class, 8, 40);
        let mut reader = ring.reader(Start::Next).unwrap();
        let mut writer = ring.writer().unwrap();
        let mut out = [0_u32; 4];
        let mut numbers = writer.typed::<[u32]>().unwrap();
        assert_eq!(numbers.write(&[1, 2, 3]), Ok(0));
        assert_eq!(numbers.try_write(&[]), Ok(1));
        let mut slices = reader.typed::<[u32]>().unwrap();
        assert_eq!((slices.read(&mut out), out), (Ok(3), [1, 2, 3, 0]));
        assert_eq!(slices.try_read(&mut out), Ok(0));
        writer.write(&[0; 10]).unwrap();
        let other = TryReadError::OtherLength { len: 10, expected: 8 };
        assert_eq!(slices.try_read(&mut out), Err(other));
        reader.read(&mut [0; 10]).unwrap();
        writer.write(&[0; 20]).unwrap();
        let mut slices = reader.typed::<[u32]>().unwrap();
        assert_eq!(slices.try_read(&mut out), Err(TryReadError::TooSmall { needed: 20 }));
        assert_eq!(slices.try_read(&mut [0_u32; 5]), Ok(5));
        let late = slices.read_timeout(&mut out, Duration::ZERO);
        assert!(matches!(late, Err(ReadError::TimedOut { .. })), "{late:?}");
        assert_eq!(writer.typed::<[u32]>().unwrap().claim().unwrap().len(), 40, "as long as a slot");
    }
}

#[test]
fn views_show_values_where_they_lie() {
    let ring = ring(Delivery::Gated, SlotClass::Arena, 8, 64);
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut claim = writer.claim(32).unwrap();
    *claim.value_mut::<[Quote; 2]>().unwrap() = [quote(5), quote(6)];
    assert!(matches!(claim.value_mut::<[u8; 31]>(), Err(ShapeError::Length { len: 32, .. })));
    claim.publish().unwrap();
    let view = reader.view().unwrap();
    assert!(view.is_in_place());
    assert_eq!(view.value::<[Quote]>(), Ok(&[quote(5), quote(6)][..]));
    assert!(matches!(view.value::<Quote>(), Err(ShapeError::Length { len: 32, .. })));
}

#[test]
fn claims_are_values_where_a_reader_may_be_copying_from_the_ring() {
    let observed = Config::slots(8).of_bytes(64).slot_class(SlotClass::Arena).observers(true);
    for ring in [ring(Delivery::Lossy, SlotClass::Arena, 8, 64), Ring::heap(&observed).unwrap()] {
        let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
        let mut claim = writer.claim(size_of::<Quote>()).unwrap();
        assert!(!claim.is_in_place());
        *claim.value_mut::<Quote>().unwrap() = quote(4);
        claim.publish().unwrap();
        assert_eq!(reader.typed::<Quote>().unwrap().read(), Ok(quote(4)));
    }
}

#[test]
fn takers_get_values() {
    let ring = Ring::heap(&Config::slots(8).of::<Quote>().delivery(Delivery::Queue)).unwrap();
    ring.writer().unwrap().typed::<Quote>().unwrap().write(&quote(3)).unwrap();
    assert_eq!(ring.taker().unwrap().take().unwrap().value::<Quote>(), Ok(&quote(3)));
}

#[test]
fn a_frame_has_the_element_and_shape_that_the_ring_says() {
    let ring = Ring::heap(&Config::slots(4).of_frames(Frame::of::<f32>(&[2, 3]).unwrap())).unwrap();
    assert_eq!(ring.config().frame.unwrap().extents(), [2, 3]);
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut writer = ring.writer().unwrap();
    let pixels = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5_f32];
    let mut frames = writer.typed::<[f32]>().unwrap();
    frames.write(&pixels).unwrap();
    frames.try_write(&pixels).unwrap();
    let mut claim = frames.claim().unwrap();
    claim.value_mut::<[f32]>().unwrap().copy_from_slice(&pixels);
    claim.publish().unwrap();
    writer.typed::<[f32; 6]>().unwrap().write(&pixels).unwrap();

    assert_eq!(reader.view().unwrap().frame::<f32>(), Ok((&pixels[..], &[2, 3][..])));
    let mut out = [0.0_f32; 6];
    for _ in 0..3 {
        assert_eq!(reader.typed::<[f32]>().unwrap().read(&mut out), Ok(6));
        assert!(out.iter().eq(&pixels));
    }
}

/// Nothing is written, nothing is lost.
#[test]
fn what_is_no_frame_of_the_ring_is_refused_by_name() {
    let ring = Ring::heap(&Config::slots(4).of_frames(Frame::of::<f32>(&[2, 3]).unwrap())).unwrap();
    let mut reader = ring.reader(Start::Next).unwrap();
    let mut writer = ring.writer().unwrap();
    let short = TryWriteError::OtherLength { len: 20, expected: 24 };
    assert_eq!(writer.typed::<[f32]>().unwrap().try_write(&[0.0; 5]), Err(short));
    let other = |of| ShapeError::Element { kind: 2, bits: 32, of };
    assert_eq!(writer.typed::<[i32]>().unwrap_err(), other("i32"));
    assert_eq!(reader.typed::<[i32]>().unwrap_err(), other("i32"));
    let length = ShapeError::FrameLength { len: 16, expected: 24 };
    assert_eq!(writer.typed::<Quote>().unwrap_err(), length);
    let mut frames = reader.typed::<[f32]>().unwrap();
    assert_eq!(frames.try_read(&mut [0.0; 6]), Err(TryReadError::Empty));
    assert_eq!(frames.try_read(&mut [0.0; 5]), Err(TryReadError::TooSmall { needed: 24 }));

    writer.write(&[0; 23]).unwrap();
    let view = reader.view().unwrap();
    assert_eq!(view.frame::<f32>(), Err(ShapeError::FrameLength { len: 23, expected: 24 }));
    assert_eq!(view.frame::<u32>(), Err(other("u32")));
    drop(view);
    writer.write(&[0; 23]).unwrap();
    let other = TryReadError::OtherLength { len: 23, expected: 24 };
    assert_eq!(reader.typed::<[f32]>().unwrap().try_read(&mut [0.0; 6]), Err(other));
    assert_eq!(reader.lag(), 1, "it is still there");

    let plain = Ring::heap(&Config::slots(4).of_bytes(24)).unwrap();
    let mut reader = plain.reader(Start::Next).unwrap();
    plain.writer().unwrap().write(&[0; 24]).unwrap();
    assert_eq!(reader.view().unwrap().frame::<f32>(), Err(ShapeError::Undescribed));
}

/// Fails if a type without bytes divides by zero, or loses the message.
#[test]
fn types_that_no_message_can_have_are_refused() {
    #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
    #[zerocopy(crate = "seqring::zerocopy")]
    #[repr(C)]
    struct Nothing;

    impl seqring::typed::Element for Nothing {
        const KIND: u8 = 0;
    }

    let ring = Ring::heap(&Config::slots(4).of_bytes(8)).unwrap();
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader(Start::Next).unwrap());
    writer.write(b"message").unwrap();
    let empty = Err(ShapeError::ZeroSized { of: std::any::type_name::<Nothing>() });
    assert_eq!(writer.typed::<Nothing>().map(drop), empty);
    assert_eq!(reader.typed::<Nothing>().map(drop), empty);
    assert_eq!(reader.typed::<[Nothing]>().map(drop), empty);
    let large = ShapeError::SlotTooSmall { of: std::any::type_name::<Quote>(), bytes: 16, max: 8 };
    assert_eq!(reader.typed::<Quote>().map(drop), Err(large));
    assert_eq!(&*reader.view().unwrap(), b"message");
}

#[test]
fn frames_that_cannot_be_are_refused_with_their_figures() {
    assert_eq!(Frame::of::<u8>(&[1; 9]), Err(ShapeError::Shape { dimensions: 9 }));
    assert_eq!(Frame::of::<f64>(&[1 << 40, 1 << 40]), Err(ShapeError::Shape { dimensions: 2 }));
    let frame = Frame::of::<f64>(&[3, 5]).unwrap();
    let refused = Ring::heap(&Config::slots(4).of_bytes(119).frame(frame)).unwrap_err();
    assert!(matches!(&refused, RingError::Config(text) if text.contains("120") && text.contains("119")));
    let huge = Frame { kind: 1, bits: 8, dimensions: 2, shape: [1 << 40; 8] };
    assert!(matches!(Ring::heap(&Config::slots(4).of_frames(huge)), Err(RingError::Config(_))));
    let empty = Frame::of::<f32>(&[0, 3]).unwrap();
    assert_eq!(empty.bytes(), Some(0));
}
