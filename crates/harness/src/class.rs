//! Which repetitions may be compared: the class of their cache-line round trip.
//!
//! The host moves virtual cores within seconds, between threads of one physical core, cores that
//! share an L3 and cores that do not. The same code then reads 33 or 600 million messages a second.
//! So a repetition carries the line round trip from before and after it, and only repetitions of
//! one class are compared.
//!
//! | [`LineClass`] | line round trip | the two cores |
//! |---|---|---|
//! | `SameCore` | < 45 ns | threads of one physical core |
//! | `Near` | 45 to 110 ns | share an L3 |
//! | `Far` | > 110 ns | do not |
//!
//! Before and after may agree although the cores moved away and back in between: nothing here
//! notices that. The spread of the runs does, so every run is reported.

use std::fmt;

/// Below it both ends run on one physical core: that reads 29 ns on [the project's machine](crate),
/// and the fastest reading of two cores that share an L3 is 60 ns. The bound is in the middle.
pub const SAME_CORE_BELOW_NANOS: f64 = 45.0;

/// Above it the line leaves the L3: cores that share one read 60 to 69 ns, others 325 ns. Nearer to
/// the lower one, because a near pair that is disturbed (110 and not 65) is no fair member of its
/// class either.
pub const FAR_ABOVE_NANOS: f64 = 110.0;

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

    /// The class of a line round trip of `nanos`.
    pub fn of(nanos: f64) -> Self {
        if nanos < SAME_CORE_BELOW_NANOS {
            Self::SameCore
        } else if nanos <= FAR_ABOVE_NANOS {
            Self::Near
        } else {
            Self::Far
        }
    }
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

    #[test]
    fn the_readings_of_the_project_machine_fall_into_three_classes() {
        let classes = [29.0, 60.0, 69.0, 325.0].map(LineClass::of);
        assert_eq!(classes, [LineClass::SameCore, LineClass::Near, LineClass::Near, LineClass::Far]);
    }

    #[test]
    fn the_bounds_themselves_are_near() {
        assert_eq!(LineClass::of(SAME_CORE_BELOW_NANOS), LineClass::Near);
        assert_eq!(LineClass::of(FAR_ABOVE_NANOS), LineClass::Near);
    }
}
