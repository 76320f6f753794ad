//! An engine in a row: what it runs, and in which manners it may be used there.

use crate::end::Wait;
use crate::manner::{Form, Manner};
use crate::payload::Payload;
use crate::stream::Stream;
use crate::trip::Trip;
use harness::engine::Engine;
use harness::pin::CorePair;
use harness::ring_spec::Delivery;
use harness::table::Figures;
use std::time::Duration;

/// One repetition.
pub(crate) struct Run<'a> {
    pub(crate) row: &'a str,
    pub(crate) entrant: &'a str,
    pub(crate) cores: CorePair,
    pub(crate) duration: Duration,
}

/// What a row's verdict makes of an entrant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of ours.
    Ours,
    /// One that ours is compared with.
    Rival,
    /// One that is reported beside them.
    Beside,
}

type Measure = dyn Fn(&Run<'_>, Manner) -> Result<Figures, String>;
type Play = dyn Fn(Manner, &[String]) -> Result<(), String>;

/// An engine in a row.
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) manners: Vec<Manner>,
    measure: Box<Measure>,
    play: Box<Play>,
}

impl Entrant {
    /// A stream between threads.
    pub(crate) fn stream<E: Engine + 'static, C: Payload + 'static>(
        role: Role,
        stream: Stream,
        waits: &[Wait],
    ) -> Self {
        Self {
            name: E::NAME,
            role,
            manners: manners(&stream_forms::<E, C>(&stream), waits),
            measure: Box::new(move |run, manner| stream.in_threads::<E, C>(run, manner)),
            play: Box::new(|_, _| Err("this row has one process".into())),
        }
    }

    /// A stream between processes.
    pub(crate) fn stream_between<E: Engine + 'static, C: Payload + 'static>(
        role: Role,
        form: Form,
        stream: Stream,
        waits: &[Wait],
    ) -> Self {
        Self {
            name: E::NAME,
            role,
            manners: manners(&[form], waits),
            measure: Box::new(move |run, manner| stream.in_processes::<E, C>(run, manner)),
            play: Box::new(move |manner, rings| stream.play::<E, C>(manner, rings)),
        }
    }

    /// A round trip between threads.
    pub(crate) fn trip<E: Engine + 'static, C: Payload + 'static>(
        role: Role,
        trip: Trip,
        waits: &[Wait],
    ) -> Self {
        Self {
            name: E::NAME,
            role,
            manners: manners(&trip_forms::<E, C>(), waits),
            measure: Box::new(move |run, manner| trip.in_threads::<E, C>(run, manner)),
            play: Box::new(|_, _| Err("this row has one process".into())),
        }
    }

    /// A round trip between processes.
    pub(crate) fn trip_between<E: Engine + 'static, C: Payload + 'static>(
        role: Role,
        trip: Trip,
        waits: &[Wait],
    ) -> Self {
        Self {
            name: E::NAME,
            role,
            manners: manners(&trip_forms::<E, C>(), waits),
            measure: Box::new(move |run, manner| trip.in_processes::<E, C>(run, manner)),
            play: Box::new(|manner, rings| Trip::play::<E, C>(manner, rings)),
        }
    }

    /// What no ring is in: there is one manner, and what it is called means nothing.
    pub(crate) fn floor(
        name: &'static str,
        measure: impl Fn(&Run<'_>) -> Result<Figures, String> + 'static,
    ) -> Self {
        Self {
            name,
            role: Role::Rival,
            manners: manners(&[Form::Copied], &[Wait::Pauses(1)]),
            measure: Box::new(move |run, _| measure(run)),
            play: Box::new(|_, _| Err("a floor has no other end".into())),
        }
    }

    pub(crate) fn measure(&self, run: &Run<'_>, manner: Manner) -> Result<Figures, String> {
        (self.measure)(run, manner)
    }

    /// The other end of [`measure`](Self::measure), in a process of its own.
    pub(crate) fn play(&self, manner: Manner, rings: &[String]) -> Result<(), String> {
        (self.play)(manner, rings)
    }
}

fn manners(forms: &[Form], waits: &[Wait]) -> Vec<Manner> {
    forms.iter().flat_map(|&form| waits.iter().map(move |&wait| Manner { form, wait })).collect()
}

/// Where filling and looking in place can pay at all: below it a message is a few registers.
const LEAST_IN_PLACE: usize = 64;

fn is_in_place<E: Engine, C: Payload>() -> bool {
    let can = E::CAPABILITIES.writes_in_place && E::CAPABILITIES.reads_in_place;
    can && C::BYTES >= LEAST_IN_PLACE
}

fn stream_forms<E: Engine, C: Payload>(stream: &Stream) -> Vec<Form> {
    if stream.in_batches {
        return vec![Form::Gathered];
    }
    let mut forms = vec![Form::Copied];
    if stream.spec.delivery != Delivery::Queue {
        forms.push(Form::Gathered);
    }
    if is_in_place::<E, C>() {
        forms.push(Form::InPlace);
    }
    forms
}

fn trip_forms<E: Engine, C: Payload>() -> Vec<Form> {
    if is_in_place::<E, C>() { vec![Form::Copied, Form::InPlace] } else { vec![Form::Copied] }
}
