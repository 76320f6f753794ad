//! Requests and responses between processes: one queue of requests for all servers, and one ring of
//! responses for each client. A request's tag names the client and the request.
//!
//! `cargo run --release --example request_response`

use seqring::{Config, Delivery, MessageHeader, ReadError, Ring, Start};
use std::error::Error;
use std::process::{Child, Command};
use std::thread;

const CLIENTS: u64 = 2;
const SERVERS: usize = 2;
const REQUESTS: u64 = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(id) = std::env::args().nth(1) {
        return serve(&id);
    }
    let id = std::process::id().to_string();
    let requests = Ring::create(
        format!("requests-{id}"),
        &Config::slots(64).of_bytes(8).delivery(Delivery::Queue).tag(true),
    )?;
    // Servers write to each ring of responses: many writers.
    let config = Config::slots(64).of_bytes(8).writers(seqring::Writers::Many).tag(true);
    let responses = (0..CLIENTS).map(|client| Ring::create(format!("responses-{client}-{id}"), &config));
    let responses = responses.collect::<Result<Vec<_>, _>>()?;
    // All clients have a writer before the first leaves: a queue without a writer is closed.
    let writers = responses.iter().map(|_| requests.writer()).collect::<Result<Vec<_>, _>>()?;
    let start = |_| Command::new(std::env::current_exe()?).arg(&id).spawn();
    let mut servers = (0..SERVERS).map(start).collect::<Result<Vec<Child>, _>>()?;

    let clients = (0..).zip(responses.iter().zip(writers)).map(|(client, (responses, mut writer))| {
        let mut reader = responses.reader(Start::Next)?;
        Ok(thread::spawn(move || -> Result<(), ReadError> {
            for n in 0..REQUESTS {
                let header = MessageHeader { tag: client << 32 | n, metadata: &[] };
                writer.write_with(&n.to_le_bytes(), &header).expect("the queue is open");
                let mut out = [0; 8];
                let response = reader.read(&mut out)?;
                assert_eq!((response.tag, u64::from_le_bytes(out)), (header.tag, n * n));
            }
            Ok(())
        }))
    });
    let clients = clients.collect::<Result<Vec<_>, seqring::RegisterError>>()?;
    for client in clients {
        client.join().expect("no client panics")?;
    }
    for server in &mut servers {
        assert!(server.wait()?.success()); // The clients' writers have left: the queue is closed.
    }
    println!("{CLIENTS} clients got {REQUESTS} responses each from {SERVERS} servers");
    Ok(())
}

fn serve(id: &str) -> Result<(), Box<dyn Error>> {
    let responses = (0..CLIENTS).map(|client| Ring::open(format!("responses-{client}-{id}")));
    let responses = responses.collect::<Result<Vec<_>, _>>()?;
    let mut writers = responses.iter().map(Ring::writer).collect::<Result<Vec<_>, _>>()?;
    let mut taker = Ring::open(format!("requests-{id}"))?.taker()?;
    loop {
        match taker.take() {
            Ok(request) => {
                let (n, tag) = (u64::from_le_bytes(request[..].try_into()?), request.received().tag);
                let client = usize::try_from(tag >> 32)?;
                writers[client].write_with(&(n * n).to_le_bytes(), &MessageHeader { tag, metadata: &[] })?;
            }
            Err(ReadError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
