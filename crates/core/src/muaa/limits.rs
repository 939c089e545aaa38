//! What keeps everything that an update must hold whole within one message: the log, the account's keys, the settings.
//!
//! A log is never cut where members keep to this: from half of what it may hold on, they sign only what ends something and what
//! follows from that, of which there is no more than there are members and keys. So what is taken in does not depend on what
//! arrived first.

use super::Muaa;
use crate::{
    AccountKey, Crypto, InputError,
    state::{LogBody, Room},
};

/// The largest sum of the account's secret keys, in octets.
pub(super) const KEYS_BYTES_MAX: usize = 192 << 10;

/// The largest of them, in octets.
pub(super) const KEY_BYTES_MAX: usize = 64 << 10;

impl<C: Crypto> Muaa<C> {
    /// Whether the log has room for more than what ends something.
    pub(super) fn require_room(&self) -> Result<(), InputError> {
        let ample = self.room().is_none_or(|room| room.is_ample());
        if ample { Ok(()) } else { Err(InputError::LogFull) }
    }

    /// Whether the log has room for letting a device in.
    pub(super) fn require_room_for_a_device(&self) -> Result<(), InputError> {
        let Some(room) = self.room() else { return Ok(()) };
        let own = &self.state.device.fingerprint;
        if !room.may_let_in(own) {
            return Err(InputError::LetInMax);
        }
        if room.admits(own) { Ok(()) } else { Err(InputError::LogFull) }
    }

    fn room(&self) -> Option<Room> {
        self.state.group.as_ref().map(|group| Room::of(&group.log, self.config.log_max))
    }

    /// Whether this may be said in a log that is half full.
    pub(super) fn has_room_for(&self, body: &LogBody) -> bool {
        match body {
            LogBody::Add(_) => self.require_room_for_a_device().is_ok(),
            LogBody::Destroy(_) => self.require_room().is_ok(),
            LogBody::Genesis(_)
            | LogBody::Remove(_)
            | LogBody::Leave
            | LogBody::Move(_)
            | LogBody::Merge(_)
            | LogBody::AccountKey(_)
            | LogBody::Alive
            | LogBody::Veto(_)
            | LogBody::Restore(_)
            | LogBody::Unknown(_) => true,
        }
    }

    /// Whether `key` can be held beside the others, in the place of one with its fingerprint.
    pub(super) fn has_room_for_key(&self, key: &AccountKey, bytes_max: usize) -> bool {
        let others = self.state.keys.values().filter(|held| held.fingerprint != key.fingerprint);
        let (count, bytes) =
            others.fold((0, 0), |(count, bytes), held| (count + 1, bytes + held.secret.expose().len()));
        count < self.config.account_keys_max && bytes + key.secret.expose().len() <= bytes_max
    }
}
