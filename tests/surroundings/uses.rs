//! The uses themselves, and the program that runs them.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, waitpid};
use seqring::{Config, Delivery, Observer, ReadError, Ring, Start, TryReadError, TryWriteError};
use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

type Outcome = Result<(), Box<dyn Error>>;
/// What uses a ring of this name.
type Use = fn(&str) -> Outcome;

/// A file for the outcomes, if standard output is no place for them.
const OUTPUT: &str = "SEQRING_OUTCOMES";
const COUNT: u64 = 1000;
const LARGE: usize = 64 << 20;
/// Ends a use that would hang.
const LONG: Duration = Duration::from_secs(30);

const USES: [(&str, Use); 11] = [
    ("threads", |_| in_threads()),
    ("create, open, remove", by_name),
    ("two processes", two_processes),
    ("killed writer", killed_writer),
    ("queue", queue),
    ("memfd", |_| memfd()),
    ("notifier", notifier),
    ("observer", observer),
    ("child process", child_process),
    ("forked child", forked_child),
    ("64 MiB", large),
];

pub(crate) fn run() -> ExitCode {
    let mut arguments = std::env::args();
    arguments.next();
    if let (Some("--child"), Some(verb), Some(name)) =
        (arguments.next().as_deref(), arguments.next(), arguments.next())
    {
        return if be_child(&verb, &name).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let output = std::env::var_os(OUTPUT);
    let mut output =
        output.map(|path| OpenOptions::new().append(true).open(path).expect("the file is there"));
    let mut failures = 0;
    for (index, (what, use_ring)) in USES.into_iter().enumerate() {
        let name = format!("surroundings-{}-{index}", std::process::id());
        let outcome = use_ring(&name).map_or_else(|error| error.to_string(), |()| "ok".into());
        let _ = Ring::unlink(&name); // What a killed process left.
        failures += usize::from(outcome != "ok");
        match &mut output {
            Some(output) => writeln!(output, "{what}\t{outcome}").expect("there is room for a line"),
            None => println!("{what}: {outcome}"),
        }
    }
    if output.is_none() && failures > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn be_child(verb: &str, name: &str) -> Outcome {
    let ring = Ring::open_timeout(name, LONG)?;
    match verb {
        "read" => read_all(&ring),
        "take" => {
            let mut taker = ring.taker()?;
            (0..COUNT)
                .try_for_each(|n| check(u64::from_le_bytes((*taker.take_timeout(LONG)?).try_into()?), n))
        }
        _ => {
            let mut writer = ring.writer()?;
            writer.write_timeout(&[1; 8], LONG)?;
            loop {
                thread::park(); // Until it is killed.
            }
        }
    }
}

/// This program again. Not by `current_exe`, which needs /proc.
fn child(verb: &str, name: &str) -> std::io::Result<Child> {
    let program = std::env::args().next().unwrap_or_default();
    Command::new(program)
        .args(["--child", verb, name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn check(found: u64, expected: u64) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("message {found} instead of {expected}").into()) }
}

fn succeeded(mut child: Child) -> Outcome {
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("the other process: {status}").into()) }
}

fn read_all(ring: &Ring) -> Outcome {
    let (mut reader, mut out) = (ring.reader(Start::Next)?, [0; 8]);
    for n in 0..COUNT {
        reader.read_timeout(&mut out, LONG)?;
        check(u64::from_le_bytes(out), n)?;
    }
    Ok(())
}

fn write_all(ring: &Ring) -> Outcome {
    let mut writer = ring.writer()?;
    for n in 0..COUNT {
        writer.write_timeout(&n.to_le_bytes(), LONG)?;
    }
    Ok(())
}

fn in_threads() -> Outcome {
    let ring = Ring::heap(&Config::slots(8).of_bytes(8))?;
    let other = ring.clone();
    let reading =
        thread::Builder::new().spawn(move || read_all(&other).map_err(|error| error.to_string()))?;
    write_all(&ring)?;
    Ok(reading.join().expect("it returns errors")?)
}

fn by_name(name: &str) -> Outcome {
    let ring = Ring::create(name, &Config::slots(8).of_bytes(8))?;
    let other = Ring::open(name)?;
    ring.writer()?.write(&[7; 8])?;
    other.reader(Start::Next)?.read_timeout(&mut [0; 8], LONG)?;
    drop((ring, other));
    match Ring::open(name) {
        Err(_) => Ok(()),
        Ok(_) => Err("the name is still there".into()),
    }
}

fn two_processes(name: &str) -> Outcome {
    let ring = Ring::create(name, &Config::slots(8).of_bytes(8))?;
    let reader = child("read", name)?;
    write_all(&ring)?;
    succeeded(reader)
}

fn killed_writer(name: &str) -> Outcome {
    let ring = Ring::create(name, &Config::slots(8).of_bytes(8))?;
    let mut reader = ring.reader(Start::Next)?;
    let mut writer = child("write", name)?;
    reader.read_timeout(&mut [0; 8], LONG)?;
    writer.kill()?;
    writer.wait()?;
    match reader.read_timeout(&mut [0; 8], LONG) {
        Err(ReadError::WriterDied { pid }) if pid == writer.id() => Ok(()),
        other => Err(format!("no report of the death, but {other:?}").into()),
    }
}

fn queue(name: &str) -> Outcome {
    let ring = Ring::create(name, &Config::slots(8).of_bytes(8).delivery(Delivery::Queue))?;
    let taker = child("take", name)?;
    write_all(&ring)?;
    succeeded(taker)
}

fn memfd() -> Outcome {
    let ring = Ring::anonymous(&Config::slots(8).of_bytes(8))?;
    let other = Ring::from_descriptor(ring.descriptor()?)?;
    ring.writer()?.write(&[7; 8])?;
    other.reader(Start::Next)?.read_timeout(&mut [0; 8], LONG)?;
    Ok(())
}

fn notifier(name: &str) -> Outcome {
    let ring = Ring::create(name, &Config::slots(8).of_bytes(8))?;
    let (mut writer, mut reader) = (ring.writer()?, ring.reader(Start::Next)?);
    let notifier = reader.notifier()?;
    while reader.try_read(&mut [0; 8]).is_ok() {}
    writer.write(&[7; 8])?;
    let timeout = Timespec::try_from(LONG)?;
    match poll(&mut [PollFd::new(&notifier, PollFlags::IN)], Some(&timeout))? {
        0 => Err("the notifier is not readable".into()),
        _ => Ok(()),
    }
}

fn observer(name: &str) -> Outcome {
    let ring = Ring::create(name, &Config::slots(8).of_bytes(8).observers(true))?;
    let mut observer = Observer::open(name, Start::Next)?;
    ring.writer()?.write(&[7; 8])?;
    observer.read_timeout(&mut [0; 8], LONG)?;
    Ok(())
}

/// A child that executes a program, through the fork handlers: with `pre_exec`, `Command` forks.
fn child_process(name: &str) -> Outcome {
    let _ring = Ring::create(name, &Config::slots(8).of_bytes(8))?;
    let mut command = Command::new("/bin/true");
    // SAFETY: the function does nothing.
    unsafe { command.pre_exec(|| Ok(())) };
    succeeded(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// A child that uses what it inherited: it is refused, and its parent's ring stays as it was.
fn forked_child(name: &str) -> Outcome {
    let ring = Ring::create(name, &Config::slots(8).of_bytes(8))?;
    let (mut writer, mut reader) = (ring.writer()?, ring.reader(Start::Next)?);
    // SAFETY: the child makes one call that neither allocates nor locks, and ends.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let refused = writer.try_write(&[7; 8]) == Err(TryWriteError::Forked);
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(i32::from(!refused)) }
    }
    let child = Pid::from_raw(pid).ok_or_else(std::io::Error::last_os_error)?;
    let ended = waitpid(Some(child), WaitOptions::empty())?.and_then(|(_, status)| status.exit_status());
    check(u64::from(ended == Some(0)), 1)?;
    check(u64::from(reader.try_read(&mut [0; 8]) == Err(TryReadError::Empty)), 1)
}

fn large(name: &str) -> Outcome {
    let ring = Ring::create(name, &Config::slots(1).of_bytes(LARGE))?;
    let mut writer = ring.writer()?;
    let mut claim = writer.claim(LARGE)?;
    claim.fill(7);
    claim.publish()?;
    Ok(())
}
