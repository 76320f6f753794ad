//! The example of TLS: `tls.json5`, with the certificates of `tls-certificates`.

use crate::common::{Found, Process, free_port, fresh, open, source, write};
use seqring::{Delivery, Ring};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A directory with certificates, which is removed on drop.
struct Certificates(PathBuf);

impl Certificates {
    fn make() -> Self {
        let directory = std::env::temp_dir().join(fresh("tls"));
        fs::create_dir(&directory).unwrap();
        let script = Path::new(HERE).join("tls-certificates");
        let status = Command::new(script).arg(&directory).arg("127.0.0.1").status().unwrap();
        assert!(status.success(), "openssl makes the certificates");
        Certificates(directory)
    }

    /// The example's file, with these changes.
    fn config(&self, name: &str, changes: &[(&str, &str)]) -> String {
        let mut text = fs::read_to_string(Path::new(HERE).join("tls.json5")).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} is in the example");
            text = text.replace(from, to);
        }
        let own = self.0.to_str().unwrap();
        text = text.replace("\"ca.pem", &format!("\"{own}/ca.pem"));
        for file in ["server.pem", "server-key.pem", "client.pem", "client-key.pem"] {
            text = text.replace(&format!("\"{file}"), &format!("\"{own}/{file}"));
        }
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().into()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // It is in a temporary directory.
    }
}

/// Fails if the example does not work, or if a mirror without a certificate is let in.
#[test]
fn a_link_over_tls_needs_certificates_on_both_sides() {
    let (near, far, port) = (fresh("near"), fresh("far"), free_port());
    let certificates = Certificates::make();
    let at = format!("tls/127.0.0.1:{port}");
    let serving = certificates.config("serve.json5", &[("tls/0.0.0.0:7447", &at)]);
    let connect =
        [("mode: \"peer\"", "mode: \"client\""), ("listen: {", "connect: {"), ("tls/0.0.0.0:7447", &at)];
    let following = certificates.config("mirror.json5", &connect);
    let without = [
        &connect[..],
        &[("connect_certificate: \"client.pem\",", ""), ("connect_private_key: \"client-key.pem\",", "")],
    ];
    let stranger = certificates.config("stranger.json5", &without.concat());
    let ring = Ring::create(&near, &source(Delivery::Gated, 8)).unwrap();
    let _server = Process::serve(&near, &["--lossless", "--config", &serving]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_seqring-mirror"));
    let refused = command.args(["mirror", &near, "--as", &far, "--config", &stranger]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!text.contains("PRIVATE KEY"), "{text}");
    let _mirror = Process::mirror(&near, &far, &["--config", &following]);
    let mut writer = ring.writer().unwrap();
    let (_far_ring, mut reader) = open(&far);
    let mut found = Found::default();
    write(&mut writer);
    found.read_to(&mut reader, 1);
    assert_eq!((found.read, found.lost), (1, 0));
}
