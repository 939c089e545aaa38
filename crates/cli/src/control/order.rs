//! What a command asks of the host.

use sma_core::Command;

/// What the host is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Look at the store and do all there is to do.
    Look {
        /// For so many seconds at most.
        limit: u64,
    },
    /// Hand in a command, and do what follows from it.
    Do {
        /// The command.
        command: Command,
        /// Look at the store before: what a person decides is decided on what is there now.
        looks: bool,
    },
}
