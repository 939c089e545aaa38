//! Inputs and outputs as lines of a log: the two places that trace use these.

use std::fmt;

use crate::{Input, Op, Output, Reply};

/// An input as one line of a log, without octets of messages or secrets.
pub(super) struct Shown<'a>(pub(super) &'a Input);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Input::Command(command) => f.write_str(command.name()),
            Input::Done { id, result: Ok(Reply::Messages { messages, validity, .. }) } => {
                write!(f, "done {} with {} messages of {validity}", id.0, messages.len())
            }
            Input::Done { id, result: Ok(Reply::Folders(folders)) } => {
                write!(f, "done {} with {} folders", id.0, folders.len())
            }
            Input::Done { id, result: Ok(Reply::Ok) } => write!(f, "done {}", id.0),
            Input::Done { id, result: Err(error) } => write!(f, "failed {}: {error}", id.0),
            Input::Changed(folder) => write!(f, "changed {}", folder.name()),
        }
    }
}

/// An output as one line of a log, likewise.
pub(super) struct ShownOutput<'a>(pub(super) &'a Output);

impl fmt::Display for ShownOutput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Output::Persist(_) => f.write_str("persist"),
            Output::Event(event) => write!(f, "event {event:?}"),
            Output::Request { id, op } => match op {
                Op::ListFolders => write!(f, "request {} LIST", id.0),
                Op::CreateFolder(folder) => write!(f, "request {} CREATE {}", id.0, folder.name()),
                Op::DeleteFolder(folder) => write!(f, "request {} DELETE {}", id.0, folder.name()),
                Op::Fetch { folder, .. } => write!(f, "request {} FETCH {}", id.0, folder.name()),
                Op::Append { folder, envelope } => {
                    write!(f, "request {} APPEND {} {}", id.0, folder.name(), envelope.class.name())
                }
                Op::Remove { folder, messages, .. } => {
                    write!(f, "request {} EXPUNGE {} {}", id.0, folder.name(), messages.len())
                }
                Op::Watch(_) => write!(f, "request {} IDLE", id.0),
            },
        }
    }
}
