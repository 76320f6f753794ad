//! Rings of [`seqring`] on another host, over [zenoh](https://zenoh.io).
//!
//! A *server* reads a ring on its host, and a *mirror* on another host publishes the same messages,
//! under the same numbers, in a ring there. Readers of the mirror's ring need no other code than
//! readers of the source. `README.md` describes what is promised, and what is not.
//!
//! ```no_run
//! use mirror::{FollowOptions, ServeOptions, follow, serve, session};
//! use seqring::Location;
//! use zenoh::Wait;
//!
//! // On the host with the ring `camera`:
//! let listening = zenoh::open(session::config(&["tcp/10.0.0.1:7447".into()], &[])?).wait()?;
//! let server = serve(&listening, "camera", ServeOptions::default())?;
//!
//! // On the other host:
//! let connected = zenoh::open(session::config(&[], &["tcp/10.0.0.1:7447".into()])?).wait()?;
//! let location = Location::named("camera");
//! let mirror = follow(&connected, "camera", location.clone(), FollowOptions::of(&location))?;
//! mirror.join()?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! # Layers
//! `wire` has the bytes of the link; `source` reads a ring into frames, and `sink` writes frames to
//! a ring; `server` and `follower` join them by a zenoh session.

mod error;
mod follower;
mod host;
mod origin;
mod server;
pub mod session;
mod sink;
mod source;
mod wire;

pub use error::Error;
pub use follower::{FollowOptions, Follower, follow};
pub use origin::{ORIGIN_WORDS, Origin};
pub use server::{ServeOptions, Server, serve};
pub use wire::Malformed;
