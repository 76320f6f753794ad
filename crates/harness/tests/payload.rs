//! What `check` accepts and what it refuses.

use harness::payload::{FULL_BYTES, SHORTEST_BYTES, Stamped, Torn, check, fill};
use harness::restamp::Restamper;
use proptest::prelude::*;

/// Lengths around every border of the form: short, header only, a cut last word, a line's start,
/// several lines.
const LENGTHS: [usize; 23] =
    [8, 9, 15, 16, 17, 23, 24, 25, 31, 56, 63, 64, 65, 71, 72, 73, 80, 127, 128, 136, 1000, 1024, 4099];

fn message(bytes: usize, writer: u32, sequence: u64) -> Vec<u8> {
    let mut message = vec![0xaa; bytes];
    fill(&mut message, writer, sequence);
    message
}

/// Whether `mix` is refused, or is one of the two messages it was made of.
fn refused_or_whole(mix: &[u8], old: &[u8], new: &[u8]) -> bool {
    check(mix).is_err() || mix == old || mix == new
}

#[test]
fn a_splice_of_two_laps_at_every_word_is_refused() {
    for bytes in LENGTHS {
        for (sequence, slots) in [(0, 1), (7, 1), (7, 4), (1000, 1024), (0xff_ffff_fff0, 65_536)] {
            let (old, new) = (message(bytes, 3, sequence), message(bytes, 3, sequence + slots));
            for cut in (8..bytes).step_by(8) {
                for (head, tail) in [(&new, &old), (&old, &new)] {
                    let splice = [&head[..cut], &tail[cut..]].concat();
                    let what = format!("{bytes} bytes, {sequence} and {slots} later, cut at {cut}");
                    assert!(refused_or_whole(&splice, &old, &new), "{what}");
                    // A cut last word may be equal by chance; with a whole one no splice is a
                    // message.
                    assert!(bytes < 24 || !bytes.is_multiple_of(8) || check(&splice).is_err(), "{what}");
                }
            }
        }
    }
}

#[test]
fn one_cache_line_of_another_lap_is_refused() {
    for bytes in [128, 1024, 4096] {
        let (old, new) = (message(bytes, 3, 90), message(bytes, 3, 100));
        for line in (0..bytes).step_by(64) {
            let mut mix = new.clone();
            mix[line..line + 64].copy_from_slice(&old[line..line + 64]);
            assert!(check(&mix).is_err(), "line at {line} of {bytes}");
        }
    }
}

#[test]
fn every_cache_line_of_two_messages_differs() {
    let (old, new) = (message(4096, 3, 90), message(4096, 3, 91));
    assert!(old.chunks(64).zip(new.chunks(64)).all(|(old, new)| old != new));
}

#[test]
fn a_tear_is_reported_with_its_place_and_the_message_it_claims_to_be() {
    let (old, mut mix) = (message(256, 3, 90), message(256, 3, 100));
    mix[128..192].copy_from_slice(&old[128..192]);
    let header = Stamped { writer: 3, sequence: 100 };
    assert_eq!(check(&mix), Err(Torn::Mark { header, offset: 128 }));
    assert_eq!(
        check(&mix).unwrap_err().to_string(),
        "torn at byte 128: the header says message 100 of writer 3, and the bytes there are not of it"
    );
}

#[test]
fn memory_that_nobody_filled_is_no_message() {
    for bytes in LENGTHS {
        for byte in [0x00, 0x5a, 0xff] {
            assert!(check(&vec![byte; bytes]).is_err(), "{bytes} bytes of {byte:#x}");
        }
    }
}

#[test]
fn a_message_that_is_too_short_says_so() {
    assert_eq!(check(&[0; SHORTEST_BYTES - 1]), Err(Torn::TooShort { bytes: 7 }));
}

proptest! {
    #[test]
    fn what_is_filled_is_accepted_with_its_writer_and_sequence(bytes in 8_usize..3000, writer: u32, sequence: u64) {
        let stamped = Stamped { writer, sequence };
        prop_assert_eq!(check(&message(bytes, writer, sequence)), Ok(stamped.in_message_of(bytes)));
        prop_assert_eq!(check(Restamper::new(bytes, writer).message(sequence)), Ok(stamped.in_message_of(bytes)));
    }

    #[test]
    fn one_flipped_bit_is_refused(bytes in FULL_BYTES..3000, sequence: u64, at: prop::sample::Index) {
        let mut message = message(bytes, 1, sequence);
        let bit = at.index(8 * bytes);
        message[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(check(&message).is_err());
    }

    /// Each word from one of three laps, as a reader gets them that is overtaken more than once.
    #[test]
    fn words_of_several_laps_are_refused_or_make_a_whole_message(
        words in 2_usize..60,
        cut in 0_usize..8,
        sequence in 0_u64..1 << 40,
        laps in prop::collection::vec(0_usize..3, 64),
    ) {
        let bytes = 8 * words + cut;
        let sources = [0, 1, 2].map(|lap| message(bytes, 1, sequence + 4 * lap));
        let mix: Vec<u8> = (0..bytes).map(|at| sources[laps[at / 8]][at]).collect();
        prop_assert!(check(&mix).is_err() || sources.contains(&mix));
    }

    #[test]
    fn halves_of_two_short_messages_are_almost_never_a_message(old: u64, step in 1_u64..1000) {
        // The check has 16 bits: one of the two mixes passes in one of 32,768 cases, both in one of
        // 2^32.
        let (old, new) = (message(8, 1, old), message(8, 1, old.wrapping_add(step)));
        let pass = |head: &[u8], tail: &[u8]| {
            let mix = [&head[..4], &tail[4..]].concat();
            check(&mix).is_ok() && mix != old && mix != new
        };
        prop_assert!(!(pass(&old, &new) && pass(&new, &old)));
    }
}
