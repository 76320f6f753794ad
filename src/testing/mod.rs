//! What the models and the fuzz targets need beside the public API. Empty in every other build.

#[cfg(seqring_fuzz)]
pub mod fuzzing;
#[cfg(seqring_model)]
pub mod model;
