//! The state machine.

use crate::{
    Account, Config, Crypto, Fingerprint, Hash, Input, InputError, MuaaId, Output, Phase, Secret, SessionId,
    Sibling, Timestamp,
};

/// Everything durable of a MUAA. Cheap to clone; encode it to write it down.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Snapshot(());

impl Snapshot {
    /// The versioned encoding. Holds all secrets of the device.
    #[must_use]
    pub fn encode(&self) -> Secret {
        Secret::default()
    }

    /// Reads what [`Snapshot::encode`] wrote.
    ///
    /// # Errors
    /// [`RestoreError`] says what is wrong. No effect.
    pub fn decode(_octets: &[u8]) -> Result<Self, RestoreError> {
        Err(RestoreError::Malformed)
    }
}

/// A snapshot cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum RestoreError {
    /// It was written by a later version of this program. No effect.
    #[error("the saved state was written by a later version of this program (format {0})")]
    Version(u32),
    /// It is damaged. No effect.
    #[error("the saved state is damaged")]
    Malformed,
    /// It belongs to another address. No effect.
    #[error("the saved state belongs to another mail address")]
    OtherAccount,
}

/// An offer that has arrived and that a code may be typed for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfferView {
    /// Who says it shows the code.
    pub from: MuaaId,
    /// The session.
    pub session: SessionId,
}

/// One mail program on one account.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Muaa<C> {
    crypto: C,
}

impl<C: Crypto> Muaa<C> {
    /// A MUAA that has never run before.
    #[must_use]
    pub fn new(_config: Config, crypto: C, _seed: [u8; 32], _now: Timestamp) -> Self {
        Self { crypto }
    }

    /// Takes up where a snapshot stands.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn restore(
        _config: Config,
        crypto: C,
        _seed: [u8; 32],
        _from: &Snapshot,
        _now: Timestamp,
    ) -> Result<Self, RestoreError> {
        Ok(Self { crypto })
    }

    /// Takes an input.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn handle_input(&mut self, _input: Input, _now: Timestamp) -> Result<(), InputError> {
        Ok(())
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, _now: Timestamp) {}

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When [`Muaa::handle_timeout`] is due, and for what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        None
    }

    /// Nothing is under way or waiting to be sent; only time or others can change something.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        true
    }

    /// The id, once the own folder exists.
    #[must_use]
    pub fn id(&self) -> Option<MuaaId> {
        None
    }

    /// The phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::Discovering
    }

    /// The fingerprint of the device key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        unreachable!()
    }

    /// The group: the hash of its genesis.
    #[must_use]
    pub fn group(&self) -> Option<Hash> {
        None
    }

    /// Six digits that are equal on all devices of a group that see the same members: for people to compare.
    #[must_use]
    pub fn comparison(&self) -> Option<String> {
        None
    }

    /// The members of the group, this device included, by id.
    #[must_use]
    pub fn members(&self) -> Vec<MuaaId> {
        Vec::new()
    }

    /// All other MUAAs that are known, by id.
    #[must_use]
    pub fn siblings(&self) -> Vec<Sibling> {
        Vec::new()
    }

    /// The offers that a code may be typed for, newest last.
    #[must_use]
    pub fn offers(&self) -> Vec<OfferView> {
        Vec::new()
    }

    /// The account's keys.
    #[must_use]
    pub fn account(&self) -> Account {
        Account { current: None, public: None, keys: Vec::new() }
    }

    /// An account secret key, to sign and decrypt mail with.
    #[must_use]
    pub fn account_secret(&self, _fingerprint: &Fingerprint) -> Option<&Secret> {
        None
    }

    /// A digest of all replicated state: equal on all members when they agree.
    #[must_use]
    pub fn digest(&self) -> Option<Hash> {
        let _ = &self.crypto;
        None
    }

    /// Whether own mail asks for encryption.
    #[must_use]
    pub fn prefers_encrypt(&self) -> bool {
        false
    }
}
