//! What a message costs where nobody contends: one thread writes it and reads it.

use crate::engines::{EngineName, Task};
use harness::engine::{Engine, EngineReader, EngineWriter};
use harness::pin::{CorePair, pin_to};
use harness::ring_spec::{Delivery, Place, RingSpec, Writers};
use std::error::Error;
use std::time::{Duration, Instant};

const SLOTS: usize = 64;
const MESSAGES_BETWEEN_CLOCKS: u64 = 256;

/// Nanoseconds for writing and reading one message of `bytes`.
///
/// # Errors
/// In words: what the engine reports.
pub(crate) fn nanos_a_message(engine: EngineName, bytes: usize, duration: Duration) -> Result<f64, String> {
    // A thread of its own: it is tied to a core, and the caller is not.
    let measured = std::thread::spawn(move || {
        pin_to(CorePair::first_allowed()?.ours())?;
        engine.run(Alone { bytes, duration })
    });
    let measured = measured.join().map_err(|_| "the measurement panicked")?;
    measured.map_err(|error| error.to_string())
}

struct Alone {
    bytes: usize,
    duration: Duration,
}

impl Task for Alone {
    type Output = Result<f64, Box<dyn Error + Send + Sync>>;

    fn run<E: Engine + 'static>(self) -> Self::Output {
        let spec = RingSpec {
            slots: SLOTS,
            slot_bytes: self.bytes,
            delivery: Delivery::Gated,
            writers: Writers::One,
            readers: 1,
        };
        let ring = E::create(&spec, &Place::Heap)?;
        let (mut reader, mut writer) = (ring.reader()?, ring.writer()?);
        let (mut message, mut buffer) = (vec![7; self.bytes], vec![0; self.bytes]);
        let mut lap = |messages: u64| -> Result<(), Box<dyn Error + Send + Sync>> {
            for n in 0..messages {
                message[..8].copy_from_slice(&n.to_le_bytes());
                writer.try_write(&message)?;
                reader.try_read(&mut buffer)?;
                if buffer[..8] != n.to_le_bytes() {
                    return Err("another message came".into());
                }
            }
            Ok(())
        };
        lap(MESSAGES_BETWEEN_CLOCKS)?;
        let (begin, mut messages) = (Instant::now(), 0);
        while begin.elapsed() < self.duration {
            lap(MESSAGES_BETWEEN_CLOCKS)?;
            messages += MESSAGES_BETWEEN_CLOCKS;
        }
        Ok(begin.elapsed().as_nanos() as f64 / messages as f64)
    }
}
