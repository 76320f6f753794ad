//! The calls of this library as a contestant.

use harness::drive::{CallEngine, Wait};
use harness::refusal::EngineError;
use harness::ring_spec::Place;
use seqring::{CallError, Caller, Config, Ring, Server, WaitStrategy};

/// A ring for one caller and one server.
#[derive(Debug)]
pub struct Calls(Ring);

impl CallEngine for Calls {
    const NAME: &'static str = "seqring call";
    type Caller = Caller;
    type Server = Server;

    fn create(bytes: usize, place: &Place) -> Result<Self, EngineError> {
        let config = Config::calls(1).of_bytes(bytes);
        let ring = match place {
            Place::Named(name) => Ring::create(name, &config),
            Place::Heap => Ring::heap(&config),
        };
        ring.map(Self).map_err(|error| EngineError::failed("create the ring", error))
    }

    fn open(name: &str) -> Result<Self, EngineError> {
        Ring::open(name).map(Self).map_err(|error| EngineError::failed("open the ring", error))
    }

    fn caller(&self, wait: Wait) -> Result<Caller, EngineError> {
        let mut caller = self.0.caller().map_err(|error| EngineError::failed("join as a caller", error))?;
        caller.set_wait_strategy(strategy(wait));
        Ok(caller)
    }

    fn server(&self, wait: Wait) -> Result<Server, EngineError> {
        let mut server = self.0.server().map_err(|error| EngineError::failed("join as the server", error))?;
        server.set_wait_strategy(strategy(wait));
        Ok(server)
    }

    #[inline(always)]
    fn call(caller: &mut Caller, question: &[u8], out: &mut [u8]) -> Result<usize, String> {
        caller.call(question, out).map_err(|error| error.to_string())
    }

    fn echo(server: &mut Server) -> Result<(), String> {
        let mut answer = [0; 256];
        loop {
            let question = match server.take() {
                Ok(question) => question,
                Err(CallError::Closed) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            let answer = &mut answer[..question.len()];
            answer.copy_from_slice(&question);
            question.answer(answer).map_err(|error| error.to_string())?;
        }
    }

    fn close(&self) {
        self.0.close();
    }
}

fn strategy(wait: Wait) -> WaitStrategy {
    match wait {
        Wait::Pauses(pauses) => WaitStrategy { pauses, ..WaitStrategy::SPINNING },
        Wait::Yielding => WaitStrategy { spins: 0, pauses: 0, yields: u32::MAX },
        Wait::Blocking => WaitStrategy::BALANCED,
    }
}
