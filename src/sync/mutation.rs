//! Mutations: steps of recovery that a test build leaves out, to check that the tests of recovery
//! fail without them.
//!
//! In the product [`is_active`] is a constant false. With `--cfg seqring_mutations` the environment
//! variable `SEQRING_MUTATION` names the step; a model chooses it by
//! `testing::model::activate`.

/// A step that recovery after a death needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(seqring_model), expect(unreachable_pub, reason = "public in the model build"))]
pub enum Mutation {
    /// A waiter checks whether the participants it waits for are dead.
    DetectDeaths,
    /// A dead reader's cursor stops holding writers back.
    VacateReader,
    /// A dead last writer's stream ends.
    EndStream,
    /// A death is recorded before the stream's state is replaced.
    RecordDeath,
    /// A writer starts behind the last message in the slots, not at the counter.
    ScanSlots,
    /// The one writer's successor takes the buffer that no slot names.
    FindMissingBuffer,
    /// Multi-writer: the survivor finds out which buffer a dead owner's entry owns.
    SettleExchange,
    /// A participant stores itself as owner of the buffer that it got.
    RecordOwner,
    /// A participant that lost an exchange records that it is idle again.
    RecordLoss,
    /// The survivor searches the intents for one that displaces a dead owner's buffer.
    FindDisplacer,
    /// It compares the aim of such an intent.
    CompareAim,
}

#[cfg(seqring_model)]
impl Mutation {
    /// All of them, for the table of the models.
    pub const ALL: [Mutation; 11] = [
        Mutation::DetectDeaths,
        Mutation::VacateReader,
        Mutation::EndStream,
        Mutation::RecordDeath,
        Mutation::ScanSlots,
        Mutation::FindMissingBuffer,
        Mutation::SettleExchange,
        Mutation::RecordOwner,
        Mutation::RecordLoss,
        Mutation::FindDisplacer,
        Mutation::CompareAim,
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

    pub(crate) fn is_active(mutation: Mutation) -> bool {
        static ACTIVE: OnceLock<Option<String>> = OnceLock::new();
        let active = ACTIVE.get_or_init(|| std::env::var("SEQRING_MUTATION").ok());
        active.as_deref() == Some(&format!("{mutation:?}"))
    }
}

#[cfg(seqring_model)]
mod imp {
    use super::Mutation;
    use std::sync::OnceLock;

    static ACTIVE: OnceLock<Mutation> = OnceLock::new();

    /// Applies a mutation to every model that this process runs from now on. Once a process.
    ///
    /// # Panics
    /// The second time.
    pub fn activate(mutation: Mutation) {
        ACTIVE.set(mutation).expect("one mutation a process");
    }

    pub(crate) fn is_active(mutation: Mutation) -> bool {
        ACTIVE.get() == Some(&mutation)
    }
}
