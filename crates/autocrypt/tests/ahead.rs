//! A date that nobody can have known is kept and does not count, whoever claims it: in a mail, or as a member.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sma_autocrypt::{
    Address, Date, Deletion, Entry, Fact, Known, Layers, NEW_PER_DAY, Observed, Peers, Preference, Source,
    Table,
};

const DAY: u64 = 86_400;
const NOW: u64 = 20_000 * DAY;
const UNTIL: Date = Date(NOW + DAY);
/// What an attacker would try.
const ODD: [u64; 9] = [0, 1, 1 << 20, NOW - 1, NOW, NOW + 1, NOW + 2 * DAY, 1 << 63, u64::MAX];

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).expect("an address")
}

fn fact(name: &str, date: u64, key: u8, reporter: u64) -> Fact {
    let preference = Preference::Mutual;
    let entry =
        Known { date: Date(date), key: vec![key; 3].into(), preference, message: [key; 32], reporter };
    Fact { addr: address(name), source: Source::Header, entry }
}

const fn by_one(date: Date) -> Deletion {
    Deletion { date, reporter: 1 }
}

fn mail(name: &str, date: u64, key: Option<u8>) -> Observed {
    let fact = key.map(|key| fact(name, date, key, 1));
    Observed { from: address(name), date: Date(date), fact }
}

/// What a member sends, whatever it likes.
fn told(facts: &[Fact], written: bool) -> Layers {
    let mut peers = Peers::new(MAX);
    for fact in facts {
        if written {
            peers.wrote(&fact.addr, Date(u64::MAX), 7);
        }
        peers.observe(fact);
        peers.saw(&fact.addr, fact.entry.date);
    }
    peers.into()
}

const MAX: usize = 4;

fn key(table: &Table, name: &str) -> Option<u8> {
    key_at(table, name, UNTIL)
}

fn key_at(table: &Table, name: &str, until: Date) -> Option<u8> {
    let addr = address(name);
    table.peer(&addr, until).and_then(|peer| peer.header).map(|known| known.key[0])
}

fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = (prop::sample::select(vec!["a", "b", "c"]), prop::sample::select(ODD.to_vec()), 0..4u8)
        .prop_map(|(name, date, key)| fact(name, date, key, 1));
    prop::collection::vec(fact, 0..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_dates_are_claimed_and_in_whatever_order_the_greatest_that_is_not_ahead_counts(
        (facts, shuffled) in any_facts().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        batch in 1..5usize,
    ) {
        let (mut one, mut two) = (Layers::new(MAX), Layers::new(MAX));
        for fact in &facts {
            one.join(&told(std::slice::from_ref(fact), false), UNTIL);
        }
        for facts in shuffled.chunks(batch) {
            let mut delta = Layers::new(MAX);
            for fact in facts {
                delta.join(&told(std::slice::from_ref(fact), false), UNTIL);
            }
            two.join(&delta, UNTIL);
        }
        prop_assert_eq!(&one, &two);
        for name in ["a", "b", "c"] {
            let all = facts.iter().filter(|fact| fact.addr == address(name) && fact.entry.date <= UNTIL);
            let expected = all.map(|fact| &fact.entry).max();
            let peer = one.peer(&address(name), UNTIL);
            prop_assert_eq!(peer.and_then(|peer| peer.header), expected);
        }
        let read = Layers::from_bytes(&one.to_bytes(), MAX);
        prop_assert_eq!(read, Ok(one));
    }

    #[test]
    fn what_is_newest_is_the_same_on_all_devices_whatever_their_clocks_say(facts in any_facts(), until in prop::sample::select(ODD.to_vec())) {
        let (mut one, mut two) = (Layers::new(MAX), Layers::new(MAX));
        for fact in &facts {
            one.join(&told(std::slice::from_ref(fact), false), UNTIL);
            two.join(&told(std::slice::from_ref(fact), false), Date(until));
        }
        prop_assert_eq!(one.newest(), two.newest());
    }

    #[test]
    fn two_devices_agree_on_what_counts_whoever_reads_which_mail(
        mails in prop::collection::vec((prop::sample::select(ODD.to_vec()), prop::option::of(0..3u8), 0..2usize), 0..12),
    ) {
        let mut devices = [Table::new(MAX), Table::new(MAX)];
        let mut alone = Table::new(MAX);
        for (date, key, at) in mails {
            alone.observe(&mail("bob", date, key), UNTIL);
            let mut deltas = vec![devices[at].observe(&mail("bob", date, key), UNTIL)];
            while let Some(delta) = deltas.pop() {
                let answers = devices.iter_mut().map(|device| device.join(&delta, UNTIL));
                deltas.extend(answers.filter(|answer| !answer.is_empty()).collect::<Vec<_>>());
            }
        }
        for device in &devices {
            prop_assert_eq!(key(device, "bob"), key(&alone, "bob"));
            for later in [NOW + 4 * DAY, 1 << 63, u64::MAX].map(Date) {
                prop_assert_eq!(key_at(device, "bob", later), key_at(&devices[0], "bob", later));
            }
        }
    }
}

#[test]
fn a_claim_from_the_future_counts_when_its_time_has_come() {
    let mut table = Table::new(MAX);
    table.observe(&mail("bob", NOW, Some(1)), UNTIL);
    table.observe(&mail("bob", NOW + 2 * DAY, Some(2)), UNTIL);
    assert_eq!(key(&table, "bob"), Some(1));
    let peer = table.peer(&address("bob"), Date(NOW + 2 * DAY));
    assert_eq!(peer.and_then(|peer| peer.header).map(|known| known.key[0]), Some(2));
}

#[test]
fn a_deletion_is_dated_by_what_counts() {
    let mut table = Table::new(MAX);
    table.observe(&mail("bob", NOW - DAY, Some(1)), UNTIL);
    table.observe(&mail("bob", u64::MAX, Some(2)), UNTIL);
    table.delete(&address("bob"), by_one(Date(NOW)), UNTIL);
    assert_eq!(key(&table, "bob"), None);
    table.observe(&mail("bob", NOW + 1, Some(3)), UNTIL);
    assert_eq!(key(&table, "bob"), Some(3));
}

#[test]
fn a_member_deletes_nobody_from_a_date_that_nobody_reaches() {
    let mut table = Table::new(MAX);
    table.observe(&mail("bob", NOW, Some(1)), UNTIL);
    for date in ODD.map(Date).into_iter().filter(|date| *date > UNTIL) {
        let mut deletion = Peers::new(MAX);
        deletion.delete(&address("bob"), by_one(date));
        table.join(&deletion.into(), UNTIL);
        assert_eq!(key(&table, "bob"), Some(1));
    }
}

#[test]
fn gossip_of_a_date_that_nobody_reaches_does_not_take_the_place_of_what_counts() {
    let gossip = |date, key| Fact { source: Source::Gossip, ..fact("bob", date, key, 1) };
    let mut table = Table::new(MAX);
    table.gossip(&[gossip(NOW, 1), gossip(u64::MAX, 2)], UNTIL);
    let of = |table: &Table| {
        let addr = address("bob");
        table.peer(&addr, UNTIL).and_then(|peer| peer.gossip).map(|known| known.key[0])
    };
    assert_eq!(of(&table), Some(1));
    table.gossip(&[gossip(NOW + 1, 3)], UNTIL);
    assert_eq!(of(&table), Some(3));
}

#[test]
fn a_member_that_fills_every_table_with_dates_that_nobody_reaches_pushes_out_nobody() {
    let mut table = Table::new(MAX);
    table.wrote(&BTreeSet::from([address("bob")]), Date(NOW), 1, UNTIL);
    table.observe(&mail("bob", NOW - DAY, Some(1)), UNTIL);
    table.observe(&mail("carol", NOW - DAY, Some(2)), UNTIL);
    for written in [true, false] {
        let names = (0..2 * MAX).map(|n| format!("x{n}"));
        let facts: Vec<_> = names.map(|name| fact(&name, u64::MAX, 9, 7)).collect();
        for facts in facts.chunks(MAX) {
            table.join(&told(facts, written), UNTIL);
        }
    }
    assert_eq!((key(&table, "bob"), key(&table, "carol")), (Some(1), Some(2)));
    // Nor does it keep others from being learnt.
    let told = table.observe(&mail("bob", NOW, Some(3)), UNTIL);
    assert_eq!(key(&table, "bob"), Some(3));
    let mut other = Table::new(MAX);
    other.join(&told, UNTIL);
    assert_eq!(
        other.shared().peer(&address("bob"), UNTIL).map(|peer| peer.header.map(|k| k.key[0])),
        Some(Some(3))
    );
    assert!(table.shared().is_correspondent(&address("bob")));
    assert!(table.shared().addresses().len() <= 16 * MAX);
}

#[test]
fn what_a_removed_device_told_gives_way_to_anything_else_and_stays_until_then() {
    let thief = 7;
    let mut table = Table::new(MAX);
    table.observe(&mail("bob", NOW - DAY, Some(1)), UNTIL);
    table.join(&told(&[fact("bob", NOW, 9, thief), fact("carol", NOW, 8, thief)], false), UNTIL);
    assert_eq!((key(&table, "bob"), key(&table, "carol")), (Some(9), Some(8)));
    table.distrust(BTreeSet::from([thief]), UNTIL);
    assert_eq!((key(&table, "bob"), key(&table, "carol")), (Some(9), Some(8)));
    let told_again = told(&[fact("bob", NOW + 1, 9, thief)], false);
    // An older one, but of a device that is trusted.
    table.observe(&mail("bob", NOW - DAY, Some(1)), UNTIL);
    table.join(&told_again, UNTIL);
    assert_eq!((key(&table, "bob"), key(&table, "carol")), (Some(1), Some(8)));
}

#[test]
fn what_a_removed_device_deleted_gives_way_to_an_older_mail() {
    let (thief, mut table) = (7, Table::new(MAX));
    table.observe(&mail("bob", NOW - 2 * DAY, Some(1)), UNTIL);
    let mut deletion = Peers::new(MAX);
    deletion.delete(&address("bob"), Deletion { date: Date(NOW), reporter: thief });
    table.join(&deletion.clone().into(), UNTIL);
    assert_eq!(key(&table, "bob"), None);
    table.distrust(BTreeSet::from([thief]), UNTIL);
    table.observe(&mail("bob", NOW - DAY, Some(2)), UNTIL);
    table.join(&deletion.into(), UNTIL);
    assert_eq!(key(&table, "bob"), Some(2));
    table.distrust(BTreeSet::new(), UNTIL);
    table.observe(&mail("bob", NOW - DAY, Some(2)), UNTIL);
    assert_eq!(key(&table, "bob"), Some(2), "it is gone for good");
}

#[test]
fn what_a_removed_device_pushed_out_comes_back_and_stays_after_a_restart() {
    let thief = 7;
    let mut table = Table::new(MAX);
    table.wrote(&BTreeSet::from([address("bob")]), Date(NOW - 40 * DAY), 1, UNTIL);
    table.observe(&mail("bob", NOW - 40 * DAY, Some(1)), UNTIL);
    table.observe(&mail("carol", NOW - 40 * DAY, Some(2)), UNTIL);
    for wave in 0..3 {
        let facts: Vec<_> = (0..MAX).map(|n| fact(&format!("x{wave}{n}"), NOW, 9, thief)).collect();
        let mut early = Peers::new(MAX);
        for fact in &facts {
            early.keep(&fact.addr, Entry::Known(fact.entry.clone()), Date(wave));
        }
        for part in [told(&facts, true), told(&facts, false), early.into()] {
            table.join(&part, UNTIL);
        }
    }
    assert_eq!((key(&table, "bob"), key(&table, "carol")), (None, None));
    let read = |layers: &Layers| Layers::from_bytes(&layers.to_bytes(), MAX).expect("its own octets");
    let restored = Table::from_parts(read(table.shared()), read(table.local()), table.out().clone())
        .with_taken_in(table.taken_in())
        .with_displaced(Peers::from_bytes(&table.displaced().to_bytes(), MAX).expect("its own octets"));
    assert_eq!(table, restored);
    let told = table.distrust(BTreeSet::from([thief]), UNTIL);
    assert_eq!((key(&table, "bob"), key(&table, "carol")), (Some(1), Some(2)));
    assert!(table.shared().is_correspondent(&address("bob")));
    let mut other = Table::new(MAX);
    other.join(&told, UNTIL);
    assert_eq!((key(&other, "bob"), key(&other, "carol")), (Some(1), Some(2)));
}

#[test]
fn what_was_kept_local_beside_what_a_removed_device_told_is_told_when_that_gives_way() {
    let (mut one, mut two) = (Table::new(MAX), Table::new(MAX));
    two.join(&one.observe(&mail("bob", NOW - DAY, Some(1)), UNTIL), UNTIL);
    two.join(&one.wrote(&BTreeSet::from([address("bob")]), Date(NOW), 1, UNTIL), UNTIL);
    let mut from_thief = Peers::new(MAX);
    from_thief.wrote(&address("bob"), Date(NOW), 7);
    from_thief.observe(&fact("bob", NOW, 9, 7));
    one.join(&from_thief.clone().into(), UNTIL);
    two.join(&from_thief.into(), UNTIL);
    assert!(one.observe(&mail("bob", NOW + 1, Some(9)), UNTIL).is_empty(), "the same key");
    let delta = one.distrust(BTreeSet::from([7]), UNTIL);
    two.distrust(BTreeSet::from([7]), UNTIL);
    two.join(&delta, UNTIL);
    assert_eq!((key(&one, "bob"), key(&two, "bob")), (Some(9), Some(9)));
}

#[test]
fn a_removed_device_that_said_dates_ahead_displaces_nothing() {
    let mut table = Table::new(MAX);
    table.observe(&mail("bob", NOW, Some(1)), UNTIL);
    table.join(&told(&[fact("bob", u64::MAX, 9, 7)], false), UNTIL);
    table.distrust(BTreeSet::from([7]), UNTIL);
    assert_eq!(key(&table, "bob"), Some(1));
    let newest = table.shared().newest().entry(&address("bob"), Source::Header, Date::LAST);
    assert_eq!(newest.and_then(Entry::known).map(|known| known.key[0]), Some(1));
}

#[test]
fn a_device_that_is_found_not_to_be_out_is_believed_again() {
    let mut table = Table::new(MAX);
    table.join(&told(&[fact("bob", NOW, 7, 7)], false), UNTIL);
    table.distrust(BTreeSet::from([7]), UNTIL);
    table.distrust(BTreeSet::new(), UNTIL);
    let read = |layers: &Layers| Layers::from_bytes(&layers.to_bytes(), MAX).expect("its own octets");
    let restored = Table::from_parts(read(table.shared()), read(table.local()), table.out().clone());
    assert_eq!(table, restored, "as after a restart");
    table.join(&told(&[fact("bob", NOW - DAY, 1, 1)], false), UNTIL);
    assert_eq!(key(&table, "bob"), Some(7), "what comes later and is older does not take its place");
}

#[test]
fn of_the_mails_of_one_day_no_more_than_so_many_strangers_are_learnt_and_known_ones_always() {
    let mut table = Table::new(2000);
    let today = |n: usize, key| mail(&format!("x{n}"), NOW + n as u64, Some(key));
    for n in 0..2 * NEW_PER_DAY {
        table.observe(&today(n, 1), UNTIL);
    }
    let known =
        |table: &Table| (0..2 * NEW_PER_DAY).filter(|n| key(table, &format!("x{n}")).is_some()).count();
    assert_eq!(known(&table), NEW_PER_DAY);
    table.observe(&mail("x0", NOW + 1, Some(2)), UNTIL);
    assert_eq!(key(&table, "x0"), Some(2));
    table.wrote(&BTreeSet::from([address("friend")]), Date(NOW), 1, UNTIL);
    table.observe(&mail("friend", NOW, Some(5)), UNTIL);
    assert_eq!(key(&table, "friend"), Some(5));
    table.observe(&mail("tomorrow", NOW + DAY, Some(5)), UNTIL);
    assert_eq!(key(&table, "tomorrow"), Some(5));
}

#[test]
fn of_one_day_on_the_own_clock_no_more_than_so_many_strangers_are_learnt_whatever_dates_they_claim() {
    let mut table = Table::new(4 * NEW_PER_DAY);
    let known =
        |table: &Table| (0..30 * NEW_PER_DAY).filter(|n| key(table, &format!("x{n}")).is_some()).count();
    let flood = |table: &mut Table, from: usize, until: Date| {
        for n in from..from + 10 * NEW_PER_DAY {
            table.observe(&mail(&format!("x{n}"), NOW - n as u64 % 30 * DAY, Some(1)), until);
        }
    };
    flood(&mut table, 0, UNTIL);
    assert_eq!(known(&table), 2 * NEW_PER_DAY, "half of it is for whoever comes");
    let restored = Table::from_parts(table.shared().clone(), table.local().clone(), BTreeSet::new())
        .with_taken_in(table.taken_in());
    assert_eq!(restored, table, "as after a restart");
    table = restored;
    flood(&mut table, 10 * NEW_PER_DAY, UNTIL);
    assert_eq!(known(&table), 2 * NEW_PER_DAY);
    flood(&mut table, 20 * NEW_PER_DAY, Date(UNTIL.0 + DAY));
    assert_eq!(known(&table), 3 * NEW_PER_DAY, "and what the next day brings");
}

#[test]
fn who_prefers_encryption_stays_whatever_strangers_send() {
    let (mut one, mut two) = (Table::new(MAX), Table::new(MAX));
    two.join(&one.observe(&mail("bob", NOW - 40 * DAY, Some(1)), UNTIL), UNTIL);
    for day in 1..10 {
        let until = Date(UNTIL.0 + day * DAY);
        for n in 0..10 * MAX as u64 {
            let spam = mail(&format!("x{day}.{n}"), NOW + day * DAY - n % 3 * DAY, Some(3));
            let (here, there) = if n % 2 == 0 { (&mut one, &mut two) } else { (&mut two, &mut one) };
            let answer = there.join(&here.observe(&spam, until), until);
            here.join(&answer, until);
        }
        assert_eq!((key_at(&one, "bob", until), key_at(&two, "bob", until)), (Some(1), Some(1)));
    }
    assert_eq!(one.shared(), two.shared());
    // Nor do those who came first keep others from being learnt.
    let until = Date(UNTIL.0 + 10 * DAY);
    two.join(&one.observe(&mail("carol", until.0 - DAY, Some(5)), until), until);
    assert_eq!((key_at(&one, "carol", until), key_at(&two, "carol", until)), (Some(5), Some(5)));
    // Bob's next key takes the place of this one, and a deletion that of both.
    one.join(&two.observe(&mail("bob", NOW + DAY, Some(7)), until), until);
    assert_eq!((key_at(&one, "bob", until), key_at(&two, "bob", until)), (Some(7), Some(7)));
    two.join(&one.delete(&address("bob"), by_one(Date(NOW + 2 * DAY)), until), until);
    assert_eq!((key_at(&one, "bob", until), key_at(&two, "bob", until)), (None, None));
    assert_eq!(one.shared(), two.shared());
    assert!(!one.shared().to_bytes().windows(3).any(|octets| octets == [7; 3]));
}

#[test]
fn a_correspondent_stays_whatever_strangers_send() {
    let mut table = Table::new(MAX);
    table.observe(&mail("bob", NOW - 900 * DAY, Some(1)), UNTIL);
    table.wrote(&BTreeSet::from([address("bob"), address("carol")]), Date(NOW - 900 * DAY), 1, UNTIL);
    table.observe(&mail("carol", NOW - 800 * DAY, Some(2)), UNTIL);
    for n in 0..10 * MAX {
        table.observe(&mail(&format!("x{n}"), NOW - n as u64, Some(3)), UNTIL);
    }
    assert_eq!((key(&table, "bob"), key(&table, "carol")), (Some(1), Some(2)));
    // Too many correspondents are bounded all the same.
    let many: BTreeSet<_> = (0..10 * MAX).map(|n| address(&format!("y{n}"))).collect();
    table.wrote(&many, Date(NOW), 1, UNTIL);
    assert!(table.shared().addresses().len() <= 8 * MAX);
}

#[test]
fn writing_to_a_correspondent_again_within_thirty_days_tells_nothing() {
    let mut table = Table::new(MAX);
    let bob = BTreeSet::from([address("bob")]);
    assert!(!table.wrote(&bob, Date(NOW), 1, UNTIL).is_empty());
    assert!(table.wrote(&bob, Date(NOW + DAY), 1, UNTIL).is_empty());
    assert!(!table.wrote(&bob, Date(NOW + 31 * DAY), 1, UNTIL).is_empty());
}

#[test]
fn what_was_read_before_is_known() {
    let mut table = Table::new(MAX);
    for mail in [mail("bob", NOW, Some(1)), mail("carol", NOW, None), mail("dave", u64::MAX, Some(1))] {
        let knows = |table: &Table| table.knows(Some((&mail.from, mail.date)), mail.fact.as_slice(), UNTIL);
        assert!(!knows(&table));
        table.observe(&mail, UNTIL);
        assert!(knows(&table), "{mail:?}");
        let before = table.clone();
        table.observe(&mail, UNTIL);
        assert_eq!(before, table);
    }
}

#[test]
fn what_counts_here_and_was_displaced_there_before_it_could_is_told_once() {
    let (mut here, mut there) = (Table::new(MAX), Table::new(MAX));
    let (soon, later) = (NOW + 5 * DAY, Date(NOW + 6 * DAY));
    let told = there.observe(&mail("a", soon, Some(1)), UNTIL);
    here.join(&told, UNTIL);
    let told = there.observe(&mail("a", u64::MAX, Some(2)), UNTIL);
    // It arrives late.
    let answer = here.join(&told, later);
    assert_eq!((key_at(&here, "a", later), key_at(&there, "a", later)), (Some(1), None));
    assert!(there.join(&answer, later).is_empty(), "there is nothing to answer");
    assert_eq!(key_at(&there, "a", later), Some(1));
    assert!(here.join(&there.shared().clone(), later).is_empty(), "all is told");
}
