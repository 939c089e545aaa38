//! What a MUAA is told once: its account, its name, and every limit, with its unit.

use std::time::Duration;

use sma_autocrypt::Address;

const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// The settings of one MUAA. [`Config::new`] gives the defaults of `docs/protocol.md` section 11; a program changes a field
/// only for a reason.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// The account's mail address, as it stands in the `From` of its mails. All devices have the same account if the canonical
    /// forms (`sma_autocrypt::Address`) are the same, however each spells it.
    pub address: String,
    /// What people call this device; shown on siblings, never in clear to the server. At most 64 characters are sent. A program
    /// asks [`check_name`](crate::check_name) first: what is not seen is left out.
    pub name: String,
    /// How long between two looks at the store when nothing was told.
    pub poll_interval: Duration,
    /// A MUAA that found nobody looks again after one to two times this, before it believes it is the first.
    pub second_look: Duration,
    /// How old the own announcement may get before it is renewed.
    pub heartbeat: Duration,
    /// How old the own encryption subkey may get before the next announcement brings another one.
    pub subkey_life: Duration,
    /// Changes wait this long for others to be sent with them.
    pub gather: Duration,
    /// How long a pairing code is good for, an hour at most.
    pub offer_lifetime: Duration,
    /// How long the members of a group have to veto that it goes over to another.
    pub merge_wait: Duration,
    /// A sibling silent for this long is written to no more.
    pub suspend_after: Duration,
    /// The folders of a MUAA silent for this long are deleted.
    pub expire_after: Duration,
    /// A member silent for this long is a member no more.
    pub forget_after: Duration,
    /// The first pause after a failed operation; it doubles with each failure.
    pub retry_first: Duration,
    /// The longest pause after a failed operation.
    pub retry_max: Duration,
    /// How many operations may be under way at once.
    pub ops_in_flight_max: usize,
    /// The largest body that is sent or read, in octets.
    pub envelope_bytes_max: usize,
    /// The largest message that is fetched at all, in octets.
    pub message_bytes_max: u64,
    /// How many MUAAs of the account that are no members are kept in mind.
    pub siblings_max: usize,
    /// How many requests to pair are kept in mind, and to how many MUAAs a newcomer sends its own.
    pub requests_max: usize,
    /// How many offers are kept in mind.
    pub offers_max: usize,
    /// How many processed messages are remembered.
    pub tokens_max: usize,
    /// How many log operations a group may have.
    pub log_max: usize,
    /// How many account keys are kept.
    pub account_keys_max: usize,
    /// How many peers are kept, addresses for each of the tables of `sma-autocrypt`. All devices of an account must use the
    /// same number.
    pub peers_max: usize,
    /// How large the plain text of an update may get because of peers, in octets; what does not fit follows in further updates.
    pub update_bytes_max: usize,
}

/// The form in which the account's address is compared and goes into a pairing; a text that is no address is its own.
pub(crate) fn canonical(address: &str) -> String {
    let canonical = Address::parse(address);
    canonical.map_or_else(|| address.to_owned(), |canonical| canonical.as_str().to_owned())
}

impl Config {
    /// The defaults for an account and a device's name.
    #[must_use]
    pub fn new(address: &str, name: &str) -> Self {
        Self {
            address: address.to_owned(),
            name: name.to_owned(),
            poll_interval: 5 * MINUTE,
            second_look: Duration::from_secs(2),
            heartbeat: 7 * DAY,
            subkey_life: 30 * DAY,
            gather: Duration::from_secs(2),
            offer_lifetime: 10 * MINUTE,
            merge_wait: DAY,
            suspend_after: 30 * DAY,
            expire_after: 180 * DAY,
            forget_after: 365 * DAY,
            retry_first: Duration::from_secs(5),
            retry_max: HOUR,
            ops_in_flight_max: 4,
            envelope_bytes_max: 1 << 20,
            message_bytes_max: 2 << 20,
            siblings_max: 64,
            requests_max: 16,
            offers_max: 16,
            tokens_max: 4096,
            log_max: 4096,
            account_keys_max: 64,
            peers_max: 2000,
            update_bytes_max: 256 << 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_the_others_of_a_group_may_veto_for_a_day_that_it_goes_over_to_another() {
        let config = Config::new("anna@example.org", "laptop");
        assert_eq!(config.merge_wait, Duration::from_secs(24 * 60 * 60));
    }
}
