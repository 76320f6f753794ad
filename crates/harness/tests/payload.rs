//! What `check` accepts and what it refuses.

use harness::payload::{SHORTEST_BYTES, Stamped, Torn, check, fill, restamp};
use proptest::prelude::*;

/// Lengths around every border of the form: the stamp alone, a cut last word, a line's start,
/// several lines.
const LENGTHS: [usize; 22] =
    [8, 9, 15, 16, 17, 23, 24, 31, 56, 63, 64, 65, 71, 72, 73, 80, 127, 128, 136, 1000, 1024, 4099];

fn message(bytes: usize, writer: u32, sequence: u64) -> Vec<u8> {
    let mut message = vec![0xaa; bytes];
    fill(&mut message, writer, sequence);
    message
}

#[test]
fn a_splice_of_two_laps_at_every_word_is_refused() {
    for bytes in LENGTHS {
        for (sequence, slots) in [(0, 1), (7, 1), (7, 4), (1000, 1024), (0xff_ff00_0000, 65_536)] {
            let (old, new) = (message(bytes, 3, sequence), message(bytes, 3, sequence + slots));
            for cut in (8..bytes).step_by(8) {
                for (head, tail) in [(&new, &old), (&old, &new)] {
                    let splice = [&head[..cut], &tail[cut..]].concat();
                    // Only a cut last word may be equal by chance.
                    let may_be_whole = !bytes.is_multiple_of(8) && (splice == old || splice == new);
                    let what = format!("{bytes} bytes, {sequence} and {slots} later, cut at {cut}");
                    assert!(may_be_whole || check(&splice).is_err(), "{what}");
                }
            }
        }
    }
}

#[test]
fn every_cache_line_of_two_messages_differs_and_one_of_another_is_refused_with_its_place() {
    let (old, new) = (message(4096, 3, 90), message(4096, 3, 100));
    for line in (0..4096).step_by(64) {
        let mut mix = new.clone();
        mix[line..line + 64].copy_from_slice(&old[line..line + 64]);
        let stamped = Stamped { writer: 3, sequence: if line == 0 { 90 } else { 100 } };
        let offset = if line == 0 { 64 } else { line };
        assert_eq!(check(&mix), Err(Torn::Body { stamped, offset }));
    }
}

#[test]
fn memory_that_nothing_filled_is_no_message_and_neither_is_a_part_of_a_stamp() {
    for bytes in LENGTHS {
        for byte in [0x00, 0x5a, 0xff] {
            assert!(check(&vec![byte; bytes]).is_err(), "{bytes} bytes of {byte:#x}");
        }
    }
    assert_eq!(check(&[0; SHORTEST_BYTES - 1]), Err(Torn::TooShort { bytes: 7 }));
}

proptest! {
    #[test]
    fn what_is_filled_or_restamped_is_accepted_with_its_writer_and_sequence(
        bytes in 8_usize..3000,
        writer in 0_u32..1 << 16,
        sequences in prop::collection::vec(0_u64..1 << 40, 1..4),
    ) {
        let mut restamped = message(bytes, 0, 0);
        for sequence in sequences {
            restamp(&mut restamped, writer, sequence);
            prop_assert_eq!(check(&restamped), Ok(Stamped { writer, sequence }));
            prop_assert_eq!(&restamped, &message(bytes, writer, sequence));
        }
    }

    #[test]
    fn one_flipped_bit_is_refused(bytes in 16_usize..3000, sequence: u64, at: prop::sample::Index) {
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
        sequence in 0_u64..1 << 39,
        laps in prop::collection::vec(0_usize..3, 64),
    ) {
        let bytes = 8 * words + cut;
        let sources = [0, 1, 2].map(|lap| message(bytes, 1, sequence + 4 * lap));
        let mix: Vec<u8> = (0..bytes).map(|at| sources[laps[at / 8]][at]).collect();
        prop_assert!(check(&mix).is_err() || sources.contains(&mix));
    }
}
