//! Asking and answering values.

use super::{Caller, Question, Server};
use crate::api::form::{Form, forms};
use crate::api::typed::size_of_message;
use crate::types::error::CallError;
use crate::types::frame::ShapeError;
use crate::zerocopy::{FromBytes, Immutable, IntoBytes};
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

/// A [`Caller`] whose questions are values `Q` and whose answers are values `A`: see
/// [`Caller::typed`].
#[derive(Debug)]
pub struct TypedCaller<'c, Q, A> {
    caller: &'c mut Caller,
    of: PhantomData<fn(&Q) -> A>,
}

impl Caller {
    /// This caller, to ask values `Q` and to get values `A`.
    ///
    /// ```
    /// use seqring::{Config, Ring};
    /// let ring = Ring::heap(&Config::calls(1).of::<[f64; 2], f64>())?;
    /// let (mut server, mut caller) = (ring.server()?, ring.caller()?);
    /// let serving = std::thread::spawn(move || {
    ///     let mut server = server.typed::<[f64; 2], f64>()?;
    ///     let question = server.take()?;
    ///     let [x, y] = *question;
    ///     question.answer(&x.hypot(y));
    ///     Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// });
    /// assert_eq!(caller.typed::<[f64; 2], f64>()?.call(&[3.0, 4.0])?, 5.0);
    /// serving.join().unwrap().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError::ZeroSized`]; [`ShapeError::SlotTooSmall`].
    pub fn typed<Q, A>(&mut self) -> Result<TypedCaller<'_, Q, A>, ShapeError> {
        let config = &self.endpoint.registration.attachment().memory.layout().config;
        size_of_message::<Q>(config).and(size_of_message::<A>(config))?;
        Ok(TypedCaller { caller: self, of: PhantomData })
    }
}

impl<Q: IntoBytes + Immutable, A: FromBytes + IntoBytes> TypedCaller<'_, Q, A> {
    /// Asks, and waits for the answer: [`Caller::call`].
    ///
    /// # Errors
    /// As there, with [`CallError::OtherLength`] instead of `TooSmall`.
    #[inline]
    pub fn call(&mut self, question: &Q) -> Result<A, CallError> {
        self.ask(question)?;
        self.answer()
    }

    /// As [`Self::call`], waiting for at most `timeout`: [`Caller::call_timeout`].
    ///
    /// # Errors
    /// As there, and [`CallError::TimedOut`].
    pub fn call_timeout(&mut self, question: &Q, timeout: Duration) -> Result<A, CallError> {
        self.ask(question)?;
        self.answer_timeout(timeout)
    }

    /// Asks: [`Caller::ask`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn ask(&mut self, question: &Q) -> Result<(), CallError> {
        self.caller.ask(question.as_bytes())
    }

    forms! {
        /// Waits for the answer to the last question: [`Caller::answer`].
        ///
        /// # Errors
        /// As there, with [`CallError::OtherLength`] instead of `TooSmall`.
        #[inline]
        pub fn answer, try_answer, answer_timeout(&mut self)() -> Result<A, CallError, CallError::Pending>
            = |form| self.receive(form)
    }

    #[inline]
    fn receive(&mut self, form: impl Form) -> Result<A, CallError> {
        self.caller.receive(form, |found| {
            let (mut value, expected) = (A::new_zeroed(), size_of::<A>());
            if found.len() != expected {
                return Err(CallError::OtherLength { len: found.len(), expected });
            }
            found.copy_to_slice(value.as_mut_bytes());
            Ok(value)
        })
    }
}

/// A [`Server`] whose questions are values `Q` and whose answers are values `A`: see
/// [`Server::typed`].
#[derive(Debug)]
pub struct TypedServer<'s, Q, A> {
    server: &'s mut Server,
    of: PhantomData<fn(Q) -> A>,
}

impl Server {
    /// This server, to take values `Q` and to answer values `A`. [`Caller::typed`] has an example.
    ///
    /// # Errors
    /// [`ShapeError::ZeroSized`]; [`ShapeError::SlotTooSmall`].
    pub fn typed<Q, A>(&mut self) -> Result<TypedServer<'_, Q, A>, ShapeError> {
        let config = &self.endpoint.registration.attachment().memory.layout().config;
        size_of_message::<Q>(config).and(size_of_message::<A>(config))?;
        Ok(TypedServer { server: self, of: PhantomData })
    }
}

impl<Q: FromBytes + IntoBytes, A: IntoBytes + Immutable> TypedServer<'_, Q, A> {
    forms! {
        /// Takes the next question, waiting for it: [`Server::take`].
        ///
        /// # Errors
        /// As there; [`CallError::OtherLength`]: the question was no `Q`, and is refused.
        #[inline]
        pub fn take, try_take, take_timeout(&mut self)()
            -> Result<TypedQuestion<'_, Q, A>, CallError, CallError::Pending> = |form| self.receive(form)
    }

    #[inline]
    fn receive(&mut self, form: impl Form) -> Result<TypedQuestion<'_, Q, A>, CallError> {
        let len = self.server.receive(form)?;
        let question = Question { server: self.server, len };
        let (mut value, expected) = (Q::new_zeroed(), size_of::<Q>());
        if len != expected {
            return Err(CallError::OtherLength { len, expected });
        }
        value.as_mut_bytes().copy_from_slice(&question);
        Ok(TypedQuestion { question, value, of: PhantomData })
    }
}

/// A question that a [`TypedServer`] took. Dropping it without an answer refuses it.
#[derive(Debug)]
pub struct TypedQuestion<'s, Q, A> {
    question: Question<'s>,
    value: Q,
    of: PhantomData<fn(&A)>,
}

impl<'s, Q, A: IntoBytes + Immutable> TypedQuestion<'s, Q, A> {
    /// Answers: [`Question::answer`].
    #[inline]
    pub fn answer(self, answer: &A) {
        self.question.server.settle(Some(answer.as_bytes()));
    }

    /// The question as bytes, and its caller.
    pub fn question(&self) -> &Question<'s> {
        &self.question
    }
}

impl<Q, A> Deref for TypedQuestion<'_, Q, A> {
    type Target = Q;

    fn deref(&self) -> &Q {
        &self.value
    }
}
