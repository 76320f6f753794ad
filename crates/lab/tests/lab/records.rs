//! What stands in a record, and how it is continued.

use crate::support::{Directory, lines, repository, text};
use std::fs;

const FEW: &str = "compare --quick --rounds 2 --only alone,stalled-writer --engines seqring,semaphore,ticket --record r.jsonl";

#[test]
fn every_repetition_is_a_line_with_what_was_around_it() {
    let directory = Directory::new();
    directory.run(FEW);
    let record = directory.read("r.jsonl");
    let [header] = &lines(&record, "header")[..] else { panic!("one header") };
    assert_eq!(header["version"], 2);
    // The commit of the build: the directory of this run is in no repository.
    let is_hash = |commit: &str| commit.len() >= 12 && commit[..12].bytes().all(|b| b.is_ascii_hexdigit());
    assert!(!repository(".git").exists() || is_hash(header["commit"].as_str().unwrap()), "{header}");
    assert!(header["pause_ns"].as_f64().unwrap() > 0.0);
    assert!(header["machine"]["built"].as_str().unwrap().starts_with("rustc "), "{header}");
    assert!(header["command"].as_str().unwrap().contains("--only alone,stalled-writer"));
    assert!(header["machine"]["kernel"].as_str().unwrap().starts_with("Linux"));
    let runs = lines(&record, "run");
    assert_eq!(runs.len(), 3 * 3 * 2, "three points, three engines, two rounds");
    for run in &runs {
        assert!(run["line_ns"][0].as_f64().unwrap() > 0.0 && run["line_ns"][1].as_f64().unwrap() > 0.0);
        assert!(run["others_seconds"].as_f64().unwrap() >= 0.0);
        assert!(run["outcome"]["Ok"]["writes_per_second"].as_f64().unwrap() > 0.0, "{run}");
    }
    // Within a round all engines run once, in their order.
    let order: Vec<&str> = runs[..3].iter().map(|run| run["engine"].as_str().unwrap()).collect();
    assert_eq!(order, ["seqring", "semaphore", "ticket"]);
}

#[test]
fn a_writer_in_the_middle_of_a_write_stops_a_ticket_ring_and_not_this_one() {
    let directory = Directory::new();
    directory
        .run("compare --quick --rounds 1 --only stalled --engines seqring,ticket,semaphore --record r.jsonl");
    let rate = |engine: &str, stalled: f64| {
        let runs = lines(&directory.read("r.jsonl"), "run");
        let run = runs.iter().find(|run| run["engine"] == engine && run["x"] == stalled).unwrap();
        run["outcome"]["Ok"]["writes_per_second"].as_f64().unwrap()
    };
    // No writer gets further than one lap past a ticket that is not used, and none writes at all
    // under a lock.
    for engine in ["ticket", "semaphore"] {
        assert!(rate("seqring", 1.0) > 10.0 * rate(engine, 1.0), "{engine}");
    }
}

#[test]
fn a_record_is_continued_behind_its_last_whole_round() {
    let directory = Directory::new();
    directory.run(FEW);
    let whole = directory.read("r.jsonl");
    directory.run(FEW);
    assert_eq!(directory.read("r.jsonl"), whole, "nothing was left to measure");
    // A crash in the last round: one line is gone, and the one before it is cut short.
    let cut = whole.trim_end().rfind('\n').unwrap() - 30;
    fs::write(directory.path("r.jsonl"), &whole[..cut]).unwrap();
    directory.run(FEW);
    let continued = lines(&directory.read("r.jsonl"), "run");
    assert_eq!(continued.len(), 16 + 3, "the last round ran once more");
}

#[test]
fn a_record_of_another_machine_is_not_continued() {
    let directory = Directory::new();
    directory.run("compare --quick --rounds 1 --only alone --engines seqring --record r.jsonl");
    let record = directory.read("r.jsonl").replacen("\"kernel\":\"Linux", "\"kernel\":\"Plan 9", 1);
    fs::write(directory.path("r.jsonl"), &record).unwrap();
    let output = directory.lab("compare --quick --rounds 1 --only alone --engines seqring --record r.jsonl");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("another machine"), "{}", text(&output.stderr));
    assert_eq!(directory.read("r.jsonl"), record, "and nothing of it is lost");
}

/// Fails if a file is changed before it is recognised as a record.
#[test]
fn a_file_that_is_no_record_is_left_alone() {
    let directory = Directory::new();
    let calls = "compare --only calls --engines ticket --record r.jsonl";
    directory.run(calls);
    let record = directory.read("r.jsonl");
    let second = format!("{record}{record}cut short");
    for content in ["text without a line's end", "two\nlines", "{\"head\": 1", &second] {
        fs::write(directory.path("r.jsonl"), content).unwrap();
        let output = directory.lab(calls);
        assert!(!output.status.success(), "{content:?}");
        assert_eq!(directory.read("r.jsonl"), content, "{}", text(&output.stderr));
    }
    // What a crash leaves of the first line.
    for content in ["", "{\"hea", &record[..40]] {
        fs::write(directory.path("r.jsonl"), content).unwrap();
        directory.run(calls);
        assert_eq!(lines(&directory.read("r.jsonl"), "calls").len(), 1, "{content:?}");
    }
}

#[test]
fn nothing_to_measure_is_bad_input() {
    let directory = Directory::new();
    // No such sweep; an engine that this sweep cannot ask.
    for nothing in ["--only nonsense", "--only rate --engines parking-lot"] {
        let output = directory.lab(&format!("compare {nothing} --record r.jsonl"));
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("readers-polling"), "it says what there is");
        assert!(!directory.path("r.jsonl").exists());
    }
}

/// What a lock cannot do is a result, by a process that is really killed and a wait that ends.
#[test]
fn a_killed_holder_is_recorded_as_recovered_or_not() {
    let directory = Directory::new();
    directory.run("compare --only deaths --record r.jsonl");
    let deaths = lines(&directory.read("r.jsonl"), "death");
    let went_on = |engine: &str, killed: &str| {
        let death = deaths.iter().find(|death| death["engine"] == engine && death["killed"] == killed);
        death.unwrap()["went_on"].as_bool().unwrap()
    };
    for engine in ["seqring", "mutex-condvar", "sysv-semaphore", "flock"] {
        assert!(went_on(engine, "writer") && went_on(engine, "reader"), "{engine} goes on");
    }
    for engine in ["semaphore-rwlock", "semaphore", "pthread-rwlock", "slot-locks"] {
        assert!(!went_on(engine, "writer") && !went_on(engine, "reader"), "{engine} is stuck");
    }
    assert!(!went_on("ticket", "writer"), "no writer gets past a ticket that is not used");
    assert!(went_on("ticket", "reader"), "its readers hold nothing");
}

/// What can be known of the counts on any machine, however busy: a lock in the kernel costs a call
/// to take and one to give, a ticket ring has nothing to call for, and ours wakes all sleepers by
/// one call.
#[test]
fn system_calls_are_counted_by_the_kernel_and_not_by_the_engines() {
    let directory = Directory::new();
    directory.run("compare --only calls --engines seqring,sysv-semaphore,flock,ticket --record r.jsonl");
    let calls = lines(&directory.read("r.jsonl"), "calls");
    let messages = calls[0]["messages"].as_u64().unwrap();
    let of_writer = |engine: &str, name: &str| {
        let calls = calls.iter().find(|calls| calls["engine"] == engine).unwrap();
        calls["of_writer"][name].as_u64().unwrap_or(0)
    };
    assert!(of_writer("sysv-semaphore", "semop") >= 2 * messages);
    assert!(of_writer("flock", "flock") >= 2 * messages);
    assert_eq!(of_writer("ticket", "futex"), 0, "there is no sleeper to wake");
    assert!(of_writer("seqring", "futex") <= messages, "at most one a message");
}
