//! 7: with nothing to say, devices only renew their announcements.

use std::time::Duration;

use sma_core::{Class, Op};

use crate::lab::Lab;

/// Counts what is appended while nobody has anything to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet {
    announcements: u64,
}

impl Quiet {
    /// An operation that was done.
    pub fn saw(&mut self, lab: &mut Lab, at: usize, op: &Op) {
        let name = &lab.machines[at].name;
        match op {
            Op::Append { envelope, .. } if envelope.class == Class::Announcement => self.announcements += 1,
            Op::Append { envelope, folder } => {
                let sentence =
                    format!("{name} appends {} to {} at rest", envelope.class.name(), folder.name());
                lab.break_invariant("7 quiescence", sentence);
            }
            Op::CreateFolder(folder) | Op::DeleteFolder(folder) => {
                let sentence = format!("{name} creates or deletes {} at rest", folder.name());
                lab.break_invariant("7 quiescence", sentence);
            }
            Op::ListFolders | Op::Fetch { .. } | Op::Remove { .. } | Op::Watch(_) => {}
        }
    }

    /// Ends the watch after so much time: there may be one announcement for each heartbeat of each device, and one more.
    pub fn end(self, lab: &mut Lab, lasted: Duration) {
        let beat = lab.machines.iter().map(|machine| machine.config.heartbeat).min().unwrap_or_default();
        let beats = lasted.as_secs() / beat.as_secs().max(1) + 1;
        let allowed = beats * lab.machines.len() as u64;
        if self.announcements > allowed {
            let sentence = format!("{} announcements at rest where {allowed} do", self.announcements);
            lab.break_invariant("7 quiescence", sentence);
        }
    }
}
