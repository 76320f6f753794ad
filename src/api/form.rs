//! The three forms of every verb: `try_x` does not wait, `x` waits, `x_timeout` waits for at most a
//! duration.
//!
//! [`forms!`] defines the three methods from one body, which is generic over [`Form`]:
//!
//! | method      | form               | nothing to read, or no room to write |
//! |-------------|--------------------|--------------------------------------|
//! | `x`         | [`Until::FOREVER`] | waits                                |
//! | `try_x`     | [`Now`]            | returns `Empty` or `Full`            |
//! | `x_timeout` | [`Until::within`]  | waits, then returns `TimedOut`       |

use crate::endpoint::wait;
use crate::types::error::{ReadError, TryReadError, TryWriteError, WriteError};
use std::time::{Duration, Instant};

/// Defines a verb in its three forms. The documentation is that of the waiting form; the others
/// refer to it.
macro_rules! forms {
    (
        $(#[doc = $doc:expr])* $(#[inline $(($inline:ident))?])?
        pub fn $x:ident, $try_x:ident, $x_timeout:ident $([$($generics:tt)+])?
        ($($receiver:tt)+) ($($argument:ident: $type:ty),*)
        -> Result<$ok:ty, $error:ident, $try_error:ident::$blocked:ident> = |$form:ident| $body:expr
    ) => {
        $(#[doc = $doc])*
        $(#[inline $(($inline))?])?
        pub fn $x $(<$($generics)+>)? ($($receiver)+, $($argument: $type),*) -> Result<$ok, $error> {
            let $form = $crate::api::form::Until::FOREVER;
            $body
        }

        #[doc = concat!("As [`", stringify!($x), "`](Self::", stringify!($x), "), without waiting.")]
        ///
        /// # Errors
        #[doc = concat!("As there, and [`", stringify!($try_error), "::", stringify!($blocked), "`].")]
        $(#[inline $(($inline))?])?
        pub fn $try_x $(<$($generics)+>)? ($($receiver)+, $($argument: $type),*) -> Result<$ok, $try_error> {
            let $form = $crate::api::form::Now;
            $body
        }

        #[doc = concat!("As [`", stringify!($x), "`](Self::", stringify!($x), "), waiting for at most `timeout`.")]
        ///
        /// # Errors
        #[doc = concat!("As there, and [`", stringify!($error), "::TimedOut`].")]
        pub fn $x_timeout $(<$($generics)+>)? (
            $($receiver)+,
            $($argument: $type,)*
            timeout: std::time::Duration,
        ) -> Result<$ok, $error> {
            let $form = $crate::api::form::Until::within(timeout);
            $body
        }
    };
}

pub(crate) use forms;

/// Whether and how long a call waits.
pub(crate) trait Form {
    /// Whether it waits at all.
    const WAITS: bool;
    /// The error of a call that reads or takes.
    type ReadError;
    /// The error of a call that writes.
    type WriteError;

    /// When the wait ends; `None` if never.
    fn deadline(&mut self) -> Option<Instant>;

    /// The error of a call whose last attempt to read ended with `error`.
    fn read_error(error: TryReadError, timed_out: impl FnOnce() -> ReadError) -> Self::ReadError;

    /// The error of a call whose last attempt to write ended with `error`.
    fn write_error(error: TryWriteError, timed_out: impl FnOnce() -> WriteError) -> Self::WriteError;
}

/// Does not wait.
pub(crate) struct Now;

impl Form for Now {
    const WAITS: bool = false;
    type ReadError = TryReadError;
    type WriteError = TryWriteError;

    fn deadline(&mut self) -> Option<Instant> {
        None
    }

    #[inline(always)]
    fn read_error(error: TryReadError, _: impl FnOnce() -> ReadError) -> TryReadError {
        error
    }

    #[inline(always)]
    fn write_error(error: TryWriteError, _: impl FnOnce() -> WriteError) -> TryWriteError {
        error
    }
}

/// Waits, possibly up to a point in time.
pub(crate) struct Until {
    /// The timeout, until the wait begins: a call that need not wait reads no clock.
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Until {
    pub(crate) const FOREVER: Until = Until { timeout: None, deadline: None };

    pub(crate) fn within(timeout: Duration) -> Self {
        Until { timeout: Some(timeout), deadline: None }
    }

    /// `None` waits without a limit.
    #[cfg(not(any(seqring_model, seqring_fuzz)))]
    pub(crate) fn at(deadline: Option<Instant>) -> Self {
        Until { timeout: None, deadline }
    }
}

impl Form for Until {
    const WAITS: bool = true;
    type ReadError = ReadError;
    type WriteError = WriteError;

    fn deadline(&mut self) -> Option<Instant> {
        if let Some(timeout) = self.timeout.take() {
            self.deadline = wait::deadline(timeout);
        }
        self.deadline
    }

    fn read_error(error: TryReadError, timed_out: impl FnOnce() -> ReadError) -> ReadError {
        match error {
            TryReadError::Empty => timed_out(),
            other => ReadError::from_try(other),
        }
    }

    fn write_error(error: TryWriteError, timed_out: impl FnOnce() -> WriteError) -> WriteError {
        match error {
            TryWriteError::Full => timed_out(),
            other => WriteError::from_try(other),
        }
    }
}
