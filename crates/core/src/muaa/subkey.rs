//! The encryption subkeys: the own one is renewed now and then and the former one destroyed, so that what a server keeps for
//! ever is not open for ever to who takes this device.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::{Muaa, persistent::InboxState};
use crate::{Crypto, CryptoError, DeviceKey, Fingerprint, MuaaId, Secret, Timestamp};

/// What is durable of the own subkeys beside the device key itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Subkey {
    /// When the current one was made.
    #[n(0)]
    pub(crate) made: Timestamp,
    /// The device's secret key with the subkey before it.
    #[n(1)]
    former: Option<Secret>,
    /// When the announcement that brought the current one was there, if there is a former one.
    #[n(2)]
    announced: Option<Timestamp>,
}

impl Subkey {
    /// The subkey of a device key that was made now.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { made: now, former: None, announced: None }
    }

    /// Whether it waits for a time that is later than this.
    pub(crate) fn is_ahead_of(&self, now: Timestamp) -> bool {
        self.made > now || self.announced.is_some_and(|at| at > now)
    }

    /// The clock was set back: nothing waits for a time that it only showed by mistake.
    pub(crate) fn forget_the_future(&mut self, now: Timestamp) {
        self.made = self.made.min(now);
        self.announced.iter_mut().for_each(|at| *at = (*at).min(now));
    }
}

impl<C: Crypto> Muaa<C> {
    /// Before an announcement, which tells the others. There are never more than two: the one before the former is gone first.
    pub(super) fn renew_subkey_if_due(&mut self) {
        let subkey = &self.state.subkey;
        if subkey.former.is_some() || self.now.since(subkey.made) < self.config.subkey_life {
            return;
        }
        let seed = self.random.seed();
        let renewed = self.crypto.renew_device_key(&self.state.device.secret, &seed, self.now);
        let renewed = renewed.expect("the own device key can be renewed");
        let former = std::mem::replace(&mut self.state.device, renewed.into());
        let former = Some(former.secret.clone());
        self.state.subkey = Subkey { former, ..Subkey::new(self.now) }.into();
        self.changed();
    }

    /// The own announcement stands: from now on the others can know its certificate.
    pub(super) fn subkey_is_announced(&mut self) {
        let subkey = &self.state.subkey;
        if subkey.former.is_some() && subkey.announced.is_none() {
            self.state.subkey.announced = Some(self.now);
        }
    }

    /// The own inbox was read to its end: what was sealed to the former subkey was opened, or is sealed anew by its author when
    /// it reads the announcements.
    pub(super) fn forget_former_subkey(&mut self) {
        let subkey = self.state.subkey.clone();
        if subkey.announced.is_some_and(|at| self.now.since(at) >= self.config.heartbeat) {
            self.state.subkey = Subkey::new(subkey.made).into();
            subkey.former.iter().for_each(|former| self.crypto.forget(former));
        }
    }

    /// Another device key is about to take the place of the own one: nothing of that, and of its former subkey, stays in memory.
    /// Is another device from here on, whose folder is not made yet.
    pub(super) fn become_device(&mut self, device: DeviceKey, incarnation: u64) {
        self.forget_device_key();
        self.state.device = device.into();
        self.state.subkey = Subkey::new(self.now).into();
        self.state.incarnation = incarnation;
        self.state.inbox = InboxState::Drawn;
    }

    fn forget_device_key(&self) {
        let keys = [&self.state.device.secret].into_iter().chain(&self.state.subkey.former);
        keys.for_each(|key| self.crypto.forget(key));
    }

    pub(super) fn open_sealed(&self, sealed: &[u8]) -> Result<Secret, CryptoError> {
        let mut keys = [&self.state.device.secret].into_iter().chain(&self.state.subkey.former);
        keys.find_map(|key| self.crypto.open(key, sealed).ok()).ok_or(CryptoError)
    }

    /// The certificate to seal to: that of the device's newest announcement, else the one that introduced it.
    pub(super) fn sealing_certificate(&self, id: MuaaId, key: &Fingerprint) -> Option<Bytes> {
        let announced = self.state.siblings.get(&(id, *key));
        let introduced = || self.view.members.get(key).map(|member| member.certificate.clone());
        announced.map(|known| known.certificate.clone()).or_else(introduced)
    }

    /// What this sibling has not acknowledged is written once more: it may have destroyed the subkey that the last one is sealed to.
    pub(super) fn seal_anew_for(&mut self, id: MuaaId) {
        if let Some(link) = self.state.links.get_mut(&id).filter(|link| link.sent.is_some()) {
            link.sent = None;
            self.changed();
        }
    }
}
