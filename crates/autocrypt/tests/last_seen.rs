//! Which `last_seen` two devices must tell each other so that they recommend the same (docs/decisions/0031).
//!
//! Exhaustive in a small scope: two devices, up to three mails of one peer, every choice of dates, headers and readers
//! from small sets, every order of reading and of delivering what was told.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;
use sma_autocrypt::{
    Address, Date, Fact, Known, Layers, Observed, Peers, Preference, Recommendation, Source, Table,
};

const PEERS_MAX: usize = 4;
/// Later than all that happens here.
const NOW: Date = Date(10_000 * 86_400);

fn bob() -> Address {
    Address::parse("bob@example.org").expect("an address")
}

/// What a device does about `last_seen`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Policy {
    /// It keeps it to itself.
    Never,
    /// It asks [`Table::last_seen_to_tell`] when it reads a mail, but not when it is told something.
    OnMailAlone,
    /// It asks after every change: what [`Table`] does.
    OnEveryChange,
}

/// A mail from Bob and who reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mail {
    day: u64,
    key: Option<u8>,
    readers: &'static [usize],
}

impl Mail {
    fn observed(self, reporter: u64) -> Observed {
        let date = Date(self.day * 86_400);
        let fact = self.key.map(|key| Fact {
            addr: bob(),
            source: Source::Header,
            entry: Known {
                date,
                key: vec![key].into(),
                preference: Preference::NoPreference,
                message: [self.day as u8; 32],
                reporter,
            },
        });
        Observed { from: bob(), date, fact }
    }
}

/// Every sort of mail that these choices give.
fn mails(days: &[u64], keys: &[Option<u8>]) -> Vec<Mail> {
    let readers: [&'static [usize]; 3] = [&[0], &[1], &[0, 1]];
    let each = |day| keys.iter().flat_map(move |key| readers.map(|readers| Mail { day, key: *key, readers }));
    days.iter().copied().flat_map(each).collect()
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    devices: [Table; 2],
    /// Who still has to read which mail.
    unread: Vec<(usize, usize)>,
    /// What was told to whom and has not arrived.
    told: Vec<(usize, Vec<u8>)>,
}

impl World {
    fn new(mails: &[Mail]) -> Self {
        let readers =
            |(at, mail): (usize, &Mail)| mail.readers.iter().map(|device| (*device, at)).collect::<Vec<_>>();
        Self {
            devices: [Table::new(PEERS_MAX), Table::new(PEERS_MAX)],
            unread: mails.iter().enumerate().flat_map(readers).collect(),
            told: Vec::new(),
        }
    }

    /// Everything that can happen next.
    fn next(&self, mails: &[Mail], policy: Policy) -> Vec<Self> {
        let reads = (0..self.unread.len()).map(|at| {
            let mut world = self.clone();
            let (device, mail) = world.unread.remove(at);
            let delta = read(&mut world.devices[device], &mails[mail].observed(device as u64), policy);
            world.tell(1 - device, &delta);
            world
        });
        let hears = (0..self.told.len()).map(|at| {
            let mut world = self.clone();
            let (device, octets) = world.told.remove(at);
            let delta = Layers::from_bytes(&octets, PEERS_MAX).expect("what was written");
            let answer = hear(&mut world.devices[device], &delta, policy);
            world.tell(1 - device, &answer);
            world
        });
        reads.chain(hears).collect()
    }

    fn tell(&mut self, device: usize, delta: &Layers) {
        if !delta.is_empty() {
            self.told.push((device, delta.to_bytes()));
            self.told.sort();
        }
    }
}

fn read(device: &mut Table, mail: &Observed, policy: Policy) -> Layers {
    if policy == Policy::OnEveryChange {
        return device.observe(mail, NOW);
    }
    let (mut shared, mut local) = (device.shared().clone(), device.local().clone());
    let one = |change: &dyn Fn(&mut Peers) -> bool| {
        let mut one = Peers::new(PEERS_MAX);
        change(&mut one);
        Layers::from(one)
    };
    local.join(&one(&|peers| peers.saw(&bob(), mail.date)), NOW);
    let mut news = mail.fact.as_ref().is_some_and(|fact| {
        let told = one(&|peers| peers.observe(fact));
        !shared.join(&told, NOW).is_empty()
    });
    *device = Table::from_parts(shared.clone(), local.clone(), BTreeSet::new());
    if let Some(date) = device.last_seen_to_tell(&bob(), NOW).filter(|_| policy == Policy::OnMailAlone) {
        news |= !shared.join(&one(&|peers| peers.saw(&bob(), date)), NOW).is_empty();
        *device = Table::from_parts(shared, local, BTreeSet::new());
    }
    if news { device.shared().clone() } else { Layers::new(PEERS_MAX) }
}

fn hear(device: &mut Table, delta: &Layers, policy: Policy) -> Layers {
    if policy == Policy::OnEveryChange {
        return device.join(delta, NOW);
    }
    let mut shared = device.shared().clone();
    shared.join(delta, NOW);
    *device = Table::from_parts(shared, device.local().clone(), BTreeSet::new());
    Layers::new(PEERS_MAX)
}

fn recommendation(device: &Table) -> (Recommendation, Option<u8>) {
    device.peer(&bob(), NOW).map_or((Recommendation::Disable, None), |peer| {
        let (recommendation, key) = peer.preliminary(|_| true);
        (recommendation, key.map(|key| key[0]))
    })
}

/// Whether there is an order after which, with everything read and heard, the devices do not both recommend what one
/// device would that read all mails.
fn can_disagree(mails: &[Mail], policy: Policy) -> bool {
    let mut alone = Table::new(PEERS_MAX);
    mails.iter().for_each(|mail| drop(alone.observe(&mail.observed(0), NOW)));
    let expected = recommendation(&alone);
    let mut known = HashSet::new();
    let mut open = vec![World::new(mails)];
    while let Some(world) = open.pop() {
        if !known.insert(world.clone()) {
            continue;
        }
        let next = world.next(mails, policy);
        if next.is_empty() && world.devices.iter().any(|device| recommendation(device) != expected) {
            return true;
        }
        open.extend(next);
    }
    false
}

/// Every multiset of `number` of these mails.
fn choices(of: &[Mail], number: usize) -> Vec<Vec<Mail>> {
    if number == 0 {
        return vec![Vec::new()];
    }
    let from = |at: usize| {
        choices(&of[at..], number - 1).into_iter().map(move |rest| [&[of[at]], &rest[..]].concat())
    };
    (0..of.len()).flat_map(from).collect()
}

fn counterexamples(of: &[Mail], number: usize, policy: Policy) -> Vec<Vec<Mail>> {
    choices(of, number).into_iter().filter(|mails| can_disagree(mails, policy)).collect()
}

const WITH_KEY: Mail = Mail { day: 0, key: Some(1), readers: &[0] };
const LATER: Mail = Mail { day: 36, key: None, readers: &[0] };

#[test]
fn never_telling_last_seen_lets_two_devices_disagree_after_two_mails() {
    let all = mails(&[0, 35, 36], &[None, Some(1)]);
    assert_eq!(counterexamples(&all, 1, Policy::Never), Vec::<Vec<Mail>>::new());
    let found = counterexamples(&all, 2, Policy::Never);
    println!("{} of {} pairs of mails, such as {:?}", found.len(), choices(&all, 2).len(), found[0]);
    assert!(found.contains(&vec![WITH_KEY, LATER]));
    // In each of them a mail with a key and, more than 35 days later, one without that a device alone read.
    for pair in &found {
        let keyed = pair.iter().find(|mail| mail.key.is_some()).expect("a key");
        let later = pair.iter().find(|mail| mail.key.is_none()).expect("a mail without a key");
        assert!(later.day > keyed.day + 35 && later.readers.len() == 1, "{pair:?}");
    }
}

#[test]
fn telling_it_only_when_a_mail_is_read_lets_a_late_header_make_them_disagree() {
    let all = mails(&[0, 36, 72], &[None, Some(1)]);
    let found = counterexamples(&all, 2, Policy::OnMailAlone);
    println!("{} of {} pairs of mails, such as {:?}", found.len(), choices(&all, 2).len(), found[0]);
    // One reads the old mail with the key, the other the new one without, before it hears of the key.
    assert!(found.contains(&vec![Mail { readers: &[1], ..WITH_KEY }, LATER]));
    assert!(!found.contains(&vec![WITH_KEY, LATER]));
}

#[test]
fn telling_it_when_it_changes_a_recommendation_closes_every_case_of_two_mails() {
    let all = mails(&[0, 35, 36, 72], &[None, Some(1), Some(2)]);
    assert_eq!(counterexamples(&all, 2, Policy::OnEveryChange), Vec::<Vec<Mail>>::new());
}

#[test]
fn telling_it_when_it_changes_a_recommendation_closes_every_case_of_three_mails() {
    let all = mails(&[0, 36, 72], &[None, Some(1)]);
    assert_eq!(counterexamples(&all, 3, Policy::OnEveryChange), Vec::<Vec<Mail>>::new());
}

#[test]
fn telling_dates_of_a_known_key_only_when_they_count_closes_every_case_of_three_mails_with_two_keys() {
    let all = mails(&[0, 36, 72], &[Some(1), Some(2)]);
    assert_eq!(counterexamples(&all, 3, Policy::OnEveryChange), Vec::<Vec<Mail>>::new());
}

#[test]
fn ten_years_of_daily_mails_with_one_key_tell_one_thing() {
    let mut device = Table::new(PEERS_MAX);
    let told = (0..3650).filter(|day| {
        let mail = Mail { day: *day, key: Some(1), readers: &[0] };
        !device.observe(&mail.observed(0), NOW).is_empty()
    });
    assert_eq!(told.collect::<Vec<_>>(), [0]);
    assert_eq!(
        device.peer(&bob(), NOW).and_then(|peer| peer.header).map(|known| known.date),
        Some(Date(3649 * 86_400))
    );
}

#[test]
fn a_key_used_since_outweighs_an_older_key_that_is_found_late() {
    let (mut laptop, mut phone) = (Table::new(PEERS_MAX), Table::new(PEERS_MAX));
    let old = Mail { day: 5, key: Some(2), readers: &[1] };
    for day in [0, 10] {
        let delta = laptop.observe(&Mail { day, key: Some(1), readers: &[0] }.observed(0), NOW);
        phone.join(&delta, NOW);
    }
    let delta = phone.observe(&old.observed(1), NOW);
    assert_eq!(recommendation(&phone), (Recommendation::Available, Some(2)));
    phone.join(&laptop.join(&delta, NOW), NOW);
    assert_eq!(recommendation(&phone), (Recommendation::Available, Some(1)));
}

#[test]
fn a_year_of_daily_mails_tells_last_seen_once_until_a_newer_header_comes() {
    let mut device = Table::new(PEERS_MAX);
    let mut told = Vec::new();
    for day in 0..365 {
        let key = (day % 100 == 0).then_some(1);
        let delta = device.observe(&Mail { day, key, readers: &[0] }.observed(0), NOW);
        if !delta.is_empty() {
            told.push(day);
        }
    }
    // Each header, and 36 days after each of them the date that outdates it.
    assert_eq!(told, [0, 36, 100, 136, 200, 236, 300, 336]);
}

proptest! {
    #[test]
    fn a_mail_without_a_header_tells_something_exactly_if_it_changes_the_recommendation(
        steps in prop::collection::vec((0..120u64, prop::option::weighted(0.3, 0..3u8), any::<bool>()), 1..20),
    ) {
        let mut device = Table::new(PEERS_MAX);
        let mut other = Table::new(PEERS_MAX);
        for (day, key, heard) in steps {
            let before = recommendation(&device);
            let delta = if heard {
                let news = other.observe(&Mail { day, key, readers: &[1] }.observed(1), NOW);
                device.join(&news, NOW)
            } else {
                device.observe(&Mail { day, key, readers: &[0] }.observed(0), NOW)
            };
            let after = recommendation(&device);
            if key.is_none() && !heard {
                prop_assert_eq!(!delta.is_empty(), before != after);
            }
            // A device that knows only what is shared recommends the same.
            let newcomer = Table::from_parts(device.shared().clone(), Layers::new(PEERS_MAX), BTreeSet::new());
            prop_assert_eq!(recommendation(&newcomer), after);
        }
    }
}
