//! A transferable key as its components: the primary key, user ids, subkeys, each with the signatures that stand behind it (RFC 9580
//! section 10.1). Programs write them in other orders, twice, or the public form beside the secret one; here they become one key.

use pgp::types::Tag;
use zeroize::Zeroizing;

use crate::{
    packets::{Packet, refused},
    transferable::{NOT_CRITICAL, Refusal, half},
};

/// A key, user id or attribute, and its signatures.
#[derive(Clone)]
pub(crate) struct Component<'a> {
    pub(crate) packet: Packet<'a>,
    pub(crate) signatures: Vec<Packet<'a>>,
}

/// One transferable key.
#[derive(Clone)]
pub(crate) struct Key<'a> {
    pub(crate) primary: Component<'a>,
    /// User ids, attributes and subkeys, as they came.
    pub(crate) rest: Vec<Component<'a>>,
}

/// The keys that these packets are, in their order.
///
/// # Errors
/// They begin with something else than a key, or have something in it that is no part of one.
pub(crate) fn keys<'a>(packets: impl IntoIterator<Item = Packet<'a>>) -> Result<Vec<Key<'a>>, Refusal> {
    let mut keys: Vec<Key<'a>> = Vec::new();
    for packet in packets {
        let tag = packet.tag();
        let new = || Component { packet, signatures: Vec::new() };
        match (tag, keys.last_mut()) {
            (Tag::SecretKey | Tag::PublicKey, _) => keys.push(Key { primary: new(), rest: Vec::new() }),
            (tag, _) if may_be_left_out(tag) => {}
            (Tag::Signature, Some(key)) => {
                key.rest.last_mut().unwrap_or(&mut key.primary).signatures.push(packet)
            }
            (Tag::SecretSubkey | Tag::PublicSubkey | Tag::UserId | Tag::UserAttribute, Some(key)) => {
                key.rest.push(new());
            }
            _ => return Err(Refusal::Malformed),
        }
    }
    Ok(keys)
}

/// What says nothing of a key, and what is of no known type and need not be known (RFC 9580 section 4.3).
fn may_be_left_out(tag: Tag) -> bool {
    matches!(tag, Tag::Trust | Tag::Padding | Tag::Marker) || u8::from(tag) >= NOT_CRITICAL
}

impl<'a> Key<'a> {
    pub(crate) fn is_secret(&self) -> bool {
        self.primary.packet.tag() == Tag::SecretKey
    }

    /// Takes in what another form of the same key has besides: signatures, and user ids. Its subkeys have no secret part, or are here.
    pub(crate) fn join(&mut self, other: Self) -> Result<(), Refusal> {
        self.primary.join(other.primary.signatures);
        for component in other.rest {
            let name = component.name()?;
            let names = self.rest.iter().map(Component::name).collect::<Result<Vec<_>, _>>()?;
            let found = names.iter().position(|own| *own == name);
            match found.and_then(|at| self.rest.get_mut(at)) {
                Some(own) => own.join(component.signatures),
                None if component.is_public_subkey() => {}
                None => self.rest.push(component),
            }
        }
        Ok(())
    }

    /// Whether it stands in the order of RFC 9580.
    pub(crate) fn is_in_order(&self) -> bool {
        self.rest.is_sorted_by_key(Component::rank)
    }

    /// The packets in the order of RFC 9580: user ids, attributes, subkeys.
    pub(crate) fn written(&self) -> Zeroizing<Vec<u8>> {
        let mut rest: Vec<_> = self.rest.iter().collect();
        rest.sort_by_key(|component| component.rank());
        let all = || std::iter::once(&self.primary).chain(rest.iter().copied());
        // With room for all of it, so that no copy stays behind.
        let mut octets = Zeroizing::new(Vec::with_capacity(all().map(Component::length).sum()));
        for component in all() {
            octets.extend_from_slice(component.packet.whole);
            component.signatures.iter().for_each(|signature| octets.extend_from_slice(signature.whole));
        }
        octets
    }
}

impl<'a> Component<'a> {
    fn join(&mut self, signatures: Vec<Packet<'a>>) {
        for signature in signatures {
            if !self.signatures.iter().any(|own| own.body == signature.body) {
                self.signatures.push(signature);
            }
        }
    }

    fn length(&self) -> usize {
        self.packet.whole.len() + self.signatures.iter().map(|signature| signature.whole.len()).sum::<usize>()
    }

    fn rank(&self) -> u8 {
        let tag = self.packet.tag();
        if tag == Tag::UserId {
            0
        } else if tag == Tag::UserAttribute {
            1
        } else {
            2
        }
    }

    fn is_public_subkey(&self) -> bool {
        self.packet.tag() == Tag::PublicSubkey
    }

    /// What tells it from other components, the same for the public and the secret form of a key.
    pub(crate) fn name(&self) -> Result<(u8, Vec<u8>), Refusal> {
        let Packet { header, body, .. } = self.packet;
        let tag = header.tag();
        let public = if tag == Tag::SecretKey {
            Tag::PublicKey
        } else if tag == Tag::SecretSubkey {
            Tag::PublicSubkey
        } else {
            return Ok((tag.into(), body.to_vec()));
        };
        match half(header, body) {
            // Of an unknown kind: it is itself alone.
            Err(Refusal::Unknown) if tag == Tag::SecretSubkey => Ok((tag.into(), body.to_vec())),
            half => Ok((public.into(), half?.body)),
        }
    }
}

/// Reads packets that end where `octets` do.
pub(crate) fn packets(octets: &[u8]) -> Result<Vec<Packet<'_>>, Refusal> {
    crate::packets::whole(octets).map_err(|error| refused(error).into())
}
