//! Which repetitions may be compared: the class of their cache-line round trip.
//!
//! The host moves virtual cores within seconds, between threads of one physical core, cores that
//! share an L3 and cores that do not. The same code then reads 33 or 600 million messages a second.
//! So a repetition carries the line round trip from before and after it, and only repetitions of
//! one class are compared.
//!
//! | [`LineClass`] | the two cores |
//! |---|---|
//! | `SameCore` | threads of one physical core |
//! | `Near` | share an L3 |
//! | `Far` | do not |
//!
//! # Bounds
//! The readings of a class lie close together, and those of two classes far apart; where, depends
//! on the machine ([`Bounds`]). Both ends of the probe spin with PAUSE, so its length is the unit.
//! Within a core a round trip takes little more than one. Each of two transfers between cores takes
//! longer than one, and about ten where the line leaves the L3. So the classes part near
//! 2 and 6 pauses: in the widest gap that the readings leave there.
//!
//! Before and after may agree although the cores moved away and back in between: nothing here
//! notices that. The spread of the runs does, so every run is reported.

use crate::spread::median_of;
use std::fmt;
use std::hint::spin_loop;
use std::iter::once;
use std::time::Instant;

/// Near so many pauses the classes part.
const PARTINGS: [f64; 2] = [2.0, 6.0];

/// The bounds of the classes on a machine, in ns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    same_core_below: f64,
    far_above: f64,
}

impl Bounds {
    /// Those of a machine on which a PAUSE takes `pause` ns, by the line round trips read there.
    pub fn of(pause: f64, readings: impl IntoIterator<Item = f64>) -> Self {
        let mut readings: Vec<f64> = readings.into_iter().collect();
        readings.sort_by(f64::total_cmp);
        let [same_core_below, far_above] = PARTINGS.map(|pauses| widest_gap(pauses * pause, &readings));
        Self { same_core_below, far_above }
    }

    /// The class of a line round trip of `nanos`.
    pub fn class(self, nanos: f64) -> LineClass {
        if nanos < self.same_core_below {
            LineClass::SameCore
        } else if nanos <= self.far_above {
            LineClass::Near
        } else {
            LineClass::Far
        }
    }
}

/// The middle of the widest gap between sorted `readings`, from half of `centre` to its double.
fn widest_gap(centre: f64, readings: &[f64]) -> f64 {
    let (low, high) = (centre / 2.0, centre * 2.0);
    let inside = readings.iter().copied().filter(|reading| (low..high).contains(reading));
    let marks: Vec<f64> = once(low).chain(inside).chain(once(high)).collect();
    let widest = marks.windows(2).max_by(|one, other| (one[1] / one[0]).total_cmp(&(other[1] / other[0])));
    widest.map_or(centre, |gap| (gap[0] * gap[1]).sqrt())
}

/// How long a PAUSE takes on this core, in ns.
///
/// # Cost
/// About 0.2 ms.
pub fn pause_nanos() -> f64 {
    const PAUSES: u32 = 1000;
    let mean = || {
        let begin = Instant::now();
        (0..PAUSES).for_each(|_| spin_loop());
        begin.elapsed().as_nanos() as f64 / f64::from(PAUSES)
    };
    median_of(&[(); 9].map(|()| mean())).unwrap_or(f64::NAN)
}

/// How far apart two cores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineClass {
    /// Two threads of one physical core.
    SameCore,
    /// Two cores that share an L3.
    Near,
    /// Two cores that do not.
    Far,
}

impl LineClass {
    /// Every class, nearest first.
    pub const ALL: [Self; 3] = [Self::SameCore, Self::Near, Self::Far];
}

impl fmt::Display for LineClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SameCore => "same core",
            Self::Near => "near",
            Self::Far => "far",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(pause: f64, readings: [f64; 6]) -> [LineClass; 6] {
        let bounds = Bounds::of(pause, readings);
        readings.map(|nanos| bounds.class(nanos))
    }

    #[test]
    fn readings_of_each_machine_fall_into_its_own_classes() {
        use LineClass::{Far, Near, SameCore};
        let three_of_two = [SameCore, SameCore, Near, Near, Far, Far];
        assert_eq!(classes(26.5, [29.0, 31.0, 60.0, 92.0, 368.0, 540.0]), three_of_two, "Zen 3");
        assert_eq!(classes(15.0, [16.0, 18.0, 43.0, 56.0, 340.0, 440.0]), three_of_two, "Zen 5");
        assert_eq!(classes(45.0, [50.0, 60.0, 110.0, 150.0, 300.0, 400.0]), three_of_two, "Skylake");
        let near = [60.0, 61.0, 62.0, 63.0, 64.0, 65.0];
        assert_eq!(classes(26.5, near), [Near; 6], "one class is not split");
        assert_eq!(classes(26.5, near.map(|nanos| 6.0 * nanos)), [Far; 6]);
    }

    #[test]
    fn a_bound_lies_between_readings() {
        let bounds = Bounds::of(25.0, [28.0, 60.0, 90.0, 310.0]);
        assert!(28.0 < bounds.same_core_below && bounds.same_core_below < 60.0);
        assert!(90.0 < bounds.far_above && bounds.far_above < 310.0);
        assert!(pause_nanos() > 0.0);
    }
}
