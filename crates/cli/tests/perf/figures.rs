//! Runs that end by themselves: all that was written is accounted for, and the record says so.

use crate::support::{list, number, output, record, text};
use harness::latency::Quantiles;

#[test]
fn a_gated_run_between_processes_loses_nothing_and_its_record_is_complete() {
    let record = record("-b 4096 -s 4 -r 3 -d 200ms --writes-per-second 0.5k");
    assert_eq!(record["engine"], "seqring");
    assert_eq!(record["delivery"], "gated");
    assert_eq!(record["transport"], "process");
    assert_eq!(record["line_round_trip_ns"].as_array().unwrap().len(), 2);
    assert!(record["cpu_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(record["ok"], true);
    let [writer] = &list(&record, "writers")[..] else { panic!("one writer") };
    assert!(number(&writer["messages"]) > 0);
    for key in ["seconds", "mbytes_per_second", "messages_per_second", "relative_to_target_percent"] {
        assert!(writer[key].as_f64().unwrap() > 0.0, "{key}");
    }
    // At most 100 ticks lie in 0.2 s, each either written or refused.
    assert_eq!(number(&writer["messages"]) + number(&writer["waited_for_readers"]), 100);
    let mut pids = vec![number(&writer["pid"])];
    for reader in list(&record, "readers") {
        assert_eq!(reader["messages"], writer["messages"]);
        assert_eq!((number(&reader["lost"]), number(&reader["torn"])), (0, 0));
        for key in ["samples", "p50", "max"] {
            assert!(number(&reader["latency_ns"][key]) > 0, "{key}");
        }
        assert!(reader["latency_ns"]["p999"].is_null(), "of 100 latencies it is not known");
        pids.push(number(&reader["pid"]));
    }
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 4, "each worker is a process of its own");
}

#[test]
fn a_queue_gives_each_message_to_one_reader() {
    for (transport, way) in
        [("process", ""), ("thread", "--zero-copy"), ("process", "--zero-copy --on-full wait")]
    {
        let flags = format!(
            "--delivery queue --writers 2 --readers 3 --transport {transport} {way} --slot-bytes 5000 --slots 4 \
             --duration 0.1"
        );
        let record = record(&flags);
        let slots =
            |workers: &str| list(&record, workers).iter().map(|one| number(&one["messages"])).sum::<u64>();
        assert!(slots("writers") > 0, "{flags}");
        assert_eq!(slots("readers"), slots("writers"), "{flags}");
        assert_eq!(record["ok"], true, "{flags}");
    }
}

#[test]
fn every_way_to_move_messages_adds_up() {
    let sizes = ["--slot-bytes 16 --slots 64", "--slot-bytes 200 --slots 3", "--slot-bytes 100001 --slots 2"];
    for size in sizes {
        for transport in ["process", "thread"] {
            for way in
                ["", "--zero-copy", "--no-verify-writes --zero-copy", "--on-full wait --zero-copy --pin"]
            {
                for (delivery, writers) in [("gated", 1), ("lossy", 1), ("gated", 3), ("lossy", 3)] {
                    let flags = format!(
                        "{size} {way} --delivery {delivery} --writers {writers} --transport {transport} --readers 2 \
                         --duration 0.03"
                    );
                    let record = record(&flags);
                    let messages = list(&record, "writers").iter().map(|writer| number(&writer["messages"]));
                    let written: u64 = messages.sum();
                    assert_eq!(list(&record, "writers").len(), writers, "{flags}");
                    assert!(written > 0, "{flags}");
                    for reader in list(&record, "readers") {
                        let accounted = number(&reader["messages"]) + number(&reader["lost"]);
                        assert_eq!(accounted, written, "{flags}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_slow_reader_of_a_lossy_ring_learns_exactly_what_it_lost() {
    let record = record(
        "--delivery lossy --slot-bytes 1000 --slots 2 --readers 2 --reader-burn-cpu 5 \
         --writes-per-second 2000 --duration 0.3",
    );
    let writer = &record["writers"][0];
    assert_eq!(number(&writer["waited_for_readers"]), 0);
    assert_eq!(number(&writer["messages"]), 600, "a lossy writer does not wait");
    for reader in list(&record, "readers") {
        assert!(number(&reader["lost"]) > 0);
        assert_eq!(reader["lost"], reader["missing"]);
        assert_eq!(number(&reader["messages"]) + number(&reader["lost"]), 600);
    }
}

/// Rare latencies are seen also where few messages are timed: their mean cannot exceed what the
/// quantiles allow. The allowance is for what the writer does between two writes.
#[test]
fn no_quantile_of_a_writer_lies_below_what_its_rate_allows() {
    for flags in ["--delivery lossy --readers 8", "--delivery gated --on-full wait", "--delivery lossy"] {
        let record = record(&format!(
            "{flags} --transport thread --no-verify-writes --slot-bytes 64 --slots 64 --duration 0.3"
        ));
        let writer = &record["writers"][0];
        let quantiles: Quantiles = serde_json::from_value(writer["latency_ns"].clone()).unwrap();
        assert_eq!(quantiles.p999.is_some(), quantiles.count >= 1_000, "{quantiles:?}");
        let mean = 1e9 / writer["messages_per_second"].as_f64().unwrap();
        assert!(mean <= 1.05 * quantiles.highest_mean() + 100.0, "{flags}: {mean} ns, {quantiles:?}");
    }
}

#[test]
fn more_readers_than_a_ring_has_by_default_get_their_places() {
    let record = record("--readers 150 --slot-bytes 64 --slots 8 --writes-per-second 100 --duration 0.1");
    assert_eq!(list(&record, "readers").len(), 150);
}

#[test]
fn the_last_flag_of_two_counts_and_a_flag_overrides_its_scenario() {
    for (flags, verified) in [("--no-verify-writes --verify-writes", true), ("--no-verify-writes", false)] {
        let record = record(&format!("--slot-bytes 64 --slots 4 --duration 0.02 {flags}"));
        assert_eq!(record["options"]["verify_writes"], verified, "{flags}");
    }
    let record = record("--scenario 4 --slot-bytes 64 --verify-writes --duration 0.02");
    assert_eq!(record["options"]["verify_writes"], true);
}

#[test]
fn without_json_the_last_line_says_what_was_measured_and_what_was_checked() {
    let output = output("-b 64 -s 4 -r 2 --writes-per-second 100 -d 50ms");
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    let last = printed.lines().last().unwrap();
    assert!(last.contains("from 1 writer to each of 2 readers; latency p50 at most "), "{printed}");
    assert!(last.ends_with("; nothing was lost; every byte of each was checked"), "{printed}");
    let unchecked = text(&crate::support::output("-b 1kB -r 0 -d 10ms").stdout);
    assert!(unchecked.trim_end().ends_with("; no reader checked the messages"), "{unchecked}");
}
