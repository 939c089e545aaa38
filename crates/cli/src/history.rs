//! When each device was let in, and what it was called last, as this one heard of it: `devices.json` in the state directory. Nothing hangs
//! on it but what a person reads.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use sma_core::{MuaaId, Sibling, Timestamp};
use sma_imap::replace_file;

use crate::{control::News, failure::Failure};

const FILE: &str = "devices.json";
/// So many devices are remembered, the latest.
const DEVICES_MAX: usize = 256;

/// What was heard of devices, by ID.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct History(BTreeMap<String, Heard>);

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
struct Heard {
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    added: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl History {
    /// What was heard; nothing if there is no file that can be read.
    pub(crate) fn load(directory: &Path) -> Self {
        let octets = fs::read(directory.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&octets).unwrap_or_default()
    }

    /// When a device was let in.
    pub(crate) fn let_in_at(&self, id: MuaaId) -> Option<Timestamp> {
        self.0.get(&id.to_string())?.added.map(Timestamp::from_secs)
    }

    /// What a device was called last, also one that is out.
    pub(crate) fn name(&self, id: MuaaId) -> Option<&str> {
        self.0.get(&id.to_string())?.name.as_deref()
    }

    /// Keeps in mind what happened, if it is that a device was let in, or this one.
    pub(crate) fn happened(&mut self, news: &News, own: Option<MuaaId>, now: Timestamp) {
        let added = if let News::Added { id, .. } = news { Some(id.clone()) } else { None };
        let own = own.filter(|_| matches!(news, News::Joined { .. })).map(|own| own.to_string());
        if let Some(id) = added.or(own) {
            self.0.entry(id).or_default().added = Some(now.as_secs());
        }
    }

    /// Keeps in mind what devices are called.
    pub(crate) fn meet(&mut self, siblings: &[Sibling]) {
        for (id, name) in siblings.iter().filter_map(|sibling| Some((sibling.id, sibling.name.as_ref()?))) {
            self.0.entry(id.to_string()).or_default().name = Some(name.clone());
        }
    }

    /// # Errors
    /// The file cannot be written.
    pub(crate) fn save(&mut self, directory: &Path) -> Result<(), Failure> {
        while self.0.len() > DEVICES_MAX {
            let oldest = self.0.iter().min_by_key(|(_, heard)| heard.added).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.0.remove(&id));
        }
        let octets = serde_json::to_vec_pretty(self).map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(replace_file(directory, FILE, &octets)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_devices_are_remembered_with_their_time() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = History::default();
        for id in 0..300 {
            let added = News::Added { id: id.to_string(), by: "7".into() };
            history.happened(&added, None, Timestamp::from_secs(1000 + id));
        }
        let joined = News::Joined { by: "7".into() };
        history.happened(&joined, Some(MuaaId(9999)), Timestamp::from_secs(5000));
        history.save(directory.path()).unwrap();
        let history = History::load(directory.path());
        assert_eq!(history.0.len(), DEVICES_MAX);
        assert_eq!(history.let_in_at(MuaaId(299)), Some(Timestamp::from_secs(1299)));
        assert_eq!((history.let_in_at(MuaaId(0)), history.name(MuaaId(299))), (None, None));
    }
}
