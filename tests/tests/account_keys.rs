//! What a member with old state, or with bad will, does to the account's keys.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

use std::{collections::BTreeSet, time::Duration};

use sma_core::{
    Command, Crypto, Fingerprint, Folder, Hash, Secret,
    state::{KeyNotice, Removal},
    wire::{self, Kind},
};
use sma_sim::{
    stage::Stage,
    store::Kept,
    symbolic::{Symbolic, renewal, renewed},
};
use sma_tests::{
    account::{insider, join, muaa, paired},
    insider::{Insider, Said},
    outsiders::{self, pass},
};

/// A log may have so many operations on this device.
fn with_log_of(stage: &mut Stage, at: usize, log_max: usize) {
    stage.lab.machines[at].config.log_max = log_max;
    stage.lab.stop(at);
    stage.lab.start(at);
    stage.settle();
}

fn current(stage: &Stage, at: usize) -> Secret {
    let muaa = muaa(stage, at);
    muaa.account_secret(&muaa.account().current.unwrap()).unwrap().clone()
}

/// The member `from`, as it was saved, tells `to` these keys in an update that is later than all it sent.
fn tell(stage: &mut Stage, from: &mut Insider, to: usize, keys: Vec<Secret>) {
    // Above everything that was said since.
    (0..100).for_each(|_| drop(from.op(99, Vec::new())));
    say(stage, from, to, Said { keys, ..Said::default() });
}

fn say(stage: &mut Stage, from: &mut Insider, to: usize, said: Said) {
    let recipient = Insider::of(&stage.lab.machines[to]).unwrap();
    let envelope = from.update(&recipient, said);
    let folder = Folder::Inbox(stage.id(to).unwrap());
    stage.lab.store.put(folder, Kept::Envelope(envelope.clone()), true, stage.lab.now);
    stage.lab.notice(to, folder);
    stage.settle();
    assert!(muaa(stage, to).has_processed(&envelope.body), "it is taken in");
}

#[test]
fn an_older_version_of_a_key_and_one_that_the_log_does_not_name_take_no_place() {
    let (mut stage, [one, two, three]) = paired([1, 2, 3]);
    let first = current(&stage, one);
    let mut before = Insider::of(&stage.lab.machines[three]).unwrap();
    stage.lab.stop(three);
    stage.command(one, Command::AdoptKey { secret: renewed(&first, 7) }).unwrap();
    stage.settle();
    for old in [first.clone(), renewed(&first, 9)] {
        tell(&mut stage, &mut before, two, vec![old]);
        assert_eq!(renewal(&current(&stage, two)), Some(7));
        assert_eq!(muaa(&stage, one).digest(), muaa(&stage, two).digest());
    }
}

#[test]
fn destroyed_material_comes_back_neither_by_an_update_nor_by_an_old_snapshot() {
    let (mut stage, [one, two, three]) = paired([1, 2, 3]);
    let old = current(&stage, one);
    let fingerprint = muaa(&stage, one).account().current.unwrap();
    let fresh = Symbolic.new_account_key("anna@example.org", &[5; 32], stage.lab.now).unwrap();
    stage.command(one, Command::AdoptKey { secret: fresh.secret }).unwrap();
    stage.settle();
    let mut before = Insider::of(&stage.lab.machines[three]).unwrap();
    let snapshot = stage.lab.machines[three].durable.clone();
    stage.command(two, Command::DestroyKey { fingerprint }).unwrap();
    stage.settle();
    let lacks = |stage: &Stage, at| muaa(stage, at).account_secret(&fingerprint).is_none();
    assert!([one, two, three].iter().all(|at| lacks(&stage, *at)));
    stage.advance(Duration::from_secs(31 * 86_400));
    let saved = stage.lab.machines[three].durable.as_ref().unwrap().encode();
    assert!(!saved.expose().windows(old.expose().len()).any(|octets| octets == old.expose()), "it is wiped");

    // A member that does not know it any better sends it again, also in another version.
    stage.lab.stop(three);
    for key in [old.clone(), renewed(&old, 4)] {
        tell(&mut stage, &mut before, two, vec![key]);
        assert!(lacks(&stage, two));
    }
    assert!(
        stage.command(two, Command::AdoptKey { secret: old }).is_err(),
        "a person does not bring it back either"
    );

    // A backup of that member still has it; the others take it from there no more than from an update.
    stage.lab.machines[three].durable = snapshot;
    stage.lab.start(three);
    stage.advance(Duration::from_secs(5 * 86_400));
    assert!([one, two].iter().all(|at| lacks(&stage, *at)));
    assert_eq!(muaa(&stage, one).account().destroyed, [fingerprint]);
}

/// All that can be looked at: what a device saves, prints, shows and hands out.
fn traces(stage: &Stage, at: usize, key: &Fingerprint, versions: &[Secret]) -> Vec<&'static str> {
    let (muaa, saved) = (muaa(stage, at), stage.lab.machines[at].durable.as_ref().unwrap().encode());
    let printed = format!("{muaa:?} {:?} {:?}", muaa.account(), muaa.join_question()).into_bytes();
    let within = |octets: &[u8]| {
        let of =
            |secret: &Secret| octets.windows(secret.expose().len()).any(|window| window == secret.expose());
        versions.iter().any(of)
    };
    let handed_out = |key: &Fingerprint| muaa.account_secret(key).is_some_and(|key| within(key.expose()));
    let decimal = |secret: &Secret| {
        let listed = format!("{:?}", secret.expose());
        String::from_utf8_lossy(&printed).contains(listed.trim_matches(['[', ']']))
    };
    let account = muaa.account();
    [
        ("saved", within(saved.expose())),
        ("printed", within(&printed) || versions.iter().any(decimal)),
        ("held", muaa.account_keys().any(|held| held == *key || handed_out(&held))),
        ("handed out", muaa.account_secret(key).is_some()),
        ("restorable", muaa.restorable_keys().iter().any(|(held, _)| held == key)),
        ("of the account", account.current == Some(*key) || account.keys.contains(key)),
        ("public", account.public.is_some_and(|public| within(&public))),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect()
}

/// In no version that it had, neither while the program goes on nor when it is started again.
#[test]
fn no_octet_of_a_wiped_key_is_left_in_what_a_device_saves_prints_or_shows() {
    let (mut stage, devices) = paired([1, 2, 3]);
    let [one, two, _] = devices;
    let old = current(&stage, one);
    let fingerprint = muaa(&stage, one).account().current.unwrap();
    let renewal = renewed(&old, 7);
    stage.command(one, Command::AdoptKey { secret: renewal.clone() }).unwrap();
    stage.settle();
    let versions = [old, renewal];
    let fresh = Symbolic.new_account_key("anna@example.org", &[5; 32], stage.lab.now).unwrap();
    stage.command(two, Command::AdoptKey { secret: fresh.secret }).unwrap();
    stage.settle();
    let found = |stage: &Stage| devices.map(|at| traces(stage, at, &fingerprint, &versions));
    assert!(found(&stage).iter().all(|found| found.contains(&"saved") && found.contains(&"held")));
    stage.command(two, Command::DestroyKey { fingerprint }).unwrap();
    stage.advance(Duration::from_secs(29 * 86_400));
    assert_eq!(found(&stage), [["saved", "restorable"]; 3], "it is set aside");
    stage.advance(Duration::from_secs(2 * 86_400));
    assert_eq!(found(&stage), [[""; 0]; 3]);
    for at in devices {
        assert!(muaa(&stage, at).is_saved_as(stage.lab.machines[at].durable.as_ref().unwrap()));
        stage.lab.stop(at);
        stage.lab.start(at);
    }
    stage.advance(Duration::from_secs(86_400));
    assert_eq!(found(&stage), [[""; 0]; 3]);
}

#[test]
fn in_a_log_that_is_half_full_nobody_is_let_in_and_no_key_adopted_but_removing_goes_on() {
    let (mut stage, [one, two, three]) = paired([1, 2, 3]);
    let newcomer = stage.add(27);
    stage.settle();
    // A genesis, a key and two additions are there.
    for at in [one, two, three] {
        with_log_of(&mut stage, at, 8);
    }
    let full = Err(
        "the account's history is full: remove what is not used, or begin anew on one device and pair the \
                    others with it"
            .to_owned(),
    );
    let secret = Symbolic.new_account_key("anna@example.org", &[5; 32], stage.lab.now).unwrap().secret;
    let (of_newcomer, of_three) = (stage.id(newcomer), stage.id(three).unwrap());
    assert_eq!(stage.command(one, Command::Offer { to: of_newcomer, form: sma_core::Form::Code }), full);
    assert_eq!(stage.command(one, Command::Offer { to: None, form: sma_core::Form::Code }), full);
    assert_eq!(stage.command(one, Command::AdoptKey { secret }), full);
    stage.command(one, Command::Remove { id: of_three }).unwrap();
    stage.settle();
    assert_eq!(muaa(&stage, two).members().len(), 2);
    assert_eq!(current(&stage, one), current(&stage, two), "it made a new key");
    stage.command(two, Command::Leave).unwrap();
    stage.settle();
    assert_eq!(muaa(&stage, one).members().len(), 1);
}

/// It would be taken, and give way to a fresh one at once.
#[test]
fn a_key_that_a_device_which_left_can_have_is_not_adopted_again() {
    let (mut stage, [one, _, three]) = paired([1, 2, 3]);
    let old = current(&stage, one);
    stage.command(three, Command::Leave).unwrap();
    stage.settle();
    let fresh = current(&stage, one);
    assert!(fresh != old);
    let refused = stage.command(one, Command::AdoptKey { secret: old }).unwrap_err();
    assert!(refused.contains("or one that left"), "{refused}");
    stage.settle();
    assert!(current(&stage, one) == fresh);
}

/// What fills a gap between epochs makes greater ones count.
#[test]
fn an_adopted_key_is_current_whatever_epochs_a_member_left_out() {
    let (mut stage, [one, two, three]) = paired([1, 2, 3]);
    let mut stolen = insider(&stage, three);
    stage.lab.stop(three);
    let mut notice = |octet: u8| {
        let fingerprint = Fingerprint::new(&[octet; 32]).unwrap();
        let (epoch, version) = (1 + 2 * u64::from(octet), Hash([octet; 32]));
        let notice = KeyNotice { fingerprint, epoch, created: stage.lab.now, generation: 0, version };
        stolen.op(Kind::AccountKey.number(), wire::encode(&notice))
    };
    let ops: Vec<_> = (1..=5).map(&mut notice).collect();
    outsiders::say(&mut stage, &mut stolen, one, &ops);
    let key = Symbolic.new_account_key("anna@example.org", &[5; 32], stage.lab.now).unwrap();
    stage.command(one, Command::AdoptKey { secret: key.secret.clone() }).unwrap();
    assert!(current(&stage, one) == key.secret);
    stage.settle();
    assert!(current(&stage, two) == key.secret);
}

#[test]
fn no_more_keys_are_adopted_than_are_kept() {
    let (mut stage, [one, ..]) = paired([1, 2, 3]);
    stage.lab.machines[one].config.account_keys_max = 2;
    stage.lab.stop(one);
    stage.lab.start(one);
    stage.settle();
    let mut adopt = |n| {
        let key = Symbolic.new_account_key("anna@example.org", &[n; 32], stage.lab.now).unwrap();
        stage.command(one, Command::AdoptKey { secret: key.secret })
    };
    assert_eq!(adopt(1), Ok(()));
    assert_eq!(adopt(1), Ok(()), "the same key again");
    assert_eq!(adopt(2), Err("there are too many of these already".to_owned()));
}

#[test]
fn a_current_key_that_nobody_holds_any_more_is_replaced() {
    let (mut stage, [one, two, three]) = paired([1, 2, 3]);
    let mut gone = Insider::of(&stage.lab.machines[three]).unwrap();
    stage.lab.stop(three);
    // Its log is known, its key is not.
    let fingerprint = Fingerprint::new(&[7; 32]).unwrap();
    let notice =
        KeyNotice { fingerprint, epoch: 2, created: stage.lab.now, generation: 0, version: Hash([7; 32]) };
    let ops = vec![gone.op(Kind::AccountKey.number(), wire::encode(&notice))];
    say(&mut stage, &mut gone, one, Said { ops, ..Said::default() });
    stage.advance(Duration::from_secs(10 * 86_400));
    assert_eq!(muaa(&stage, two).account().current, None, "it may still come");
    stage.advance(Duration::from_secs(8 * 86_400));
    assert_eq!(current(&stage, one), current(&stage, two));
    assert_eq!(muaa(&stage, one).digest(), muaa(&stage, two).digest());
}

/// As a later version of OpenPGP makes it: the crypto here refuses it, the log names it.
fn unreadable(text: &str) -> Secret {
    let secret = Secret::new(text.as_bytes().to_vec());
    assert!(Symbolic.read_account_key(&secret).is_err());
    secret
}

fn held<'a>(stage: &'a Stage, at: usize, fingerprint: &Fingerprint) -> Option<&'a Secret> {
    muaa(stage, at).account_secret(fingerprint)
}

#[test]
fn a_key_that_cannot_be_read_is_held_passed_on_and_not_replaced() {
    let (mut stage, [one, two, three]) = paired([1, 2, 3]);
    let mut later = Insider::of(&stage.lab.machines[three]).unwrap();
    stage.lab.stop(three);
    let fingerprint = Fingerprint::new(&[7; 32]).unwrap();
    let (first, second) =
        (unreadable("a key of a later version"), unreadable("the same with another subkey"));
    let mut named = |generation, secret: &Secret| {
        let version = Symbolic.hash("autocrypt-sma-key-v1", &[secret.expose()]);
        let notice = KeyNotice { fingerprint, epoch: 2, created: stage.lab.now, generation, version };
        later.op(Kind::AccountKey.number(), wire::encode(&notice))
    };
    let (notice, renewal) = (named(0, &first), named(1, &second));
    let keys = vec![unreadable("octets that nobody named"), first.clone()];
    say(&mut stage, &mut later, one, Said { ops: vec![notice], keys, ..Said::default() });
    assert_eq!(held(&stage, one, &fingerprint), Some(&first));
    stage.advance(Duration::from_secs(13 * 86_400));
    for at in [one, two] {
        assert_eq!(held(&stage, at, &fingerprint), Some(&first), "one has it from the other");
        let account = muaa(&stage, at).account();
        assert_eq!((account.current, account.public), (Some(fingerprint), None));
    }
    stage.advance(Duration::from_secs(30 * 86_400));
    assert!([one, two].iter().all(|at| muaa(&stage, *at).account().current == Some(fingerprint)));
    assert_eq!(muaa(&stage, one).digest(), muaa(&stage, two).digest());

    say(
        &mut stage,
        &mut later,
        two,
        Said { ops: vec![renewal], keys: vec![second.clone(), first], ..Said::default() },
    );
    stage.advance(Duration::from_secs(13 * 86_400));
    assert!([one, two].iter().all(|at| held(&stage, *at, &fingerprint) == Some(&second)), "renewed");

    let fresh = Symbolic.new_account_key("anna@example.org", &[5; 32], stage.lab.now).unwrap();
    stage.command(one, Command::AdoptKey { secret: fresh.secret }).unwrap();
    stage.command(one, Command::DestroyKey { fingerprint }).unwrap();
    stage.settle();
    assert!([one, two].iter().all(|at| held(&stage, *at, &fingerprint).is_none()), "destroyed");
    tell(&mut stage, &mut later, two, vec![second]);
    assert_eq!(held(&stage, two, &fingerprint), None);
}

/// Whichever of the two groups goes over to the other.
#[test]
fn a_key_that_cannot_be_read_is_carried_along_when_two_groups_become_one_and_stays_the_current_one() {
    for goes_over in [true, false] {
        let (mut stage, [one, two, three]) = paired([1, 2, 3]);
        let mut later = insider(&stage, three);
        stage.lab.stop(three);
        let fingerprint = Fingerprint::new(&[7; 32]).unwrap();
        let versions = [unreadable("a key of a later version"), unreadable("the same with another subkey")];
        let mut named = |(generation, secret): (u64, &Secret)| {
            let version = Symbolic.hash("autocrypt-sma-key-v1", &[secret.expose()]);
            let notice = KeyNotice { fingerprint, epoch: 2, created: stage.lab.now, generation, version };
            later.op(Kind::AccountKey.number(), wire::encode(&notice))
        };
        let ops: Vec<_> = (0..).zip(&versions).map(&mut named).collect();
        for at in [one, two] {
            let said = Said { ops: ops.clone(), keys: versions.to_vec(), ..Said::default() };
            say(&mut stage, &mut later, at, said);
        }
        let [first, second] = versions;
        let four = join(&mut stage, 4, None);
        let five = join(&mut stage, 5, Some(four));
        let carries = |stage: &Stage, when: &str| {
            for at in [one, two, four, five] {
                let account = muaa(stage, at).account();
                assert_eq!(held(stage, at, &fingerprint), Some(&second), "{when}: {at}, {goes_over}");
                assert_eq!(account.current, Some(fingerprint), "{when}: {at}, {goes_over}");
                assert_eq!(muaa(stage, at).digest(), muaa(stage, one).digest(), "{when}: {at}, {goes_over}");
            }
        };
        assert!(if goes_over { stage.pair(four, one) } else { stage.pair(one, four) });
        pass(&mut stage, 3);
        assert!(stage.are_paired(&[one, two, four, five]), "{goes_over}");
        carries(&stage, "merged");
        // Somebody brings the version that it replaced.
        let mut newcomer = insider(&stage, five);
        tell(&mut stage, &mut newcomer, one, vec![first.clone()]);
        tell(&mut stage, &mut newcomer, four, vec![first]);
        pass(&mut stage, 5);
        carries(&stage, "an older version");
        pass(&mut stage, 20);
        carries(&stage, "weeks later");
    }
}

#[test]
fn a_key_that_cannot_be_read_and_is_too_large_is_not_held() {
    let (mut stage, [one, _, three]) = paired([1, 2, 3]);
    let mut later = Insider::of(&stage.lab.machines[three]).unwrap();
    stage.lab.stop(three);
    let fingerprint = Fingerprint::new(&[7; 32]).unwrap();
    for (epoch, octets) in [(2, (64 << 10) + 1), (3, 64 << 10)] {
        let secret = unreadable(&"x".repeat(octets));
        let version = Symbolic.hash("autocrypt-sma-key-v1", &[secret.expose()]);
        let notice = KeyNotice { fingerprint, epoch, created: stage.lab.now, generation: 0, version };
        let ops = vec![later.op(Kind::AccountKey.number(), wire::encode(&notice))];
        say(&mut stage, &mut later, one, Said { ops, keys: vec![secret], ..Said::default() });
        assert_eq!(held(&stage, one, &fingerprint).is_some(), epoch == 3);
    }
}

/// The log of both is the same: only what they hold tells them apart.
#[test]
fn invariant_2_a_key_that_the_log_names_and_that_did_not_arrive_is_asked_for() {
    let (mut stage, [one, two, three]) = paired([1, 2, 3]);
    let mut author = Insider::of(&stage.lab.machines[three]).unwrap();
    stage.lab.stop(three);
    let key = Symbolic.new_account_key("anna@example.org", &[7; 32], stage.lab.now).unwrap();
    let version = Symbolic.hash("autocrypt-sma-key-v1", &[key.secret.expose()]);
    let (fingerprint, created) = (key.fingerprint, key.created);
    let notice = KeyNotice { fingerprint, epoch: 2, created, generation: 0, version };
    let notice = author.op(Kind::AccountKey.number(), wire::encode(&notice));
    for (to, keys) in [(one, vec![key.secret]), (two, Vec::new())] {
        say(&mut stage, &mut author, to, Said { ops: vec![notice.clone()], keys, ..Said::default() });
    }
    let held = |stage: &Stage, at: usize| muaa(stage, at).account_secret(&fingerprint).is_some();
    assert_eq!([one, two].map(|at| held(&stage, at)), [true, false]);
    assert_ne!(muaa(&stage, one).digest(), muaa(&stage, two).digest());
    stage.advance(Duration::from_secs(14 * 86_400));
    assert!(held(&stage, two), "{:#?}", stage.lab.trace.take());
}

/// The device that left is not known in the group that is entered, and the key that it has was no longer the current one before.
#[test]
fn a_key_that_came_from_another_group_to_decrypt_is_not_adopted_there() {
    let (mut stage, [one, _, three]) = paired([1, 2, 3]);
    let old = current(&stage, one);
    stage.command(three, Command::Leave).unwrap();
    stage.settle();
    let four = stage.add(4);
    stage.settle();
    assert!(stage.pair(four, one));
    stage.advance(Duration::from_secs(86_400));
    for at in [one, four] {
        let now = current(&stage, at);
        assert!(now != old && now == current(&stage, one));
        let refused = stage.command(at, Command::AdoptKey { secret: old.clone() }).unwrap_err();
        assert!(refused.contains("or one that left"), "{refused}");
    }
}

/// In each order of their ids: who founded the group, whom it let in, and a stolen member that this one let in.
fn rows_of_three() -> impl Iterator<Item = (Stage, [usize; 3])> {
    [[1, 2, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]].into_iter().map(|ids| {
        let mut stage = Stage::new();
        let mut by = None;
        let row = ids.map(|id| *by.insert(join(&mut stage, id, by)));
        (stage, row)
    })
}

/// A stolen member removes who let it in, and with that itself, after something that nobody shows.
fn undo_itself(stage: &mut Stage, stolen: usize, let_in_by: &Insider, to: usize) {
    let mut thief = insider(stage, stolen);
    stage.lab.stop(stolen);
    let _ = thief.op(99, Vec::new());
    let removal = Removal { target: let_in_by.key(), cut: BTreeSet::new(), silent: true };
    let op = thief.op(Kind::Remove.number(), wire::encode(&removal));
    outsiders::say(stage, &mut thief, to, &[op]);
    pass(stage, 40);
}

/// With itself the stolen member removes the key that it made. What it said before that, it kept to itself.
#[test]
fn a_key_that_a_device_had_which_left_is_not_current_again_when_a_stolen_member_undoes_itself() {
    for (mut stage, [founder, leaver, stolen]) in rows_of_three() {
        pass(&mut stage, 2);
        let had = muaa(&stage, founder).account().keys;
        let of = insider(&stage, leaver);
        stage.command(leaver, Command::Leave).unwrap();
        pass(&mut stage, 2);
        undo_itself(&mut stage, stolen, &of, founder);
        let current = muaa(&stage, founder).account().current.unwrap();
        assert!(!had.contains(&current), "{:?}", stage.id(founder));
    }
}

/// The removal takes back what let its author in, and the key that was current.
#[test]
fn no_earlier_key_is_current_again_that_a_stolen_member_had_which_undoes_itself() {
    for (mut stage, [founder, middle, stolen]) in rows_of_three() {
        let fresh = Symbolic.new_account_key("anna@example.org", &[5; 32], stage.lab.now).unwrap();
        stage.command(middle, Command::AdoptKey { secret: fresh.secret }).unwrap();
        pass(&mut stage, 2);
        let had = muaa(&stage, founder).account().keys;
        let of = insider(&stage, middle);
        undo_itself(&mut stage, stolen, &of, founder);
        assert_eq!(muaa(&stage, founder).members().len(), 1, "{:?}", stage.id(founder));
        let current = muaa(&stage, founder).account().current.unwrap();
        assert!(!had.contains(&current), "{:?}", stage.id(founder));
    }
}

/// The numbers at which something could wrap. One that nobody can have reached only names the key, whoever hears of it first.
#[test]
fn odd_numbers_of_a_key_notice_tell_nothing_that_its_author_cannot_have_known() {
    for odd in [0, 1, 2, 3, 1 << 20, 1 << 63, u64::MAX - 1, u64::MAX] {
        let (mut stage, [one, two, three]) = paired([1, 2, 3]);
        let own = current(&stage, one);
        let fingerprint = muaa(&stage, one).account().current.unwrap();
        let mut stolen = insider(&stage, three);
        stage.lab.stop(three);
        let mut notice = |fingerprint, epoch, created, generation, octet| {
            let created = sma_core::Timestamp(created);
            let notice = KeyNotice { fingerprint, epoch, created, generation, version: Hash([octet; 32]) };
            stolen.op(Kind::AccountKey.number(), wire::encode(&notice))
        };
        // Of the key that all have, and of one that nobody has.
        let mut ops = vec![notice(fingerprint, 1, odd, odd.max(2), 9), notice(fingerprint, 1, odd, 0, 0)];
        ops.push(notice(Fingerprint::new(&[7; 32]).unwrap(), odd.max(5), odd, odd, 7));
        outsiders::say(&mut stage, &mut stolen, one, &ops);
        ops.reverse();
        outsiders::say(&mut stage, &mut stolen, two, &ops);
        for at in [one, two] {
            assert!(current(&stage, at) == own, "{odd}: {at} goes on with its key");
        }
        assert_eq!(muaa(&stage, one).digest(), muaa(&stage, two).digest(), "{odd}");
        stage.command(one, Command::AdoptKey { secret: renewed(&own, 3) }).unwrap();
        stage.settle();
        for at in [one, two] {
            assert_eq!(renewal(&current(&stage, at)), Some(3), "{odd}: {at}");
        }
        let key = Symbolic.new_account_key("anna@example.org", &[5; 32], stage.lab.now).unwrap();
        stage.command(two, Command::AdoptKey { secret: key.secret.clone() }).unwrap();
        stage.settle();
        assert!([one, two].iter().all(|at| current(&stage, *at) == key.secret), "{odd}");
        pass(&mut stage, 3);
        assert_eq!(muaa(&stage, one).digest(), muaa(&stage, two).digest(), "{odd}");
    }
}
