//! Packets as they stand on the wire, without a gap (RFC 9580 section 4.2).
//!
//! rPGP's parser skips what it does not know and stops silently at a broken header. Here everything counts: the framing is
//! walked first, and what has one right form is compared with what rPGP writes back.

use std::io;

use pgp::{
    packet::{PacketHeader, SignatureConfig, SignatureVersion, SubpacketType},
    ser::Serialize,
    types::{PacketLength, Tag, Timestamp},
};
use sma_core::CryptoError;

/// Maps an error to the one that tells nothing.
pub(crate) fn refused<E>(_: E) -> CryptoError {
    CryptoError
}

/// One packet where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) header: PacketHeader,
    pub(crate) body: &'a [u8],
    /// Header and body.
    pub(crate) whole: &'a [u8],
}

impl Packet<'_> {
    pub(crate) fn tag(&self) -> Tag {
        self.header.tag()
    }
}

/// Splits `octets` into whole packets of a fixed length; partial and indeterminate lengths are refused.
pub(crate) fn whole(mut octets: &[u8]) -> Result<Vec<Packet<'_>>, CryptoError> {
    let mut packets = Vec::new();
    while !octets.is_empty() {
        let before = octets;
        let header = PacketHeader::try_from_reader(&mut octets).map_err(refused)?;
        let PacketLength::Fixed(length) = header.packet_length() else {
            return Err(CryptoError);
        };
        let length = usize::try_from(length).map_err(refused)?;
        let (body, rest) = octets.split_at_checked(length).ok_or(CryptoError)?;
        let whole = before.get(..before.len() - rest.len()).ok_or(CryptoError)?;
        packets.push(Packet { header, body, whole });
        octets = rest;
    }
    Ok(packets)
}

/// The same as headers and bodies.
pub(crate) fn split(octets: &[u8]) -> Result<Vec<(PacketHeader, &[u8])>, CryptoError> {
    Ok(whole(octets)?.into_iter().map(|packet| (packet.header, packet.body)).collect())
}

/// The packet types of `octets`, in order.
pub(crate) fn tags(octets: &[u8]) -> Result<Vec<Tag>, CryptoError> {
    Ok(split(octets)?.into_iter().map(|(header, _)| header.tag()).collect())
}

/// Octets that go into armor as they are.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl Serialize for Octets<'_> {
    fn to_writer<W: io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        Ok(writer.write_all(self.0)?)
    }

    fn write_len(&self) -> usize {
        self.0.len()
    }
}

/// Refuses `octets` unless they are exactly what `parsed` is written as.
pub(crate) fn canonical(parsed: &impl Serialize, octets: &[u8]) -> Result<(), CryptoError> {
    let written = parsed.to_bytes().map_err(refused)?;
    if written == octets { Ok(()) } else { Err(CryptoError) }
}

/// Whole seconds as OpenPGP counts them; none after the year 2106.
pub(crate) fn seconds(now: sma_core::Timestamp) -> Result<Timestamp, CryptoError> {
    u32::try_from(now.as_secs()).map(Timestamp::from_secs).map_err(refused)
}

/// Whether a version 6 signature has exactly these hashed subpackets, and nothing unhashed.
pub(crate) fn has_only(config: &SignatureConfig, subpackets: &[SubpacketType]) -> bool {
    config.version() == SignatureVersion::V6
        && config.unhashed_subpackets.is_empty()
        && config.hashed_subpackets.iter().map(|s| s.typ()).eq(subpackets.iter().copied())
}
