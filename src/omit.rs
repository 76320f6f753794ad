//! Steps of recovery that a test build can leave out, to see that whoever tests recovery misses them.
//!
//! In the product nothing is left out, and nothing is asked. With `--cfg seqring_unsound` the environment variable
//! `SEQRING_OMIT` names the step.

/// A step without which somebody who died leaves something behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
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

#[cfg(not(seqring_unsound))]
#[inline(always)]
pub(crate) const fn omits(_: Step) -> bool {
    false
}

#[cfg(seqring_unsound)]
pub(crate) fn omits(step: Step) -> bool {
    static OMITTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let omitted = OMITTED.get_or_init(|| std::env::var("SEQRING_OMIT").ok());
    omitted.as_deref() == Some(&format!("{step:?}"))
}
