//! Takes, and operations while a taken message is held.

use crate::driver::{Driver, pick};
use crate::operations::{Call, Op};
use crate::reading::without_waiting;
use seqring::{Delivery, ReadError, RegisterError, Role, Taken, Taker, TryReadError};
use std::time::Duration;

impl Driver {
    pub(crate) fn taker_joins(&mut self) {
        // Includes takers in use. There are entries for four.
        if self.ring.participants().iter().filter(|one| one.role == Role::Taker).count() >= 4 {
            return;
        }
        let delivery = self.shape.delivery;
        match self.ring.taker() {
            Ok(taker) => {
                assert_eq!(delivery, Delivery::Queue);
                self.takers.push(Some(taker));
            }
            Err(error) => {
                assert!(
                    delivery != Delivery::Queue && error == RegisterError::Delivery { delivery },
                    "{error:?}"
                );
            }
        }
    }

    pub(crate) fn take(&mut self, draw: usize, count: usize, call: Call, meanwhile: &[Op]) {
        let Some(id) = pick(&self.takers, draw) else { return };
        let mut taker = self.takers[id].take().expect("picked from those present");
        for nth in 1..=count {
            let meanwhile = if nth == count { meanwhile } else { &[] };
            self.take_one(&mut taker, call, meanwhile);
        }
        self.takers[id] = Some(taker);
    }

    fn take_one(&mut self, taker: &mut Taker, call: Call, meanwhile: &[Op]) {
        let expected = self.model.take();
        let taken = match call {
            Call::Try => taker.try_take(),
            Call::Wait if expected == Err(TryReadError::Empty) => {
                let late = taker.take_timeout(Duration::ZERO).unwrap_err();
                assert!(matches!(late, ReadError::TimedOut { .. }), "{late}");
                return;
            }
            Call::Wait => taker.take().map_err(without_waiting),
        };
        let result = taken.as_ref().map(|taken| (Some(taken.received()), taken.to_vec()));
        self.agree(result.map_err(|error| *error), &expected);
        if let (Ok(taken), Ok(message)) = (taken, expected) {
            let unchanged =
                |taken: &Taken<'_>| taken[..] == message.payload && taken.metadata() == message.metadata;
            assert!(unchanged(&taken));
            self.run(meanwhile);
            assert!(unchanged(&taken), "the bytes of a held message changed");
        }
    }
}
