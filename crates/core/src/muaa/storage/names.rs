//! What messages are known by, so that what is read again and again is hashed once.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Crypto, Envelope, Hash, Token, muaa::reading::name_of};

/// How many names are kept.
const NAMES_MAX: usize = 128;
/// Larger bodies are hashed each time, so that a stranger's messages take no room here.
const BODY_MAX: usize = 16 << 10;

/// The names of bodies that were read. A body is held against the one that was there before under its token, octet by octet: the
/// token itself tells nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(in crate::muaa) struct Names(BTreeMap<Token, (Bytes, Hash)>);

impl Names {
    /// The name of this message's body, if it is kept.
    pub(in crate::muaa) fn get(&self, envelope: &Envelope) -> Option<Hash> {
        let (body, name) = self.0.get(&envelope.token)?;
        (*body == envelope.body).then_some(*name)
    }

    /// The name of this message's body.
    pub(in crate::muaa) fn learn<C: Crypto>(&mut self, crypto: &C, envelope: &Envelope) -> Hash {
        if let Some(name) = self.get(envelope) {
            return name;
        }
        let name = name_of(crypto, &envelope.body);
        if envelope.body.len() <= BODY_MAX {
            if self.0.len() >= NAMES_MAX {
                self.0.clear();
            }
            self.0.insert(envelope.token, (envelope.body.clone(), name));
        }
        name
    }
}
