//! The shared state is a join-semilattice, bound included, and Level 1 as it is written is not.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use sma_autocrypt::{
    Address, Date, Deletion, Draft, Entry, Fact, KEY_BYTES_MAX, Known, Layers, Observed, Peers, Preference,
    Recommendation, Source, Table,
};

const DAY: u64 = 86_400;
/// Later than all that happens here.
const NOW: Date = Date(1_000 * DAY);

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).expect("an address")
}

fn fact(name: &str, source: Source, date: u64, key: u8) -> Fact {
    let preference = if key.is_multiple_of(2) { Preference::Mutual } else { Preference::NoPreference };
    let entry =
        Known { date: Date(date), key: vec![key; 3].into(), preference, message: [key; 32], reporter: 1 };
    Fact { addr: address(name), source, entry }
}

const fn by_one(date: Date) -> Deletion {
    Deletion { date, reporter: 1 }
}

fn key(peers: &Peers, name: &str) -> Option<u8> {
    let entry = peers.entry(&address(name), Source::Header, Date::LAST);
    entry.and_then(Entry::known).map(|known| known.key[0])
}

#[derive(Clone, Debug)]
enum Step {
    Observe(Fact),
    Saw(Address, Date),
    Delete(Address, Deletion),
    Wrote(Address, Date, u64),
    Keep(Fact, Date),
}

/// Few names, dates and keys, so that ties and full tables are common.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || prop::sample::select(vec!["a", "b", "c", "d", "e"]);
    let source = || prop::sample::select(vec![Source::Header, Source::Gossip]);
    let step = prop_oneof![
        6 => (name(), source(), 1..5u64, 0..3u8, 0..3u64).prop_map(|(name, source, date, key, reporter)| {
            let mut fact = fact(name, source, date, key);
            fact.entry.reporter = reporter;
            Step::Observe(fact)
        }),
        2 => (name(), 1..5u64).prop_map(|(name, date)| Step::Saw(address(name), Date(date))),
        1 => (name(), 1..5u64, 0..3u64).prop_map(|(name, date, reporter)| {
            Step::Delete(address(name), Deletion { date: Date(date), reporter })
        }),
        1 => (name(), 1..5u64, 0..3u64).prop_map(|(name, date, reporter)| {
            Step::Wrote(address(name), Date(date * 30 * DAY), reporter)
        }),
        1 => (name(), 1..5u64, 0..3u8, 1..4u64).prop_map(|(name, date, key, since)| {
            Step::Keep(fact(name, Source::Header, date, key), Date(since))
        }),
    ];
    prop::collection::vec(step, 0..12)
}

fn states() -> impl Strategy<Value = Peers> {
    steps().prop_map(|steps| {
        let mut peers = Peers::new(3);
        steps.iter().for_each(|step| apply(&mut peers, step));
        peers
    })
}

fn apply(peers: &mut Peers, step: &Step) {
    match step {
        Step::Observe(fact) => {
            peers.observe(fact);
        }
        Step::Saw(addr, date) => {
            peers.saw(addr, *date);
        }
        Step::Delete(addr, deletion) => {
            peers.delete(addr, *deletion);
        }
        Step::Wrote(addr, date, reporter) => {
            peers.wrote(addr, *date, *reporter);
        }
        Step::Keep(fact, since) => {
            peers.keep(&fact.addr, Entry::Known(fact.entry.clone()), *since);
        }
    }
}

fn joined(one: &Peers, two: &Peers) -> Peers {
    let mut all = one.clone();
    all.join(two);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn joining_is_associative_commutative_and_idempotent_with_full_tables(a in states(), b in states(), c in states()) {
        prop_assert_eq!(joined(&a, &b), joined(&b, &a));
        prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
        prop_assert_eq!(&joined(&a, &a), &a);
        prop_assert_eq!(&joined(&a, &Peers::new(3)), &a);
    }

    #[test]
    fn facts_give_one_state_in_any_order_and_batching(
        (facts, shuffled) in steps().prop_flat_map(|steps| (Just(steps.clone()), Just(steps).prop_shuffle())), cut in 0..12usize,
    ) {
        let only_facts = |steps: &[Step]| {
            let mut peers = Peers::new(3);
            steps.iter().filter(|step| !matches!(step, Step::Delete(..) | Step::Wrote(..))).for_each(|step| apply(&mut peers, step));
            peers
        };
        let (first, second) = shuffled.split_at(cut.min(shuffled.len()));
        prop_assert_eq!(joined(&only_facts(first), &only_facts(second)), only_facts(&facts));
    }

    #[test]
    fn a_join_names_exactly_the_peers_of_which_more_is_known(a in states(), b in states()) {
        let mut all = a.clone();
        let changed = all.join(&b);
        let mut more = all.addresses();
        more.retain(|addr| {
            let one = BTreeSet::from([addr.clone()]);
            joined(&a, &all.only(&one)) != a
        });
        prop_assert_eq!(&changed, &more);
        // Telling the changed ones is telling all.
        prop_assert_eq!(joined(&a, &all.only(&changed)), all);
    }

    #[test]
    fn tables_keep_their_bound(steps in steps()) {
        let mut peers = Peers::new(2);
        steps.iter().for_each(|step| apply(&mut peers, step));
        prop_assert!(peers.addresses().len() <= 16);
        let read = Peers::from_bytes(&peers.to_bytes(), 2);
        prop_assert_eq!(read, Ok(peers));
    }

    #[test]
    fn octets_read_back_and_no_octets_panic(peers in states(), junk: Vec<u8>, at in 0..200usize, bit in 0..8u8) {
        let octets = peers.to_bytes();
        prop_assert_eq!(Peers::from_bytes(&octets, 3), Ok(peers));
        let _ = Peers::from_bytes(&junk, 3);
        let mut damaged = octets;
        let at = at % damaged.len();
        damaged[at] ^= 1 << bit;
        // What is read at all is in its one form.
        if let Ok(other) = Peers::from_bytes(&damaged, 3) {
            prop_assert_eq!(other.to_bytes(), damaged);
        }
    }
}

#[test]
fn the_later_date_wins_and_among_equal_dates_the_greater_digest() {
    let mut peers = Peers::new(10);
    assert!(peers.observe(&fact("bob", Source::Header, 5, 1)));
    assert!(!peers.observe(&fact("bob", Source::Header, 4, 2)));
    assert_eq!(key(&peers, "bob"), Some(1));
    let (one, two) = (fact("bob", Source::Header, 5, 1), fact("bob", Source::Header, 5, 2));
    let greater = if one.entry.digest() > two.entry.digest() { 1 } else { 2 };
    peers.observe(&two);
    peers.observe(&one);
    assert_eq!(key(&peers, "bob"), Some(greater));
}

#[test]
fn the_digest_is_sha_256_of_the_key_and_one_octet_for_the_preference() {
    let hex = |key: u8| {
        fact("bob", Source::Header, 1, key)
            .entry
            .digest()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
    };
    assert_eq!(hex(1), "f896c3a5f9841b6e1f0a22bd35a6a1bc5efb28aaa23b66301ec8098ce57cf99a");
    assert_eq!(hex(2), "85d4d125686f194fb09a87564a46d2b6adcf1c3bf6a6cae73859f0f669c39153");
}

#[test]
fn gossip_never_touches_what_a_header_said() {
    let mut peers = Peers::new(10);
    peers.observe(&fact("bob", Source::Header, 5, 1));
    peers.observe(&fact("bob", Source::Gossip, 9, 2));
    let (peers, addr) = (Layers::from(peers), address("bob"));
    let peer = peers.peer(&addr, Date::LAST).unwrap();
    assert_eq!(peer.header.unwrap().key[0], 1);
    assert_eq!(peer.gossip.unwrap().key[0], 2);
    assert_eq!(peer.last_seen, Date(5));
}

#[test]
fn a_deleted_peer_comes_back_only_by_a_later_header() {
    let mut peers = Layers::new(10);
    let mut told = Peers::new(10);
    told.observe(&fact("bob", Source::Header, 5, 1));
    told.observe(&fact("bob", Source::Gossip, 6, 1));
    peers.join(&told.into(), NOW);
    assert_eq!(peers.delete(&address("bob"), by_one(Date(3)), NOW), Date(6));
    for (date, expected) in [(6, None), (7, Some(3))] {
        let mut later = Peers::new(10);
        later.observe(&fact("bob", Source::Header, date, 3));
        peers.join(&later.into(), NOW);
        let peer = peers.peer(&address("bob"), NOW);
        assert_eq!(peer.and_then(|peer| peer.header).map(|known| known.key[0]), expected);
    }
}

#[test]
fn a_deletion_outweighs_every_mail_that_the_device_has_seen() {
    let mut table = table(&[fact("bob", Source::Header, 5, 1)], 9);
    table.delete(&address("bob"), by_one(Date(6)), NOW);
    let late = |date| Observed {
        from: address("bob"),
        date: Date(date),
        fact: Some(fact("bob", Source::Header, date, 2)),
    };
    assert!(table.observe(&late(9), NOW).is_empty());
    assert_eq!(table.peer(&address("bob"), NOW), None);
    assert!(!table.observe(&late(10), NOW).is_empty());
    assert!(table.peer(&address("bob"), NOW).is_some());
}

#[test]
fn a_deletion_removes_the_key_from_the_octets_of_every_device() {
    let mut one = Peers::new(10);
    one.observe(&fact("bob", Source::Header, 5, 77));
    let mut two = joined(&Peers::new(10), &one);
    one.delete(&address("bob"), by_one(Date(9)));
    two.join(&one);
    assert_eq!(one, two);
    assert!(!two.to_bytes().windows(3).any(|octets| octets == [77; 3]));
}

#[test]
fn a_key_above_its_bound_is_not_kept() {
    let mut peers = Peers::new(10);
    let mut large = fact("bob", Source::Header, 5, 1);
    large.entry.key = Bytes::from(vec![1; KEY_BYTES_MAX + 1]);
    assert!(!peers.observe(&large));
    large.entry.key = Bytes::new();
    assert!(!peers.observe(&large));
    assert!(peers.is_empty());
}

#[test]
fn a_full_table_drops_its_oldest_peer() {
    let mut peers = Peers::new(2);
    peers.observe(&fact("a", Source::Header, 5, 1));
    peers.observe(&fact("b", Source::Header, 6, 1));
    assert!(!peers.observe(&fact("c", Source::Header, 4, 1)));
    assert!(peers.observe(&fact("c", Source::Header, 7, 1)));
    assert_eq!((key(&peers, "a"), key(&peers, "b"), key(&peers, "c")), (None, Some(1), Some(1)));
}

#[test]
fn octets_of_another_form_are_refused() {
    let mut peers = Peers::new(10);
    peers.observe(&fact("a", Source::Header, 5, 1));
    peers.delete(&address("b"), by_one(Date(9)));
    let octets = peers.to_bytes();
    assert_eq!(Peers::from_bytes(&octets, 1).ok(), None);
    assert_eq!(Peers::from_bytes(&[&octets[..], &[0]].concat(), 10).ok(), None);
    assert_eq!(Peers::from_bytes(&octets[..octets.len() - 1], 10).ok(), None);
    let upper: Vec<u8> = octets.iter().map(u8::to_ascii_uppercase).collect();
    assert_eq!(Peers::from_bytes(&upper, 10).ok(), None);
    let key = octets.windows(4).position(|at| at == [0x43, 1, 1, 1]).unwrap();
    let without_key = [&octets[..key], &[0x40], &octets[key + 4..]].concat();
    assert_eq!(Peers::from_bytes(&without_key, 10).ok(), None);
}

/// Level 1's update process as it is written, one peer, for comparison.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct AsWritten {
    last_seen: u64,
    autocrypt_timestamp: u64,
    public_key: Option<Bytes>,
}

impl AsWritten {
    fn process(mut self, fact: &Fact) -> Self {
        let date = fact.entry.date.0;
        if date < self.autocrypt_timestamp {
            return self;
        }
        self.last_seen = self.last_seen.max(date);
        Self { autocrypt_timestamp: date, public_key: Some(fact.entry.key.clone()), ..self }
    }
}

#[test]
fn level_1_as_written_depends_on_the_order_of_mails_of_one_date_and_this_does_not() {
    let (one, two) = (fact("bob", Source::Header, 5, 1), fact("bob", Source::Header, 5, 2));
    let written = |a: &Fact, b: &Fact| AsWritten::default().process(a).process(b);
    assert_ne!(written(&one, &two), written(&two, &one));
    let ours = |a: &Fact, b: &Fact| {
        let mut peers = Peers::new(10);
        peers.observe(a);
        peers.observe(b);
        peers
    };
    assert_eq!(ours(&one, &two), ours(&two, &one));
}

#[test]
fn on_mails_of_different_dates_this_is_level_1_as_written() {
    let facts: Vec<_> = (1..=4).map(|n| fact("bob", Source::Header, n, n as u8)).collect();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
        let written = order.iter().fold(AsWritten::default(), |state, at| state.process(&facts[*at]));
        let mut peers = Peers::new(10);
        for at in order {
            peers.observe(&facts[at]);
        }
        assert_eq!(written.public_key.map(|key| key[0]), key(&peers, "bob"));
    }
}

fn table(facts: &[Fact], last_seen: u64) -> Table {
    let mut table = Table::new(10);
    for fact in facts {
        match fact.source {
            Source::Header => {
                let mail =
                    Observed { from: fact.addr.clone(), date: fact.entry.date, fact: Some(fact.clone()) };
                table.observe(&mail, NOW);
            }
            Source::Gossip => {
                table.gossip(std::slice::from_ref(fact), NOW);
            }
        }
        table.observe(&Observed { from: fact.addr.clone(), date: Date(last_seen), fact: None }, NOW);
    }
    table
}

fn recommended(facts: &[Fact], last_seen: u64, own: Preference, reply_to_encrypted: bool) -> Recommendation {
    let draft = Draft { own, reply_to_encrypted };
    table(facts, last_seen).recommend([&address("bob")], draft, NOW, |_| true).recommendation
}

#[test]
fn each_peer_gets_the_recommendation_of_level_1() {
    use Preference::{Mutual, NoPreference};
    use Recommendation::{Available, Disable, Discourage, Encrypt};
    let plain = [fact("bob", Source::Header, 0, 1)];
    let mutual = [fact("bob", Source::Header, 0, 2)];
    let gossip = [fact("bob", Source::Gossip, 0, 2)];
    for (facts, last_seen, own, reply, expected) in [
        (&[][..], 0, Mutual, true, Disable),
        (&gossip, 0, Mutual, false, Discourage),
        (&gossip, 0, Mutual, true, Encrypt),
        (&plain, 0, Mutual, false, Available),
        (&plain, 0, NoPreference, true, Encrypt),
        (&mutual, 0, NoPreference, false, Available),
        (&mutual, 0, Mutual, false, Encrypt),
        (&mutual, 35 * DAY, Mutual, false, Encrypt),
        (&mutual, 35 * DAY + 1, Mutual, false, Discourage),
        (&mutual, 35 * DAY + 1, Mutual, true, Encrypt),
    ] {
        assert_eq!(
            recommended(facts, last_seen, own, reply),
            expected,
            "{facts:?} {last_seen} {own:?} {reply}"
        );
    }
}

#[test]
fn a_key_that_cannot_be_used_counts_as_not_there() {
    let table = table(&[fact("bob", Source::Header, 0, 2), fact("bob", Source::Gossip, 0, 3)], 0);
    let draft = Draft { own: Preference::Mutual, reply_to_encrypted: false };
    let bob = address("bob");
    let without = |bad: u8| table.recommend([&bob], draft, NOW, |key| key[0] != bad);
    assert_eq!((without(9).recommendation, without(9).keys[&bob][0]), (Recommendation::Encrypt, 2));
    assert_eq!((without(2).recommendation, without(2).keys[&bob][0]), (Recommendation::Discourage, 3));
    let none = table.recommend([&bob], draft, NOW, |_| false);
    assert_eq!((none.recommendation, none.keys.len()), (Recommendation::Disable, 0));
}

#[test]
fn several_recipients_get_the_most_careful_recommendation() {
    let facts =
        [fact("m", Source::Header, 0, 2), fact("a", Source::Header, 0, 1), fact("g", Source::Gossip, 0, 1)];
    let table = table(&facts, 0);
    let draft = Draft { own: Preference::Mutual, reply_to_encrypted: false };
    let to = |names: &[&str]| {
        let recipients: Vec<_> = names.iter().map(|name| address(name)).collect();
        let advice = table.recommend(&recipients, draft, NOW, |_| true);
        (advice.recommendation, advice.keys.len())
    };
    assert_eq!(to(&["m", "m"]), (Recommendation::Encrypt, 1));
    assert_eq!(to(&["m", "a"]), (Recommendation::Available, 2));
    assert_eq!(to(&["m", "a", "g"]), (Recommendation::Discourage, 3));
    assert_eq!(to(&["m", "a", "g", "nobody"]), (Recommendation::Disable, 3));
    assert_eq!(to(&[]), (Recommendation::Disable, 0));
}
