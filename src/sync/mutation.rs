//! Steps of recovery that a test build can leave out, to see that whoever tests recovery misses them.
//!
//! In the product nothing is left out, and nothing is asked. With `--cfg seqring_unsound` the environment variable
//! `SEQRING_OMIT` names the step; a model is told by [`omit`](crate::testing::model::omit).

/// A step without which somebody who died leaves something behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(seqring_model), expect(unreachable_pub, reason = "public in the model build"))]
pub enum Step {
    /// Whoever waits looks whether those it waits for are dead.
    LookForTheDead,
    /// A dead reader's cursor holds nobody back.
    VacateReader,
    /// A dead last writer's stream ends.
    EndStream,
    /// A death is written down before its verdict is replaced.
    KeepDeath,
    /// A writer starts where the slots say that its predecessor got to, not where the counter does.
    LookAtSlots,
    /// The one writer's successor takes the buffer that no slot names.
    FindMissingBuffer,
    /// One of many: what a dead owner's entry owns is found out.
    SettleExchange,
    /// Whoever moves the counter for somebody else bears witness first.
    Witness,
    /// The counter is moved for somebody who does not.
    HelpCounter,
}

#[cfg(seqring_model)]
impl Step {
    /// All of them, for the table of the models.
    pub const ALL: [Step; 9] = [
        Step::LookForTheDead,
        Step::VacateReader,
        Step::EndStream,
        Step::KeepDeath,
        Step::LookAtSlots,
        Step::FindMissingBuffer,
        Step::SettleExchange,
        Step::Witness,
        Step::HelpCounter,
    ];
}

#[cfg(seqring_model)]
pub use imp::omit;
pub(crate) use imp::omits;

#[cfg(not(any(seqring_unsound, seqring_model)))]
mod imp {
    #[inline(always)]
    pub(crate) const fn omits(_: super::Step) -> bool {
        false
    }
}

#[cfg(all(seqring_unsound, not(seqring_model)))]
mod imp {
    use super::Step;
    use std::sync::OnceLock;

    pub(crate) fn omits(step: Step) -> bool {
        static OMITTED: OnceLock<Option<String>> = OnceLock::new();
        let omitted = OMITTED.get_or_init(|| std::env::var("SEQRING_OMIT").ok());
        omitted.as_deref() == Some(&format!("{step:?}"))
    }
}

#[cfg(seqring_model)]
mod imp {
    use super::Step;
    use std::sync::OnceLock;

    static OMITTED: OnceLock<Step> = OnceLock::new();

    /// Leaves a step out of every model that this process runs from now on. Once a process.
    ///
    /// # Panics
    /// The second time.
    pub fn omit(step: Step) {
        OMITTED.set(step).expect("one step a process");
    }

    pub(crate) fn omits(step: Step) -> bool {
        OMITTED.get() == Some(&step)
    }
}
