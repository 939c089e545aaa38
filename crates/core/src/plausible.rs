//! How far a number from outside may be from what its author can have known. What is beyond is refused where it comes in.

/// A sequence is below this. No device gets there: it signs a few things a day, and a move goes 2^20 further.
pub(crate) const SEQUENCE_END: u64 = 1 << 48;

/// By how much an acknowledgement may be above what this device has said: so much may be missing from a state that was put back, and not
/// more.
pub(crate) const RECEIVED_STEP: u64 = 1 << 20;

/// By how much a number that the own key has signed elsewhere may be above the own one, for this device to go behind it: the key may have
/// moved there several times.
pub(crate) const AHEAD_STEP: u64 = 1 << 32;

/// How far a device goes past what others say that it has said. They may say so as often as they like.
pub(crate) const SKIP_END: u64 = 1 << 47;

/// Whether a device can have come to this sequence.
pub(crate) fn sequence(said: u64) -> bool {
    said < SEQUENCE_END
}

/// Whether a member can have taken in this much of what a device has said whose own sequence is this.
pub(crate) fn received(received: u64, own: u64) -> bool {
    received <= own.saturating_add(RECEIVED_STEP)
}
