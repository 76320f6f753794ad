//! The latest value: a sensor that writes at its own pace, and a control loop that needs the newest
//! sample at each of its steps, and the last one again where there is no newer one.
//!
//! `cargo run --release --example latest_value`

use seqring::zerocopy::{FromBytes, Immutable, IntoBytes};
use seqring::{Config, Delivery, Reader, Ring, Start, TryReadError};
use std::error::Error;
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[zerocopy(crate = "seqring::zerocopy")]
#[repr(C)]
struct Pose {
    step: u64,
    position: [f32; 2],
}

/// The newest sample, if there is one that was not returned before.
fn newest(reader: &mut Reader) -> Result<Option<Pose>, Box<dyn Error>> {
    loop {
        reader.skip_to_newest();
        match reader.typed::<Pose>()?.try_read() {
            Ok(pose) => return Ok(Some(pose)),
            Err(TryReadError::Empty | TryReadError::Closed) => return Ok(None),
            Err(TryReadError::Lagged(_)) => {} // Overwritten since: there is a newer one.
            Err(error) => return Err(error.into()),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Two slots would do; with more, a reader is rarely overtaken while it copies.
    let ring = Ring::heap(&Config::slots(8).of::<Pose>().delivery(Delivery::Lossy))?;
    let (mut sensor, mut reader) = (ring.writer()?, ring.reader(Start::Newest)?);
    let sampling = thread::spawn(move || {
        for step in 1..=1000 {
            let position = [step as f32, -(step as f32)];
            sensor
                .typed::<Pose>()
                .expect("a ring of poses")
                .write(&Pose { step, position })
                .expect("it is open");
            thread::sleep(Duration::from_micros(100));
        }
    });
    let (mut pose, mut steps, mut new) = (Pose::default(), 0, 0);
    while pose.step < 1000 {
        if let Some(newer) = newest(&mut reader)? {
            assert!(newer.step > pose.step, "an older sample");
            pose = newer;
            new += 1;
        }
        steps += 1; // Control, by `pose`.
        thread::sleep(Duration::from_millis(1));
    }
    sampling.join().expect("the sensor does not panic");
    println!("{steps} control steps, {new} of them with a new sample; the last is {pose:?}");
    Ok(())
}
