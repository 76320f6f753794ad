//! Flags that ask for what cannot be.

use crate::support::{output, path_of, text, unique_name};

#[test]
fn what_cannot_be_is_refused_with_exit_code_2_and_leaves_nothing() {
    let taken = unique_name();
    let held = seqring::Ring::create(&taken, &seqring::Config::slots(1).of_bytes(8)).unwrap();
    let free = unique_name();
    let refused = [
        ("--slots 0", "--slots must be at least 1"),
        ("--slot-bytes 0", "--slot-bytes must be at least 16"),
        ("--slot-bytes 10000000000000", "slot_bytes must be"),
        ("--slot-bytes 1000000000000 --slots 1000", "are free there"),
        ("--slot-bytes 1.5", "is not a whole number"),
        ("--slot-bytes 1apple", "is none of b, k, kb, kib"),
        ("--slots 1000000000000", "slots must be"),
        ("--readers 100000", "participants must be"),
        ("--writers 0", "--writers must be 1 to 65535"),
        ("--duration 0", "--duration must be more than 0 s"),
        ("--duration nan", "\"nan\" is not a number"),
        ("--scenario 6", "6 is not in 1..=5"),
        ("--engine seqring", "unexpected argument"),
        ("--name a/b", "bad ring name"),
        ("--transport thread --name ../b", "bad ring name"),
        (&format!("--name {taken}"), "exists already"),
    ];
    for (flags, said) in refused {
        let name = if flags.contains("--name") { String::new() } else { format!("--name {free}") };
        let output = output(&format!("--duration 0.01 {flags} {name}"));
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags}: {errors}");
        assert!(errors.contains(said), "{flags}: {errors}");
        assert_eq!(output.stdout, b"", "{flags}");
        assert!(!path_of(&free).exists(), "{flags}");
    }
    assert!(path_of(&taken).exists(), "what was there before stays");
    drop(held);
}

/// Fails if a spelling of the tool of `ringbuffer`, or an earlier one, is not answered with the
/// flag's name.
#[test]
fn another_spelling_of_a_flag_is_answered_with_its_name() {
    let spellings = [
        ("--duration_seconds", "--duration"),
        ("--duration-seconds", "--duration"),
        ("--slot_bytes", "--slot-bytes"),
        ("--writes_per_second", "--writes-per-second"),
        ("--on_full", "--on-full"),
        ("--reader_burn_cpu_milliseconds", "--reader-burn-cpu"),
        ("--reader-polls-every-microseconds", "--reader-polls-every"),
        ("--verify_writes", "--verify-writes"),
        ("--no_verify_writes", "--no-verify-writes"),
        ("--zero_copy", "--zero-copy"),
    ];
    for (spelling, flag) in spellings {
        let output = output(&format!("{spelling} 1"));
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{spelling}: {errors}");
        assert!(errors.contains(&format!("'{flag}'")), "{spelling}: {errors}");
    }
}
