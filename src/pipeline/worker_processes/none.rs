//! Elsewhere than on Linux all workers are threads.

use crate::pipeline::error::PipelineError;
use crate::pipeline::exit::Exit;
use crate::pipeline::tag::Label;

/// There is none.
#[derive(Debug)]
pub(crate) enum Crew {}

/// Nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dead {
    pub(crate) worker: usize,
    pub(crate) pid: u32,
    pub(crate) exit: Exit,
    pub(crate) hung: Option<Label>,
}

impl Crew {
    pub(crate) fn start_one(&mut self, _: usize) -> Result<(), PipelineError> {
        match *self {}
    }

    pub(crate) fn dead(&mut self) -> Vec<Dead> {
        match *self {}
    }

    pub(crate) fn pid(&self, _: usize) -> u32 {
        match *self {}
    }

    pub(crate) fn kill_hung(&mut self, _: usize, _: Label) {
        match *self {}
    }

    pub(crate) fn name(&self, _: usize) -> String {
        match *self {}
    }

    pub(crate) fn end(&mut self) -> Result<(), PipelineError> {
        match *self {}
    }
}
