//! 7: with nothing to say, devices only renew their announcements. That a device which nobody has any more was silent for so long that it
//! is cleared away, or taken for lost, is something to say: such a rest says nothing.

use std::{collections::BTreeSet, time::Duration};

use sma_core::{Class, Fingerprint, Folder, MuaaId, Op};

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

/// What is left of devices that no machine is any more, as of those that a state was which was put back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lost {
    folders: BTreeSet<MuaaId>,
    members: BTreeSet<Fingerprint>,
}

impl Lost {
    /// What is left now.
    #[must_use]
    pub fn of(lab: &Lab) -> Self {
        let running = || lab.machines.iter().filter_map(|machine| machine.muaa.as_ref());
        let ids: BTreeSet<_> = running().filter_map(sma_core::Muaa::id).collect();
        let keys: BTreeSet<_> = running().map(sma_core::Muaa::fingerprint).collect();
        let inbox = |folder: &Folder| match folder {
            Folder::Inbox(id) => Some(*id),
            Folder::Announcements => None,
        };
        let folders = lab.store.folders.keys().filter_map(inbox).filter(|id| !ids.contains(id)).collect();
        let members =
            running().flat_map(sma_core::Muaa::member_keys).filter(|key| !keys.contains(key)).collect();
        Self { folders, members }
    }

    /// Whether something of it is gone, and nothing came.
    #[must_use]
    pub fn became(&self, now: &Self) -> bool {
        self != now && now.folders.is_subset(&self.folders) && now.members.is_subset(&self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_left_of_a_device_that_nobody_has_goes_twice_and_nothing_else_does() {
        let mut stage = Stage::new();
        stage.lab.trace.on = false;
        let [one, two, three] = [1, 2, 3].map(|id| stage.add(id));
        stage.settle();
        assert!(stage.pair(one, two) && stage.pair(one, three));
        stage.settle();
        let all = Lost::of(&stage.lab);
        assert_eq!(all, Lost::default());
        stage.lab.stop(three);
        let mut went = Vec::new();
        let mut before = Lost::of(&stage.lab);
        assert!(!all.became(&before), "something came");
        for day in 1..400 {
            stage.advance(DAY);
            let now = Lost::of(&stage.lab);
            went.extend(before.became(&now).then_some(day));
            before = now;
        }
        assert!(matches!(went[..], [180..200, 365..380]), "{went:?}");
        assert_eq!(before, Lost::default());
    }
}
