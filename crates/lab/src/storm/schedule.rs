//! The faults of an act, and their times: determined by the seed alone.

use fastrand::Rng;
use std::time::Duration;

/// How long an act lasts before it is finished.
pub(crate) const ACT: Duration = Duration::from_secs(2);

/// A fault of the process at a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Stop,
    Continue,
    Kill,
    /// It is to leave, and ends by itself.
    Dismiss,
    /// Another process takes the post.
    Replace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: Duration,
    pub(crate) post: usize,
    pub(crate) step: Step,
}

/// The events of one act, in the order of their times. Posts below `spared` are stopped, and never
/// killed.
pub(crate) fn of(seed: u64, act: u64, posts: usize, spared: usize) -> Vec<Event> {
    let mut random = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ act);
    let mut events = Vec::new();
    let mut free_at = vec![Duration::from_millis(30); posts];
    let mut now = Duration::from_millis(30);
    let ms = Duration::from_millis;
    while now < ACT {
        now += Duration::from_micros(random.u64(1_000..25_000));
        let post = random.usize(0..posts);
        if free_at[post] > now {
            continue;
        }
        let mut add = |at, step| events.push(Event { at, post, step });
        let fate = random.u8(0..10);
        let mut end = now;
        if fate < 4 || post < spared {
            add(now, Step::Stop);
            end += ms(random.u64(1..70));
            if fate == 0 && post >= spared && end < ACT {
                add(end, Step::Kill); // While it is stopped.
            } else {
                add(end, Step::Continue);
                free_at[post] = end + ms(10);
                continue;
            }
        } else if fate == 4 {
            add(now, Step::Dismiss);
        } else {
            add(now, Step::Kill);
        }
        // Some posts stay empty for long: then the others must notice it.
        let vacancy = if random.u8(0..5) == 0 { ms(random.u64(100..600)) } else { ms(random.u64(0..20)) };
        add(end + vacancy, Step::Replace);
        free_at[post] = end + vacancy + ms(random.u64(0..40)); // Some die while they join.
    }
    events.retain(|event| event.at < ACT || event.step == Step::Continue);
    events.sort_by_key(|event| event.at);
    events
}

#[cfg(test)]
mod tests {
    use super::{Step, of};

    #[test]
    fn the_same_seed_makes_the_same_schedule_and_another_another() {
        assert_eq!(of(1, 2, 6, 1), of(1, 2, 6, 1));
        assert_ne!(of(1, 2, 6, 1), of(1, 3, 6, 1));
        assert_ne!(of(1, 2, 6, 1), of(2, 2, 6, 1));
    }

    #[test]
    fn no_process_stays_stopped_and_spared_ones_are_not_killed() {
        for seed in 0..50 {
            let events = of(seed, 0, 6, 1);
            assert!(
                events
                    .iter()
                    .all(|event| event.post > 0 || matches!(event.step, Step::Stop | Step::Continue))
            );
            for post in 0..6 {
                let mut stopped = false;
                for event in events.iter().filter(|event| event.post == post) {
                    match event.step {
                        Step::Stop => stopped = true,
                        Step::Continue | Step::Kill => stopped = false,
                        Step::Dismiss | Step::Replace => assert!(!stopped),
                    }
                }
                assert!(!stopped, "seed {seed}, post {post}");
            }
        }
    }
}
