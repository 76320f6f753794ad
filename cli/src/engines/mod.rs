//! What `seqring perf` can drive: implementations of [`bench_support::engine::Engine`].

mod seqring;

pub(crate) use self::seqring::Seqring;
