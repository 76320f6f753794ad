//! The `seqring` command.
