//! The core uses of a ring. Each succeeds or returns an error, whatever the system refuses.
//!
//! `scripts/surroundings` runs this program where there is no /proc, no room, no permission and so
//! on, and prints what happens. Run by itself, on an ordinary system, every use must succeed.
//!
//! It has no test harness: it must run with closed output, few descriptors and little memory. Where
//! there is no Linux it does nothing.
#![allow(missing_docs, unsafe_code)]

#[cfg(target_os = "linux")]
mod uses;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return uses::run();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
