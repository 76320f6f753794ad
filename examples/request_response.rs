//! Requests and responses between processes, with the time that a call takes. The server is killed
//! once: its clients learn what became of their question, and its successor answers the next ones.
//!
//! `cargo run --release --example request_response`

use seqring::{CallError, Caller, Config, RegisterError, Ring};
use std::error::Error;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: usize = 2;
const CALLS: u64 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(name) = std::env::args().nth(1) {
        return serve(&Ring::open(name)?);
    }
    let name = format!("squares-{}", std::process::id());
    let ring = Ring::create(&name, &Config::calls(CLIENTS).of::<u64, u64>())?;
    let mut server = start_server(&name)?;
    let clients = (0..CLIENTS).map(|_| {
        let mut caller = ring.caller()?;
        Ok(thread::spawn(move || ask_all(&mut caller)))
    });
    let clients = clients.collect::<Result<Vec<_>, RegisterError>>()?;
    while ring.next_sequence() < CALLS / 2 {
        thread::yield_now(); // Until so many questions were asked.
    }
    server.kill()?;
    server.wait()?;
    let mut successor = start_server(&name)?;
    for client in clients {
        let (time, again) = client.join().expect("no client panics")?;
        println!("{CALLS} calls took {time:?}; {again} questions were asked again after the death");
    }
    ring.close();
    assert!(successor.wait()?.success());
    Ok(())
}

/// Asks for squares. To ask twice for one changes nothing, so a client does that when the server
/// has died.
fn ask_all(caller: &mut Caller) -> Result<(Duration, u64), CallError> {
    let mut squares = caller.typed::<u64, u64>().expect("it fits");
    let (begin, mut again) = (Instant::now(), 0);
    for n in 0..CALLS {
        let mut answer = squares.call(&n);
        loop {
            answer = match answer {
                Ok(square) => {
                    assert_eq!(square, n * n);
                    break;
                }
                Err(CallError::ServerDied { .. }) => {
                    again += 1;
                    squares.call(&n)
                }
                Err(CallError::NoServer { .. }) => {
                    thread::sleep(Duration::from_millis(1)); // The successor is on its way.
                    squares.answer()
                }
                Err(error) => return Err(error),
            };
        }
    }
    Ok((begin.elapsed(), again))
}

fn start_server(name: &str) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?).arg(name).spawn()
}

fn serve(ring: &Ring) -> Result<(), Box<dyn Error>> {
    let mut server = ring.server()?;
    let mut squares = server.typed::<u64, u64>()?;
    loop {
        match squares.take() {
            Ok(number) => {
                let square = *number * *number;
                number.answer(&square);
            }
            Err(CallError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
