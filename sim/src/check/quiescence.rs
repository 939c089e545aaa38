//! 7: with nothing to say, devices only renew their announcements.

use std::time::Duration;

use sma_core::{Class, Op};

use crate::lab::Lab;

/// Counts what is done while nobody has anything to say.
#[derive(Clone, Debug, Default)]
pub struct Quiet {
    announcements: u64,
    /// The first thing that was said all the same.
    disturbed: Option<String>,
}

impl Quiet {
    /// An operation that was done.
    pub fn saw(&mut self, name: &str, op: &Op) {
        let sentence = match op {
            Op::Append { envelope, .. } if envelope.class == Class::Announcement => {
                self.announcements += 1;
                return;
            }
            Op::Append { envelope, folder } => {
                format!("{name} appends {} to {} at rest", envelope.class.name(), folder.name())
            }
            Op::CreateFolder(folder) | Op::DeleteFolder(folder) => {
                format!("{name} creates or deletes {} at rest", folder.name())
            }
            Op::ListFolders | Op::Fetch { .. } | Op::Remove { .. } | Op::Watch(_) => return,
        };
        self.disturbed.get_or_insert(sentence);
    }

    /// What was wrong with the rest, after so much time of it. There may be one announcement for each heartbeat of each device,
    /// and one more.
    #[must_use]
    pub fn broken(self, lab: &Lab, lasted: Duration) -> Option<String> {
        let beat = lab.machines.iter().map(|machine| machine.config.heartbeat).min().unwrap_or_default();
        let beats = lasted.as_secs() / beat.as_secs().max(1) + 1;
        let allowed = beats * lab.machines.len() as u64;
        let too_many = || {
            let announcements = self.announcements;
            (announcements > allowed)
                .then(|| format!("{announcements} announcements at rest where {allowed} do"))
        };
        self.disturbed.clone().or_else(too_many)
    }
}
