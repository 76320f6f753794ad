//! `deaths`, and its page.

use crate::support::{Directory, lines, repository, text};
use serde_json::Value;
use std::fs;

/// A participant that exits in the middle of its access: with a lock in its hand in one contestant,
/// so that the outcome does not depend on the moment.
const RUNS: &str =
    "deaths --only seqring-gated,pthread-rwlock --faults exit --runs 1 --seed 7 --record d.jsonl";

fn runs(directory: &Directory) -> Vec<Value> {
    lines(&directory.read("d.jsonl"), "run")
}

#[test]
fn the_others_go_on_without_an_exited_peer_unless_it_held_their_lock() {
    let directory = Directory::new();
    let output = directory.run(RUNS);
    assert!(text(&output.stderr).contains("seed 7, 1 runs of each cell"), "{}", text(&output.stderr));
    let record = runs(&directory);
    assert_eq!(record.len(), 4, "two contestants, two victims: {record:?}");
    for run in &record {
        let found = &run["Ok"];
        assert!(found["sent"].as_u64().unwrap() > 0 && found["read"].as_u64().unwrap() > 0, "{run}");
        assert_eq!(
            (&found["torn"], &found["doubled"], &found["disordered"]),
            (&0.into(), &0.into(), &0.into()),
            "{run}"
        );
        if run["contestant"] == "seqring-gated" {
            assert_eq!(
                (&found["outcome"], &found["lost"], &found["stuck"]),
                (&"went-on".into(), &0.into(), &0.into()),
                "{run}"
            );
            assert!(found["successor"]["works"].as_f64().unwrap() > 0.0, "{run}");
            assert!(found["left"].is_null(), "the last participant removes the ring: {run}");
        } else {
            assert_ne!(found["outcome"], "went-on", "{run}");
            assert!(found["silent_ms"].as_f64().unwrap() >= 2000.0, "{run}");
        }
    }
    // The record is complete, and what a crash cut short is written again.
    let whole = directory.read("d.jsonl");
    directory.run(RUNS);
    assert_eq!(directory.read("d.jsonl"), whole);
    fs::write(directory.path("d.jsonl"), &whole[..whole.len() - 9]).unwrap();
    let last = "deaths --only pthread-rwlock --faults exit --runs 0 --record d.jsonl";
    directory.run(last);
    assert_eq!(runs(&directory).len(), 3);

    let page = "<!-- record: claims -->\n<!-- end -->\n<!-- record: matrix -->\n<!-- end -->\n";
    fs::write(directory.path("page.md"), page).unwrap();
    directory.run("deaths --record d.jsonl --splice page.md");
    let spliced = directory.read("page.md");
    assert!(
        spliced.contains("Writer exits without leaving: in every run all survivors went on: seqring-gated."),
        "{spliced}"
    );
    assert!(directory.read("deaths.svg").contains("<svg"));
    directory.run("deaths --record d.jsonl --splice page.md --check");
    fs::write(directory.path("page.md"), spliced.replace("| all |", "| none |")).unwrap();
    assert_eq!(directory.lab("deaths --record d.jsonl --splice page.md --check").status.code(), Some(1));
}

#[test]
fn what_is_not_there_is_said_and_a_file_that_is_no_record_stays() {
    let directory = Directory::new();
    let refused = directory.lab("deaths --only abacus --record d.jsonl");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("there are seqring-lossy, seqring-gated"),
        "{}",
        text(&refused.stderr)
    );
    let absent = directory.lab("deaths --only kickmsg --python /nowhere/python --record d.jsonl");
    assert!(
        text(&absent.stderr).contains("kickmsg: not built: run scripts/deaths --build"),
        "{}",
        text(&absent.stderr)
    );
    fs::write(directory.path("d.jsonl"), "a diary\n").unwrap();
    assert!(!directory.lab(RUNS).status.success());
    assert_eq!(directory.read("d.jsonl"), "a diary\n");
}

/// Tables, sentences and picture in the repository are those of the record beside them.
#[test]
fn the_committed_page_is_that_of_the_committed_record() {
    let directory = Directory::new();
    let [record, page] = ["docs/records/deaths.jsonl", "docs/DEATHS.md"].map(repository);
    directory.run(&format!("deaths --record {} --splice {} --check", record.display(), page.display()));
}
