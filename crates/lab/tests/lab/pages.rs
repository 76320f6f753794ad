//! Pages and documents that come from a record.

use crate::support::{Directory, repository, text};
use std::fs;

/// A record of a few points, and its pages.
fn reported() -> Directory {
    let directory = Directory::new();
    directory.run(
        "compare --quick --rounds 1 --only alone,stalled-writer,deaths,calls --engines seqring,semaphore,ticket --record \
         compare.jsonl",
    );
    directory.run("report --with-disturbed");
    directory
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let directory = reported();
    let page = directory.read("report.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg"));
    for foreign in ["<script", "http://", "https://", "<link", "@import", "<img"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    assert!(page.contains("No evidence"), "it says that disturbed repetitions are in use");
}

#[test]
fn markdown_has_every_table_and_what_follows() {
    let directory = reported();
    let page = directory.read("report.md");
    for heading in [
        "## What follows",
        "## What does not follow",
        "## One writer stays",
        "## A peer is killed",
        "## System calls a message",
    ] {
        assert!(page.contains(heading), "{heading}");
    }
    assert!(page.contains("| semaphore | not recovered | not recovered |"));
    assert!(page.contains("| ticket | not recovered | the others go on |"));
}

/// Which repetitions are comparable depends on the machine of the test: here none is.
#[test]
fn a_record_without_comparable_repetitions_is_an_error_with_its_reasons() {
    let directory = reported();
    let record = directory.read("compare.jsonl").replace("\"others_seconds\":", "\"others_seconds\":9");
    fs::write(directory.path("disturbed.jsonl"), record).unwrap();
    let output = directory.lab("report disturbed.jsonl");
    assert_eq!(output.status.code(), Some(1));
    let (page, errors) = (directory.read("report.html"), text(&output.stderr));
    for said in ["Nothing to show", "9 disturbed by others", "--with-disturbed"] {
        assert!(page.contains(said) && errors.contains(said), "{said}: {errors}");
    }
    assert!(!page.contains("<svg") && !page.contains("One writer stays"), "empty sections are hidden");
    directory.run("report disturbed.jsonl --with-disturbed");
}

#[test]
fn every_repetition_is_a_line_of_comma_separated_values() {
    let directory = reported();
    let csv = text(&directory.run("report --csv").stdout);
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let at = |name: &str| head.iter().position(|column| *column == name).unwrap_or_else(|| panic!("{name}"));
    let stalled: Vec<_> = lines.clone().filter(|line| line[at("sweep")] == "stalled-writer").collect();
    assert_eq!((lines.count(), stalled.len()), (9, 6));
    for line in stalled {
        assert_eq!(line.len(), head.len());
        assert!(line[at("writer_latency_ns_samples")].parse::<u64>().is_ok(), "{line:?}");
        assert!(line[at("harness_ns_write")].parse::<f64>().unwrap() > 0.0, "{line:?}");
    }
}

#[test]
fn the_runs_of_rivals_are_on_the_same_page_in_each_class() {
    let directory = reported();
    let line = |standing: &str, value: f64| {
        format!(
            "{{\"row\":\"trip-8\",\"contestant\":\"rtrb\",\"standing\":\"{standing}\",\"unit\":\"ns\",\"value\":{value}}}\n"
        )
    };
    let runs = line("near", 120.0) + &line("near", 124.0) + &line("far", 900.0) + &line("moved", 1.0);
    fs::write(directory.path("rivals.jsonl"), runs).unwrap();
    directory.run("report --with-disturbed --rivals rivals.jsonl");
    assert!(
        directory.read("report.md").contains("| trip-8 | rtrb | ns | – | 122 (120 to 124) | 900 (1 run) |")
    );
}

#[test]
fn a_spliced_document_is_what_its_record_says_to_the_last_digit() {
    let directory = reported();
    let document = "Before.\n<!-- record: alone -->\n<!-- end -->\nBetween.\n<!-- record: deaths -->\nold\n<!-- end -->\n";
    fs::write(directory.path("d.md"), document).unwrap();
    directory.run("report --with-disturbed --splice d.md");
    let spliced = directory.read("d.md");
    assert!(spliced.starts_with("Before.\n") && spliced.contains("| seqring |") && !spliced.contains("old"));
    directory.run("report --with-disturbed --splice d.md --check");
    let digit = spliced.find("| seqring | ").unwrap() + "| seqring | ".len();
    let other = if spliced.as_bytes()[digit] == b'1' { "2" } else { "1" };
    let changed = format!("{}{other}{}", &spliced[..digit], &spliced[digit + 1..]);
    fs::write(directory.path("d.md"), &changed).unwrap();
    let output = directory.lab("report --with-disturbed --splice d.md --check");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is not what its record says"), "{}", text(&output.stderr));
    assert_eq!(directory.read("d.md"), changed, "a check changes nothing");
}

#[test]
fn a_block_that_the_record_has_nothing_for_says_so_and_one_that_no_record_has_is_refused() {
    let directory = Directory::new();
    directory.run("compare --quick --rounds 1 --only alone --engines seqring --record r.jsonl");
    fs::write(directory.path("d.md"), "<!-- record: rate-reader -->\n<!-- end -->\n").unwrap();
    directory.run("report r.jsonl --splice d.md");
    assert!(directory.read("d.md").contains("Not measured in this record."));
    fs::write(directory.path("d.md"), "<!-- record: nonsense -->\n<!-- end -->\n").unwrap();
    let output = directory.lab("report r.jsonl --splice d.md");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no record has a block nonsense"), "{}", text(&output.stderr));
}

#[test]
fn a_record_does_not_agree_with_one_that_found_the_opposite() {
    let directory = reported();
    let record = directory.read("compare.jsonl");
    let ours = "{\"death\":{\"engine\":\"seqring\",\"killed\":\"writer\",\"went_on\":";
    let opposite = record.replacen(&format!("{ours}true"), &format!("{ours}false"), 1);
    assert_ne!(opposite, record);
    fs::write(directory.path("opposite.jsonl"), opposite).unwrap();
    let output = directory.lab("report --agrees-with opposite.jsonl");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("contradicted: deaths Writer"), "{}", text(&output.stdout));
}

#[test]
fn records_that_state_nothing_do_not_agree() {
    let directory = Directory::new();
    directory.run("compare --quick --rounds 1 --only alone --engines seqring,semaphore --record r.jsonl");
    let output = directory.lab("report r.jsonl --agrees-with r.jsonl");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no conclusion is stated by both"), "{}", text(&output.stderr));
}

#[test]
fn a_record_agrees_with_itself() {
    let directory = reported();
    let output = directory.run("report --with-disturbed --agrees-with compare.jsonl");
    assert!(text(&output.stdout).contains("0 contradicted"));
}

/// The tables in the repository are those of the record beside them: one changed digit fails here.
#[test]
fn the_committed_results_are_those_of_the_committed_record() {
    let directory = Directory::new();
    let [record, results] = ["docs/records/compare.jsonl", "docs/RESULTS.md"].map(repository);
    directory.run(&format!("report {} --splice {} --check", record.display(), results.display()));
}

/// Fails if a command panics, or complains, when the reader of its output or of its messages is
/// gone.
#[test]
fn the_reader_of_the_output_may_leave() {
    let directory = Directory::new();
    directory.run("compare --only calls --engines seqring,ticket --record compare.jsonl");
    let gone = || std::io::pipe().unwrap().1;
    for arguments in ["report", "storm --seconds 0"] {
        let output = directory.command(arguments).stdout(gone()).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(141), String::new()), "{arguments}");
    }
    let failed = directory.command("report missing").stderr(gone()).status().unwrap();
    assert_eq!(failed.code(), Some(1));
    let calls = "compare --only calls --engines ticket --record other.jsonl";
    assert!(directory.command(calls).stderr(gone()).status().unwrap().success());
}
