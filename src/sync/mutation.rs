//! Steps of recovery that a test build can leave out, to see that whoever tests recovery misses them.
//!
//! In the product nothing is left out, and nothing is asked. With `--cfg seqring_mutations` the environment variable
//! `SEQRING_MUTATION` names the step; a model is told by [`activate`](crate::testing::model::activate).

/// A step without which somebody who died leaves something behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(seqring_model), expect(unreachable_pub, reason = "public in the model build"))]
pub enum Mutation {
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
impl Mutation {
    /// All of them, for the table of the models.
    pub const ALL: [Mutation; 9] = [
        Mutation::LookForTheDead,
        Mutation::VacateReader,
        Mutation::EndStream,
        Mutation::KeepDeath,
        Mutation::LookAtSlots,
        Mutation::FindMissingBuffer,
        Mutation::SettleExchange,
        Mutation::Witness,
        Mutation::HelpCounter,
    ];
}

#[cfg(seqring_model)]
pub use imp::activate;
pub(crate) use imp::is_active;

#[cfg(not(any(seqring_mutations, seqring_model)))]
mod imp {
    #[inline(always)]
    pub(crate) const fn is_active(_: super::Mutation) -> bool {
        false
    }
}

#[cfg(all(seqring_mutations, not(seqring_model)))]
mod imp {
    use super::Mutation;
    use std::sync::OnceLock;

    pub(crate) fn is_active(step: Mutation) -> bool {
        static OMITTED: OnceLock<Option<String>> = OnceLock::new();
        let omitted = OMITTED.get_or_init(|| std::env::var("SEQRING_MUTATION").ok());
        omitted.as_deref() == Some(&format!("{step:?}"))
    }
}

#[cfg(seqring_model)]
mod imp {
    use super::Mutation;
    use std::sync::OnceLock;

    static OMITTED: OnceLock<Mutation> = OnceLock::new();

    /// Leaves a step out of every model that this process runs from now on. Once a process.
    ///
    /// # Panics
    /// The second time.
    pub fn activate(step: Mutation) {
        OMITTED.set(step).expect("one step a process");
    }

    pub(crate) fn is_active(step: Mutation) -> bool {
        OMITTED.get() == Some(&step)
    }
}
