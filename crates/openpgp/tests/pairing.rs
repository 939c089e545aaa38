//! The PAKE agrees exactly when it should.

mod common;

use common::{OPENPGP, secret};
use sma_core::{Crypto, Hash, PakeRun, Secret, SessionId, Side};

const SESSION: SessionId = SessionId([7; 16]);

fn run<'a>(side: Side, password: &'a Secret, seed: &'a [u8; 32]) -> PakeRun<'a> {
    PakeRun { side, password, session: SESSION, seed }
}

#[test]
fn a_pake_agrees_on_the_same_password_and_session_only() {
    let (right, wrong) = (secret("12345678"), secret("12345679"));
    let member = run(Side::Member, &right, &[1; 32]);
    let newcomer = run(Side::Newcomer, &right, &[2; 32]);
    let share = OPENPGP.pake_share(member);
    let shared = OPENPGP.pake_finish(member, &OPENPGP.pake_share(newcomer)).unwrap();
    assert_eq!(shared, OPENPGP.pake_finish(newcomer, &share).unwrap());

    let guess = PakeRun { password: &wrong, ..newcomer };
    assert_ne!(shared, OPENPGP.pake_finish(guess, &share).unwrap());
    assert_ne!(
        OPENPGP.pake_finish(member, &OPENPGP.pake_share(guess)).unwrap(),
        OPENPGP.pake_finish(guess, &share).unwrap()
    );
    let elsewhere = PakeRun { session: SessionId([8; 16]), ..newcomer };
    assert_ne!(shared, OPENPGP.pake_finish(elsewhere, &share).unwrap());
    let again = PakeRun { seed: &[3; 32], ..newcomer };
    assert_ne!(OPENPGP.pake_share(again), OPENPGP.pake_share(newcomer));
    assert_ne!(shared, OPENPGP.pake_finish(again, &share).unwrap());
}

#[test]
fn a_reflected_share_is_refused() {
    let password = secret("12345678");
    let member = run(Side::Member, &password, &[1; 32]);
    let mut share = OPENPGP.pake_share(member).to_vec();
    assert!(OPENPGP.pake_finish(member, &share).is_err());
    share[0] = b'B';
    assert!(OPENPGP.pake_finish(member, &share).is_err(), "under the other side's name");
}

#[test]
fn a_share_of_the_wrong_side_or_size_is_refused() {
    let password = secret("12345678");
    let member = run(Side::Member, &password, &[1; 32]);
    let other = OPENPGP.pake_share(run(Side::Member, &password, &[2; 32]));
    assert!(OPENPGP.pake_finish(member, &other).is_err(), "two members");
    let share = OPENPGP.pake_share(run(Side::Newcomer, &password, &[2; 32]));
    assert!(OPENPGP.pake_finish(member, &share).is_ok());
    for end in 0..share.len() {
        assert!(OPENPGP.pake_finish(member, &share[..end]).is_err());
    }
    assert!(OPENPGP.pake_finish(member, &[&share[..], &[0]].concat()).is_err());
    for side in (0..=255).filter(|side| *side != b'B') {
        let mut share = share.to_vec();
        share[0] = side;
        assert!(OPENPGP.pake_finish(member, &share).is_err(), "side {side}");
    }
}

#[test]
fn weak_points_are_refused() {
    let password = secret("12345678");
    let member = run(Side::Member, &password, &[1; 32]);
    let identity = {
        let mut octets = [0; 32];
        octets[0] = 1;
        octets
    };
    // The same point with the sign of x = 0 set, and with y above the prime.
    let mut negative = identity;
    negative[31] = 0x80;
    let mut large = [0xff; 32];
    (large[0], large[31]) = (0xee, 0x7f);
    let mut points = vec![identity, negative, large];
    points.extend(curve25519_dalek::constants::EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()));
    // A good point moved by one of order eight.
    let share = OPENPGP.pake_share(run(Side::Newcomer, &password, &[2; 32]));
    let good = curve25519_dalek::edwards::CompressedEdwardsY(share[1..].try_into().unwrap());
    let moved = good.decompress().unwrap() + curve25519_dalek::constants::EIGHT_TORSION[1];
    points.push(moved.compress().to_bytes());
    for point in points {
        assert!(OPENPGP.pake_finish(member, &[b"B", &point[..]].concat()).is_err(), "{point:?}");
    }
    assert!(OPENPGP.pake_finish(member, &share).is_ok());
}

#[test]
fn the_session_keys_differ_from_one_another_and_between_transcripts() {
    let shared = secret([5; 32]);
    let one = OPENPGP.session_keys(&shared, &Hash([1; 32]));
    let two = OPENPGP.session_keys(&shared, &Hash([2; 32]));
    let other = OPENPGP.session_keys(&secret([6; 32]), &Hash([1; 32]));
    let mut all = Vec::new();
    for keys in [&one, &two, &other] {
        all.extend([&keys.newcomer, &keys.member, &keys.bundle].map(|key| key.expose().to_vec()));
    }
    assert!(all.iter().all(|key| key.len() == 32));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 9);
    assert_eq!(one, OPENPGP.session_keys(&shared, &Hash([1; 32])));
}

#[test]
fn a_mac_is_hmac_sha256() {
    // RFC 4231, test case 2.
    let mac = OPENPGP.mac(&secret("Jefe"), b"what do ya want for nothing?");
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(Hash(mac).to_string(), expected);
}
