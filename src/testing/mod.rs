//! What the models, the fuzz targets and the litmus tests need beside the public API, and tests
//! that need more than that. Empty in every other build.

#[cfg(seqring_fuzz)]
pub mod fuzzing;
#[cfg(seqring_litmus)]
pub mod litmus;
#[cfg(seqring_model)]
pub mod model;
#[cfg(all(test, target_os = "linux", not(any(seqring_model, seqring_fuzz))))]
mod wakes;
