//! Rings for threads or for processes, and that they are closed whatever happens.

use harness::peer::Peers;
use seqring::{Config, Ring};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A ring, and the name by which a child opens it.
pub(crate) struct SharedRing {
    pub(crate) ring: Ring,
    pub(crate) name: Option<String>,
}

impl SharedRing {
    /// A ring on the heap for threads, or in /dev/shm for processes.
    pub(crate) fn create(peers: Peers, config: &Config) -> Result<Self, String> {
        static CREATED: AtomicUsize = AtomicUsize::new(0);
        let failed = |error: seqring::RingError| error.to_string();
        match peers {
            Peers::Threads => Ok(Self { ring: Ring::heap(config).map_err(failed)?, name: None }),
            Peers::Processes => {
                // Relaxed: a number of its own for each name, orders nothing.
                let number = CREATED.fetch_add(1, Ordering::Relaxed);
                let name = format!("reach-{}-{number}", std::process::id());
                Ok(Self { ring: Ring::create(&name, config).map_err(failed)?, name: Some(name) })
            }
        }
    }

    /// Opens a ring that the parent created.
    pub(crate) fn open(name: &str) -> Result<Self, String> {
        let ring = Ring::open(name).map_err(|error| error.to_string())?;
        Ok(Self { ring, name: Some(name.into()) })
    }
}

/// Closes rings when one end is done or has failed: the other end learns of it and ends, too.
pub(crate) struct Closing<'a>(pub(crate) &'a [SharedRing]);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        for shared in self.0 {
            shared.ring.close();
        }
    }
}
