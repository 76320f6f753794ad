//! Models of the recovery from dead, stopped and parked participants.

mod deaths;
mod eviction;
mod park;
mod successors;

use super::{Model, model};
use seqring::model::Mutation;

/// Each step of recovery, and a model that fails without it.
pub(crate) const NEEDED: [(Mutation, &str); 11] = [
    (Mutation::DetectDeaths, "dead_reader"),
    (Mutation::VacateReader, "dead_reader"),
    (Mutation::EndStream, "death_two_finders"),
    (Mutation::RecordDeath, "death_once"),
    (Mutation::ScanSlots, "successor_stored"),
    (Mutation::FindMissingBuffer, "successor_filled"),
    (Mutation::SettleExchange, "successor_exchanged"),
    (Mutation::RecordOwner, "queue_writer_died"),
    (Mutation::RecordLoss, "displaced_stale"),
    (Mutation::FindDisplacer, "displaced_taker_exchanged"),
    (Mutation::CompareAim, "displaced_stale"),
];

pub(crate) const MODELS: &[Model] = &[
    model("death_once", 1_651, Some(3), deaths::one_death),
    model("death_twice", 3_328, Some(2), deaths::two_deaths),
    model("death_two_finders", 298, Some(3), deaths::two_finders),
    model("death_finder_died", 194, None, deaths::finder_died),
    model("death_of_a_leaver", 1, None, deaths::leaver),
    model("dead_reader", 7, None, deaths::reader_copying),
    model("dead_pinned_reader", 56, None, deaths::reader_pinning),
    model("dead_reader_finder_died", 456, Some(3), deaths::reader_finder_died),
    model("successor_marked", 7_812, Some(2), successors::marked),
    model("successor_stored", 7_812, Some(2), successors::stored),
    model("successor_filled", 700, None, successors::filled),
    model("successor_withdrawn", 354, Some(3), successors::withdrawn),
    model("successor_intent", 722, Some(3), successors::with_intent),
    model("successor_exchanged", 16_981, Some(3), successors::exchanged),
    model("successor_owner", 10_159, Some(3), successors::owner),
    model("successor_take_intent", 457, Some(2), successors::take_with_intent),
    model("successor_take_exchanged", 1_856, Some(3), successors::take_exchanged),
    model("successor_take_owner", 221, Some(3), successors::take_owner),
    model("redelivery_before_end", 2_460, Some(3), successors::redelivery_before_the_end),
    model("evicted_copy", 9_417, Some(2), eviction::during_copy),
    model("evicted_view", 2_429, Some(2), eviction::during_view),
    model("park_resume", 4_828, Some(4), park::resume),
    model("park_join", 28, Some(3), park::join),
    model("park_outlived", 1, None, park::outlived),
    model("resume_once", 1_919, Some(3), park::resume_once),
    model("parker_died", 88, None, park::parker_died),
];
