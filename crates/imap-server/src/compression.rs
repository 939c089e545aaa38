//! COMPRESS=DEFLATE (RFC 4978): both directions of a connection from one point on.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

/// So much is inflated at a time: a little that is sent cannot become much that is kept.
const CHUNK_BYTES: usize = 16 << 10;

/// The two directions.
#[derive(Debug)]
pub(crate) struct Compression {
    deflate: Compress,
    inflate: Decompress,
}

impl Compression {
    pub(crate) fn new() -> Self {
        // Without zlib's header (RFC 4978 section 3).
        Self { deflate: Compress::new(flate2::Compression::fast(), false), inflate: Decompress::new(false) }
    }

    /// The next piece of what a client sent, and how many octets it is made of; `None` if they are no deflated octets.
    pub(crate) fn inflate(&mut self, octets: &[u8]) -> Option<(usize, Vec<u8>)> {
        let mut piece = Vec::with_capacity(CHUNK_BYTES);
        let before = self.inflate.total_in();
        let status = self.inflate.decompress_vec(octets, &mut piece, FlushDecompress::Sync).ok()?;
        let taken = usize::try_from(self.inflate.total_in() - before).ok()?;
        // The stream lasts as long as the connection.
        let goes_on = status != Status::StreamEnd && (taken > 0 || !piece.is_empty() || octets.is_empty());
        goes_on.then_some((taken, piece))
    }

    /// Appends octets for a client, so that it can read all of them.
    pub(crate) fn deflate(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        loop {
            out.reserve(CHUNK_BYTES);
            let before = self.deflate.total_in();
            let done = self.deflate.compress_vec(octets, out, FlushCompress::Sync);
            let taken = usize::try_from(self.deflate.total_in() - before).unwrap_or(0);
            octets = octets.get(taken..).unwrap_or_default();
            // Room that is left says that everything was written.
            let finished = octets.is_empty() && out.len() < out.capacity();
            if finished || done.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deflated_is_inflated_in_pieces_whatever_its_size() {
        let (mut one, mut other) = (Compression::new(), Compression::new());
        for size in [0, 1, 1000, 300_000] {
            let octets: Vec<u8> = (0..size).map(|n: u32| (n.wrapping_mul(n) >> 7) as u8).collect();
            let mut sent = Vec::new();
            one.deflate(&octets, &mut sent);
            let (mut rest, mut got) = (sent.as_slice(), Vec::new());
            loop {
                let (taken, piece) = other.inflate(rest).unwrap();
                assert!(piece.len() <= CHUNK_BYTES);
                rest = &rest[taken..];
                let full = piece.len() == CHUNK_BYTES;
                got.extend(piece);
                if rest.is_empty() && !full {
                    break;
                }
            }
            assert!(got == octets, "{size}");
        }
    }

    #[test]
    fn octets_that_are_not_deflated_are_none() {
        assert!(Compression::new().inflate(b"a1 NOOP\r\n\xff\xff\xff\xff").is_none());
    }
}
