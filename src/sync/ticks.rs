//! A clock that is cheap enough to be read by each call that finds nothing to do.

/// Remembers when it last said that time may have passed.
#[derive(Debug, Default)]
pub(crate) struct Ticks(#[cfg(all(target_arch = "x86_64", not(seqring_model)))] u32);

impl Ticks {
    /// Whether some milliseconds may have passed since it last returned true.
    ///
    /// # Cost
    /// On x86-64 a load of the time-stamp counter and a comparison. With a counter of 1 to 5 GHz it
    /// returns true once in 17 to 3 ms. Elsewhere it always returns true.
    #[cfg(all(target_arch = "x86_64", not(any(seqring_model, seqring_transfers))))]
    #[inline(always)]
    pub(crate) fn may_have_passed(&mut self) -> bool {
        #[allow(unsafe_code, reason = "every x86-64 processor has the counter")]
        // SAFETY: the instruction reads a counter, nothing else.
        let now = (unsafe { std::arch::x86_64::_rdtsc() } >> 24) as u32;
        let passed = now != self.0;
        if passed {
            self.0 = now;
        }
        passed
    }

    #[cfg(not(all(target_arch = "x86_64", not(any(seqring_model, seqring_transfers)))))]
    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as on x86-64")]
    pub(crate) fn may_have_passed(&mut self) -> bool {
        // A simulation has no clock, and its counts repeat exactly.
        !cfg!(seqring_transfers)
    }
}
