//! Rows: what waiting costs a reader for which no message comes.

use crate::text;
use harness::child::{die_with_parent, other_end_of};
use harness::drive::Peers;
use harness::table::{Finding, Row, Session};
use harness::usage::{Usage, Who};
use seqring::{Config, Delivery, Ring, Start, Writer};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

const BYTES: usize = 64;

/// 10 seconds may cost so many voluntary context switches.
const SWITCHES: f64 = 600.0;
const PER: Duration = Duration::from_secs(10);

/// "No measurable CPU": less than one tick of the kernel's clock, in which ps and top count.
const TICK: Duration = Duration::from_millis(10);

pub(crate) fn rows() -> [Row; 2] {
    [
        row("idle-threads", Peers::Threads, "a thread; heap: woken only by a message"),
        row("idle-processes", Peers::Processes, "a process; /dev/shm: sleeps of 20 to 40 ms"),
    ]
}

fn row(name: &'static str, peers: Peers, reader: &str) -> Row {
    let what = format!(
        "one read that waits 10 s for its message (--quick: 2 s), in {reader}; lossy, default waiting"
    );
    let required =
        format!("< {SWITCHES} voluntary context switches in 10 s, CPU time below one tick ({TICK:?})");
    Row::new(name, what, required, move |session| measure(session, name, peers)).with_other_end(report)
}

fn measure(session: &Session, row: &str, peers: Peers) -> Result<Finding, String> {
    let config = Config::slots(64).of_bytes(BYTES).delivery(Delivery::Lossy);
    let wait = session.effort.idle;
    let cost = match peers {
        Peers::Threads => {
            let ring = Ring::heap(&config).map_err(text)?;
            let mut writer = ring.writer().map_err(text)?;
            thread::scope(|scope| {
                let reader = scope.spawn(|| cost_of_a_read(&ring));
                write_after(&ring, &mut writer, wait)?;
                reader.join().map_err(|_| "the reader panicked")?
            })
        }
        Peers::Processes => {
            let name = format!("reach-idle-{}", std::process::id());
            let ring = Ring::create(&name, &config).map_err(text)?;
            let mut writer = ring.writer().map_err(text)?;
            let child = other_end_of(row)?.arg(name).stdout(Stdio::piped()).spawn().map_err(text)?;
            write_after(&ring, &mut writer, wait)?;
            let output = child.wait_with_output().map_err(text)?;
            parse(&String::from_utf8_lossy(&output.stdout))
        }
    }?;
    let allowed = SWITCHES * wait.as_secs_f64() / PER.as_secs_f64();
    let (cpu, switches) = (cost.cpu, cost.switches);
    let measured = format!("{switches} voluntary context switches and {cpu:?} of CPU time in {wait:?}");
    Ok(Finding::new((switches as f64) < allowed && cpu < TICK, measured))
}

/// What one read cost its thread.
struct Cost {
    switches: u64,
    cpu: Duration,
}

/// Writes once a reader has been there for `wait`.
fn write_after(ring: &Ring, writer: &mut Writer, wait: Duration) -> Result<(), String> {
    const LONGEST: u32 = 5000;
    let has_reader = || ring.participants().len() > 1;
    for _ in 0..LONGEST {
        if has_reader() {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    if !has_reader() {
        return Err("no reader came".into());
    }
    thread::sleep(wait);
    writer.try_write(&[7; BYTES]).map(drop).map_err(text)
}

fn cost_of_a_read(ring: &Ring) -> Result<Cost, String> {
    let mut reader = ring.reader(Start::Next).map_err(text)?;
    let mut out = [0; BYTES];
    let before = Usage::of(Who::Thread);
    reader.read(&mut out).map_err(text)?;
    let used = Usage::of(Who::Thread).since(&before);
    if out == [7; BYTES] {
        Ok(Cost { switches: used.voluntary_switches, cpu: used.cpu })
    } else {
        Err(format!("another message came than was written: {out:?}"))
    }
}

/// The reading process: prints what its read cost.
fn report(arguments: &[String]) -> Result<(), String> {
    let [ring] = arguments else { return Err("the name of a ring".into()) };
    die_with_parent()?;
    let Cost { switches, cpu } = cost_of_a_read(&Ring::open(ring).map_err(text)?)?;
    println!("{switches} {}", cpu.as_nanos());
    Ok(())
}

fn parse(printed: &str) -> Result<Cost, String> {
    let numbers: Result<Vec<u64>, _> = printed.split_whitespace().map(str::parse).collect();
    match numbers.as_deref() {
        Ok(&[switches, nanos]) => Ok(Cost { switches, cpu: Duration::from_nanos(nanos) }),
        _ => Err(format!("the reading process printed {printed:?}")),
    }
}
