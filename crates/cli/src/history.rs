//! When each device was let in, as this one heard of it: `devices.json` in the state directory. Nothing hangs on it but what a person reads.

use std::{collections::BTreeMap, fs, path::Path};

use sma_core::{MuaaId, Timestamp};
use sma_imap::replace_file;

use crate::{control::News, failure::Failure};

const FILE: &str = "devices.json";
/// So many devices are remembered, the latest.
const DEVICES_MAX: usize = 256;

/// The times, in seconds since 1970, by ID.
pub(crate) type History = BTreeMap<String, u64>;

/// What was heard; nothing if there is no file that can be read.
pub(crate) fn load(directory: &Path) -> History {
    let octets = fs::read(directory.join(FILE)).unwrap_or_default();
    serde_json::from_slice(&octets).unwrap_or_default()
}

/// When a device was let in.
pub(crate) fn let_in_at(history: &History, id: MuaaId) -> Option<Timestamp> {
    history.get(&id.to_string()).copied().map(Timestamp::from_secs)
}

/// Keeps in mind what happened, if it is that a device was let in, or this one.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn happened(
    directory: &Path,
    news: &News,
    own: Option<MuaaId>,
    now: Timestamp,
) -> Result<(), Failure> {
    let added = if let News::Added { id, .. } = news { Some(id.clone()) } else { None };
    let own = own.filter(|_| matches!(news, News::Joined { .. })).map(|own| own.to_string());
    let Some(id) = added.or(own) else { return Ok(()) };
    let mut history = load(directory);
    history.insert(id, now.as_secs());
    while history.len() > DEVICES_MAX {
        let oldest = history.iter().min_by_key(|(_, at)| **at).map(|(id, _)| id.clone());
        oldest.and_then(|id| history.remove(&id));
    }
    let octets = serde_json::to_vec_pretty(&history).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(replace_file(directory, FILE, &octets)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_devices_are_remembered_with_their_time() {
        let directory = tempfile::tempdir().unwrap();
        for id in 0..300 {
            let added = News::Added { id: id.to_string(), by: "7".into() };
            happened(directory.path(), &added, None, Timestamp::from_secs(1000 + id)).unwrap();
        }
        let joined = News::Joined { by: "7".into() };
        happened(directory.path(), &joined, Some(MuaaId(9999)), Timestamp::from_secs(5)).unwrap();
        let history = load(directory.path());
        assert_eq!(history.len(), DEVICES_MAX);
        assert_eq!(let_in_at(&history, MuaaId(299)), Some(Timestamp::from_secs(1299)));
        assert_eq!(let_in_at(&history, MuaaId(0)), None);
    }
}
