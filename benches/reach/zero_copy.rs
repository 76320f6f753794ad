//! Row: claim and view move a message without copying it.
//!
//! Shown twice. In one process the address that the writer fills is compared with the address that
//! the reader is shown: the same, for every message. Between processes (where addresses differ)
//! messages of 4 KiB and of 1 MiB are passed of which only the first word is touched: a copy
//! anywhere would make the larger ones some hundred times slower.

use crate::streams::{interleave, spec};
use crate::text;
use engines::seqring::{Arena, Shaped};
use harness::content::Large;
use harness::drive::{Candidate, Peers, Stream, Transfer, Wait};
use harness::ring_spec::Delivery;
use harness::table::judge::{Bound, by_ratio};
use harness::table::{Finding, Row};
use seqring::{Config, Ring, SlotClass, Start};

const NAME: &str = "zero-copy";
const SLOTS: usize = 4;
const SMALL: usize = 4 << 10;
const LARGE: usize = 1 << 20;
const COMPARED: u64 = 1000;

pub(crate) fn row() -> Row {
    let what = format!(
        "claim, fill the first word, publish; view, read the word. Arena, {SLOTS} slots, gated. One process: \
         addresses compared. Two processes, /dev/shm, pinned: {LARGE} B against {SMALL} B, the rest untouched"
    );
    let required =
        "the same addresses, every view in place, and 1 MiB at >= 0.8 x the rate of 4 KiB (a copy: < 0.02 x)";
    let candidates = vec![first_word::<SMALL>("4 KiB"), first_word::<LARGE>("1 MiB")];
    Row::of_candidates(NAME, what, required, candidates, |session, candidates| {
        compare_addresses()?;
        let record = interleave(session, (NAME, "M msg/s"), None, candidates)?;
        let Finding { verdict, measured } = by_ratio(session, &record, Bound::at_least(0.8), "M msg/s")?;
        let measured =
            format!("{measured}; {COMPARED} of {COMPARED} addresses the same, every view in place");
        Ok(Finding { verdict, measured })
    })
}

fn first_word<const BYTES: usize>(name: &'static str) -> Candidate {
    let stream = Stream { peers: Peers::Processes, ..Stream::new(spec(SLOTS, BYTES, Delivery::Gated)) };
    Candidate::stream::<Shaped<Arena>, Large<BYTES, BYTES>>(stream, &[Wait::Pauses(4)])
        .only(Transfer::InPlace)
        .named(name)
}

fn compare_addresses() -> Result<(), String> {
    let ring =
        Ring::heap(&Config::slots(SLOTS).of_bytes(LARGE).slot_class(SlotClass::Arena)).map_err(text)?;
    let (mut reader, mut writer) = (ring.reader(Start::Next).map_err(text)?, ring.writer().map_err(text)?);
    for number in 0..COMPARED {
        let mut claim = writer.try_claim(LARGE).map_err(text)?;
        let bytes = &mut claim[..];
        let filled = bytes.as_ptr();
        claim.publish().map_err(text)?;
        let view = reader.try_view().map_err(text)?;
        if !view.is_in_place() || view.as_ptr() != filled {
            return Err(format!("message {number} was filled at one place and shown at another"));
        }
    }
    Ok(())
}
