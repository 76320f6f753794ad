//! The machine, as records have it.

use harness::machine::Machine;
use serde::{Deserialize, Serialize};

/// The machine, as far as it explains the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineRecord {
    pub(crate) cpu_model: String,
    pub(crate) cores: usize,
    pub(crate) allowed_cores: usize,
    pub(crate) kernel: String,
    pub(crate) memory_bytes: u64,
    pub(crate) virtual_machine: bool,
    pub(crate) huge_pages: String,
    pub(crate) shared_huge_pages: String,
}

impl MachineRecord {
    pub(crate) fn new(machine: Machine) -> Self {
        MachineRecord {
            cpu_model: machine.cpu_model,
            cores: machine.cores,
            allowed_cores: machine.allowed_cores,
            kernel: machine.kernel,
            memory_bytes: machine.memory_bytes,
            virtual_machine: machine.virtual_machine,
            huge_pages: machine.huge_pages,
            shared_huge_pages: machine.shared_huge_pages,
        }
    }
}
