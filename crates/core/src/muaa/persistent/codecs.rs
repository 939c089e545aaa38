//! Keys as a snapshot holds them: with what would have to be computed again.

pub(super) mod device_key {
    use minicbor::{Decoder, Encoder};

    use crate::{DeviceKey, Secret, shared::Shared};

    pub(crate) fn encode<C, W: minicbor::encode::Write>(
        key: &DeviceKey,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(3)?
            .encode_with(&key.secret, ctx)?
            .bytes(&key.certificate)?
            .encode_with(key.fingerprint, ctx)?
            .ok()
    }

    pub(crate) fn decode<C>(
        d: &mut Decoder<'_>,
        ctx: &mut C,
    ) -> Result<Shared<DeviceKey>, minicbor::decode::Error> {
        if d.array()? != Some(3) {
            return Err(minicbor::decode::Error::message("not a device key"));
        }
        let secret: Secret = d.decode_with(ctx)?;
        let certificate = bytes::Bytes::copy_from_slice(d.bytes()?);
        Ok(DeviceKey { secret, certificate, fingerprint: d.decode_with(ctx)? }.into())
    }
}

pub(super) mod account_keys {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use minicbor::{Decoder, Encoder};

    use crate::{AccountKey, Fingerprint, shared::Shared};

    type Keys = BTreeMap<Fingerprint, AccountKey>;

    pub(crate) fn encode<C, W: minicbor::encode::Write>(
        keys: &Keys,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(keys.len() as u64)?;
        for key in keys.values() {
            e.array(4)?.encode_with(&key.secret, ctx)?.bytes(&key.public)?;
            e.encode_with(key.fingerprint, ctx)?.encode_with(key.created, ctx)?;
        }
        Ok(())
    }

    pub(crate) fn decode<C>(
        d: &mut Decoder<'_>,
        ctx: &mut C,
    ) -> Result<Shared<Keys>, minicbor::decode::Error> {
        let malformed = || minicbor::decode::Error::message("not account keys");
        let mut keys = Keys::new();
        for _ in 0..d.array()?.ok_or_else(malformed)? {
            if d.array()? != Some(4) {
                return Err(malformed());
            }
            let secret = d.decode_with(ctx)?;
            let public = Bytes::copy_from_slice(d.bytes()?);
            let fingerprint = d.decode_with(ctx)?;
            let created = d.decode_with(ctx)?;
            keys.insert(fingerprint, AccountKey { secret, public, fingerprint, created });
        }
        Ok(keys.into())
    }
}
