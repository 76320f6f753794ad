//! The configuration of zenoh: its own file, or defaults that reach no further than they are asked
//! to.

use std::path::Path;
use zenoh::Config;

/// Where a server listens, and a mirror connects, if neither flag nor file says otherwise: on this
/// host only.
pub const LOOPBACK: &str = "tcp/127.0.0.1:7447";

/// A configuration that listens at `listen`, connects to `connect`, and looks for no other node.
/// A node that listens nowhere is a client of those that it connects to: `zenoh::open` fails after
/// a second if it reaches none. Later it connects again by itself.
///
/// # Errors
/// zenoh's, for an endpoint that is none.
pub fn config(listen: &[String], connect: &[String]) -> zenoh::Result<Config> {
    let mode = if listen.is_empty() { "client" } else { "peer" };
    with_defaults(mode, listen, connect)
}

/// The configuration of a node to which servers and mirrors of several hosts connect.
///
/// # Errors
/// As [`config`].
pub fn router(listen: &[String], connect: &[String]) -> zenoh::Result<Config> {
    with_defaults("router", listen, connect)
}

fn with_defaults(mode: &str, listen: &[String], connect: &[String]) -> zenoh::Result<Config> {
    let mut config = Config::default();
    let listen = endpoints(listen);
    let connect = endpoints(connect);
    for (key, value) in [
        ("mode", format!("{mode:?}").as_str()),
        ("listen/endpoints", &listen),
        ("connect/endpoints", &connect),
        // A node that is not there yet is waited for: in the background, unless it is all there is.
        ("connect/timeout_ms", "{ router: -1, peer: -1, client: 1000 }"),
        ("connect/exit_on_failure", "{ router: false, peer: false, client: true }"),
        ("connect/retry", "{ period_init_ms: 50, period_max_ms: 500, period_increase_factor: 2 }"),
        ("open/return_conditions/connect_scouted", "false"),
        ("scouting/multicast/enabled", "false"),
        ("scouting/gossip/enabled", "false"),
        // A host that is gone without a word is gone after two seconds.
        ("transport/link/tx/lease", "2000"),
    ] {
        config.insert_json5(key, value)?;
    }
    Ok(config)
}

/// zenoh's own file, without any of the defaults above.
///
/// # Errors
/// zenoh's, if the file cannot be read or is no configuration.
pub fn file(path: &Path) -> zenoh::Result<Config> {
    Config::from_file(path)
}

fn endpoints(endpoints: &[String]) -> String {
    let quoted: Vec<_> = endpoints.iter().map(|endpoint| format!("{endpoint:?}")).collect();
    format!("[{}]", quoted.join(", "))
}
