//! The five scenarios of the package `ringbuffer`.

/// What a scenario sets; a flag on the command line overrides its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scenario {
    pub(crate) slot_bytes: usize,
    pub(crate) slots: usize,
    pub(crate) writes_per_second: u64,
    pub(crate) readers: usize,
    pub(crate) burn_milliseconds: u64,
    pub(crate) verify: bool,
    pub(crate) duration_seconds: f64,
}

/// 1 MB, as that package counts it.
const MB: usize = 1_000_000;

/// What holds without `--scenario`: one reader, as fast as it goes.
pub(crate) const DEFAULT: Scenario = Scenario {
    slot_bytes: MB,
    slots: 10,
    writes_per_second: 0,
    readers: 1,
    burn_milliseconds: 0,
    verify: true,
    duration_seconds: 10.0,
};

/// One to five, in their order.
const SCENARIOS: [Scenario; 5] = [
    // A camera and a few readers.
    Scenario { slots: 50, writes_per_second: 24, readers: 5, ..DEFAULT },
    // A camera and many readers.
    Scenario { writes_per_second: 24, readers: 100, ..DEFAULT },
    // Many small frames for one reader.
    Scenario { writes_per_second: 2000, ..DEFAULT },
    // Large frames: the time goes into the copies, so nothing else is done with the bytes.
    Scenario { slot_bytes: 100 * MB, slots: 3, writes_per_second: 24, verify: false, ..DEFAULT },
    // Readers that are slower than the camera: 10 a second of its 24.
    Scenario { writes_per_second: 24, readers: 4, burn_milliseconds: 100, duration_seconds: 3.0, ..DEFAULT },
];

impl Scenario {
    /// The scenario of that number, from 1; `None` is the default.
    pub(crate) fn numbered(number: Option<u8>) -> Option<Self> {
        match number {
            None => Some(DEFAULT),
            Some(number) => SCENARIOS.get(usize::from(number).checked_sub(1)?).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_count_from_one_to_five() {
        assert_eq!(Scenario::numbered(Some(0)), None);
        assert_eq!(Scenario::numbered(Some(1)).unwrap().slots, 50);
        assert_eq!(Scenario::numbered(Some(5)).unwrap().burn_milliseconds, 100);
        assert_eq!(Scenario::numbered(Some(6)), None);
        assert_eq!(Scenario::numbered(None), Some(DEFAULT));
    }
}
