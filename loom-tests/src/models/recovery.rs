//! Models of what the living do about the dead, the stalled and the absent.

mod deaths;
mod evicted;
mod handed;
mod heirs;

use super::Model;
use seqring::model::{End, Pair, Mutation};

/// Each step of recovery, and a model that fails when it is left out.
pub(crate) const NEEDED: [(Mutation, &str); 9] = [
    (Mutation::LookForTheDead, "dead_reader"),
    (Mutation::VacateReader, "dead_reader"),
    (Mutation::EndStream, "found_by_two"),
    (Mutation::KeepDeath, "told_once"),
    (Mutation::LookAtSlots, "heir_stored"),
    (Mutation::FindMissingBuffer, "heir_filled"),
    (Mutation::SettleExchange, "heir_exchanged"),
    (Mutation::Witness, "died_helped"),
    (Mutation::HelpCounter, "heir_exchanged"),
];

pub(crate) const MODELS: &[Model] = &[
    Model {
        name: "told_once",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::End, End::Release),
            (Pair::End, End::Acquire),
        ],
        floor: 1_651,
        preemptions: Some(3),
        body: deaths::told_once,
    },
    Model {
        name: "told_twice",
        kills: &[(Pair::End, End::Release), (Pair::End, End::Acquire)],
        floor: 3_328,
        preemptions: Some(2),
        body: deaths::told_twice,
    },
    Model { name: "found_by_two", kills: &[], floor: 298, preemptions: Some(3), body: deaths::found_by_two },
    Model { name: "found_halfway", kills: &[], floor: 194, preemptions: None, body: deaths::found_halfway },
    Model { name: "dead_reader", kills: &[], floor: 7, preemptions: None, body: deaths::reader_copying },
    Model { name: "dead_viewer", kills: &[], floor: 56, preemptions: None, body: deaths::reader_pinning },
    Model {
        name: "vacated_halfway",
        kills: &[],
        floor: 411,
        preemptions: Some(3),
        body: deaths::vacated_halfway,
    },
    Model {
        name: "heir_marked",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::Tear, End::Release),
            (Pair::Tear, End::Acquire),
        ],
        floor: 7_812,
        preemptions: Some(2),
        body: heirs::marked,
    },
    Model {
        name: "heir_stored",
        kills: &[(Pair::Tear, End::Release), (Pair::Tear, End::Acquire)],
        floor: 7_812,
        preemptions: Some(2),
        body: heirs::stored,
    },
    Model {
        name: "heir_filled",
        kills: &[(Pair::Publish, End::Release)],
        floor: 700,
        preemptions: None,
        body: heirs::filled,
    },
    Model {
        name: "heir_withdrawn",
        kills: &[(Pair::Free, End::Release), (Pair::Free, End::Acquire)],
        floor: 354,
        preemptions: Some(3),
        body: heirs::withdrawn,
    },
    Model { name: "heir_armed", kills: &[], floor: 1_279, preemptions: Some(3), body: heirs::armed },
    Model {
        name: "heir_exchanged",
        // Not the release end: as for `died_helped`.
        kills: &[(Pair::Publish, End::Acquire)],
        floor: 7_631,
        preemptions: Some(3),
        body: heirs::exchanged,
    },
    Model { name: "heir_owning", kills: &[], floor: 4_280, preemptions: Some(3), body: heirs::owning },
    Model { name: "heir_take_armed", kills: &[], floor: 674, preemptions: Some(2), body: heirs::take_armed },
    Model {
        name: "heir_take_done",
        // Not the release end: as for `died_helped`.
        kills: &[(Pair::Publish, End::Acquire)],
        floor: 624,
        preemptions: Some(3),
        body: heirs::take_done,
    },
    Model { name: "heir_take_owned", kills: &[], floor: 193, preemptions: Some(3), body: heirs::take_owned },
    Model { name: "nothing_left", kills: &[], floor: 3_870, preemptions: Some(3), body: heirs::nothing_left },
    Model {
        name: "evicted_copy",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::Tear, End::Release),
            (Pair::Tear, End::Acquire),
            (Pair::Pin, End::Release),
            (Pair::Floor, End::Acquire),
        ],
        floor: 16_221,
        preemptions: Some(2),
        body: evicted::copying,
    },
    Model {
        name: "evicted_view",
        kills: &[
            (Pair::Publish, End::Release),
            (Pair::Publish, End::Acquire),
            (Pair::Free, End::Release),
            (Pair::Pin, End::Acquire),
        ],
        floor: 2_429,
        preemptions: Some(2),
        body: evicted::showing,
    },
    Model {
        name: "handed_over",
        kills: &[(Pair::Free, End::Release), (Pair::Free, End::Acquire)],
        floor: 4_828,
        preemptions: Some(4),
        body: handed::over,
    },
    Model { name: "handed_once", kills: &[], floor: 1_919, preemptions: Some(3), body: handed::once },
    Model { name: "parker_died", kills: &[], floor: 88, preemptions: None, body: handed::parker_died },
];
