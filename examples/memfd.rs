//! An anonymous ring: its memory is sent to another process as a descriptor, through a Unix socket.
//! No other process can find it, no process can shrink it, and it leaves nothing behind, even if
//! its users are killed.
//!
//! `cargo run --release --example memfd`

use seqring::process::{receive_descriptor, send_descriptor};
use seqring::{Config, Ring, Start};
use std::error::Error;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        None => write(),
        Some(socket) => read(&socket),
    }
}

fn write() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("seqring-memfd-example-{}", std::process::id()));
    let listener = UnixListener::bind(&path)?;
    let mut child = Command::new(std::env::current_exe()?).arg(&path).spawn()?;

    let ring = Ring::anonymous(&Config::slots(8).of_bytes(64))?;
    let (socket, _) = listener.accept()?;
    send_descriptor(&socket, ring.descriptor()?)?;
    std::fs::remove_file(&path)?;
    receive_descriptor(&socket).expect_err("the reader closes the socket when it has registered");

    let mut writer = ring.writer()?;
    for n in 0..1000_u32 {
        writer.write(&n.to_le_bytes())?;
    }
    drop(writer); // The stream ends.
    assert!(child.wait()?.success());
    Ok(())
}

fn read(socket: &str) -> Result<(), Box<dyn Error>> {
    let socket = UnixStream::connect(socket)?;
    let ring = Ring::from_descriptor(receive_descriptor(&socket)?)?;
    let mut reader = ring.reader(Start::Next)?;
    drop(socket);
    let messages = reader.messages().collect::<Result<Vec<_>, _>>()?;
    println!("{} messages through an anonymous ring", messages.len());
    assert_eq!(messages.len(), 1000);
    Ok(())
}
