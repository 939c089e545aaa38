//! Devices with keys of their own meet: nothing goes from one group to another before a person confirms it.

use serde_json::Value;
use sma_tests::{
    program::Device,
    server::{self, Dovecot},
};

use super::{done, event, fails, pair_by_link, set_up, sync_until_paired, text};

/// The account's keys that a device holds.
fn keys(device: &Device) -> Vec<Value> {
    done(device, &["status"])["keys"].as_array().expect("keys").clone()
}

/// Two devices with a group and a key each; the second typed the first one's code, and was let in.
fn two_with_keys_meet(server: &Dovecot) -> (Device, Device) {
    let (laptop, phone) = (set_up(server, "laptop"), set_up(server, "phone"));
    assert_eq!(done(&laptop, &["sync"])["phase"], "alone");
    done(&phone, &["sync"]);
    assert_eq!(done(&phone, &["devices", "start-apart", "--yes"])["phase"], "alone");
    let own = [&laptop, &phone].map(keys);
    fails(&phone, &["pair", "--confirm"], &[], 3, "sma status shows what is open");
    let shown = done(&laptop, &["pair", "--no-wait"]);
    let code = text(event(&shown, "code").expect("a code is shown"), "code").to_owned();
    done(&phone, &["pair", "--no-wait", &code]);
    done(&laptop, &["sync"]);
    // The group that only now turns up was seen by nobody.
    fails(&phone, &["pair", "--confirm"], &[], 3, "look whose it is");
    for device in [&laptop, &phone, &laptop] {
        done(device, &["sync"]);
    }
    assert_eq!([&laptop, &phone].map(keys), own, "no key went anywhere");
    let (first, status) = (done(&laptop, &["status"]), done(&phone, &["status"]));
    let question = &status["join"];
    let wanted =
        serde_json::json!([{ "id": first["id"], "name": "laptop", "fingerprint": first["fingerprint"] }]);
    assert_eq!((&question["by"], &question["members"]), (&first["id"], &wanted));
    assert_eq!((&question["goes_at"], &status["phase"]), (&Value::Null, &"alone".into()));
    assert!(question["since"].is_u64() && first["join"].is_null());
    fails(&phone, &["pair", "--no-wait", &code], &[], 3, "sma pair --confirm or sma pair --decline");
    (laptop, phone)
}

#[test]
fn a_device_with_keys_goes_over_to_another_group_when_a_person_confirms_it() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = two_with_keys_meet(&server);
    let mut all = [keys(&laptop), keys(&phone)].concat();
    all.sort_by_key(ToString::to_string);
    done(&phone, &["pair", "--confirm"]);
    sync_until_paired(&laptop, &phone);
    assert_eq!([keys(&laptop), keys(&phone)], [all.clone(), all.clone()]);
    fails(&phone, &["pair", "--confirm"], &[], 3, "nothing to confirm");

    // The key that mail does not carry is destroyed on one device and restored on the other.
    let current = done(&laptop, &["status"])["account_key"].clone();
    let older = all.iter().find(|key| **key != current).and_then(Value::as_str).expect("a key");
    done(&laptop, &["keys", "destroy", older]);
    done(&phone, &["sync"]);
    let status = done(&phone, &["status"]);
    assert_eq!((keys(&phone).len(), &status["restorable_keys"][0]["fingerprint"]), (1, &older.into()));
    done(&phone, &["keys", "restore", older]);
    done(&laptop, &["sync"]);
    assert_eq!([keys(&laptop), keys(&phone)], [all.clone(), all.clone()]);
    fails(&phone, &["keys", "restore", older], &[], 1, "no key of the account");
}

#[test]
fn a_device_with_keys_stays_where_it_is_when_a_person_declines() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = two_with_keys_meet(&server);
    let own = [&laptop, &phone].map(keys);
    assert_eq!(done(&phone, &["pair", "--decline"])["join"], Value::Null);
    for device in [&laptop, &phone, &laptop] {
        done(device, &["sync"]);
    }
    // The laptop goes on with a fresh key: the phone was sent the old one.
    let [mut lent, kept] = [&laptop, &phone].map(keys);
    let fresh = done(&laptop, &["status"])["account_key"].clone();
    lent.retain(|key| *key != fresh);
    assert_eq!([lent, kept], own);
    assert_eq!(
        [&laptop, &phone].map(|device| done(device, &["status"])["phase"].clone()),
        ["alone", "alone"]
    );
    fails(&phone, &["pair", "--decline"], &[], 3, "nothing to confirm");
}

#[test]
fn another_device_of_the_group_vetoes_that_it_goes_over() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = two_with_keys_meet(&server);
    let tablet = set_up(&server, "tablet");
    done(&tablet, &["sync"]);
    pair_by_link(&phone, &tablet);
    let own = [&laptop, &phone, &tablet].map(keys);
    let waits = done(&phone, &["pair", "--confirm"]);
    assert!(waits["join"]["goes_at"].is_u64(), "{waits}");
    let told = done(&tablet, &["sync"]);
    let merge = text(event(&told, "merge-announced").expect("the tablet hears of it"), "merge").to_owned();
    assert_eq!([&laptop, &phone, &tablet].map(keys), own, "nothing goes before the time for a veto is over");
    done(&tablet, &["pair", "--veto", &merge]);
    let told = done(&phone, &["sync"]);
    assert!(event(&told, "join-vetoed").is_some() && told["join"].is_null(), "{told}");
    assert_eq!([&phone, &tablet].map(keys), own[1..]);
    fails(&tablet, &["pair", "--veto", &merge], &[], 3, "nothing to confirm, to decline or to veto");
}
