//! What the interleaver asks about the machine, so that a test can answer in its place.

use std::io;
use std::time::Duration;

use crate::line::LineProbe;
use crate::others::OthersCpu;

/// The machine around a repetition.
pub trait Surroundings {
    /// The round trip of a cache line now, in ns.
    ///
    /// # Errors
    /// What the probe reports.
    fn line_nanos(&mut self) -> io::Result<f64>;

    /// A repetition is about to begin.
    ///
    /// # Errors
    /// What reading the counters reports.
    fn begin(&mut self) -> io::Result<()>;

    /// CPU time that others took since [`begin`](Self::begin).
    ///
    /// # Errors
    /// What reading the counters reports.
    fn others(&mut self) -> io::Result<Duration>;
}

/// The machine that we are on.
#[derive(Debug)]
pub struct ThisMachine {
    probe: LineProbe,
    before: Option<OthersCpu>,
}

impl ThisMachine {
    /// Probes with `probe`, whose cores should be those that the contestants use.
    pub const fn new(probe: LineProbe) -> Self {
        Self { probe, before: None }
    }
}

impl Surroundings for ThisMachine {
    fn line_nanos(&mut self) -> io::Result<f64> {
        Ok(self.probe.measure()?.median())
    }

    fn begin(&mut self) -> io::Result<()> {
        self.before = Some(OthersCpu::now()?);
        Ok(())
    }

    fn others(&mut self) -> io::Result<Duration> {
        let now = OthersCpu::now()?;
        Ok(self.before.as_ref().map_or(Duration::ZERO, |before| now.since(before)))
    }
}
