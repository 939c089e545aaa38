//! The PAKE agrees exactly when it should.

mod common;

use common::secret;
use sma_core::{Crypto, Hash, PakeRun, Secret, SessionId, Side};
use sma_openpgp::OpenPgp;

const SESSION: SessionId = SessionId([7; 16]);

fn run<'a>(side: Side, password: &'a Secret, seed: &'a [u8; 32]) -> PakeRun<'a> {
    PakeRun { side, password, session: SESSION, seed }
}

#[test]
fn a_pake_agrees_on_the_same_password_and_session_only() {
    let (right, wrong) = (secret("12345678"), secret("12345679"));
    let member = run(Side::Member, &right, &[1; 32]);
    let newcomer = run(Side::Newcomer, &right, &[2; 32]);
    let share = OpenPgp.pake_share(member);
    let shared = OpenPgp.pake_finish(member, &OpenPgp.pake_share(newcomer)).unwrap();
    assert_eq!(shared, OpenPgp.pake_finish(newcomer, &share).unwrap());

    let guess = PakeRun { password: &wrong, ..newcomer };
    assert_ne!(shared, OpenPgp.pake_finish(guess, &share).unwrap());
    assert_ne!(
        OpenPgp.pake_finish(member, &OpenPgp.pake_share(guess)).unwrap(),
        OpenPgp.pake_finish(guess, &share).unwrap()
    );
    let elsewhere = PakeRun { session: SessionId([8; 16]), ..newcomer };
    assert_ne!(shared, OpenPgp.pake_finish(elsewhere, &share).unwrap());
    let again = PakeRun { seed: &[3; 32], ..newcomer };
    assert_ne!(OpenPgp.pake_share(again), OpenPgp.pake_share(newcomer));
    assert_ne!(shared, OpenPgp.pake_finish(again, &share).unwrap());
}

#[test]
fn a_reflected_share_is_refused() {
    let password = secret("12345678");
    let member = run(Side::Member, &password, &[1; 32]);
    let mut share = OpenPgp.pake_share(member).to_vec();
    assert!(OpenPgp.pake_finish(member, &share).is_err());
    share[0] = b'B';
    assert!(OpenPgp.pake_finish(member, &share).is_err(), "under the other side's name");
}

#[test]
fn a_share_of_the_wrong_side_or_size_is_refused() {
    let password = secret("12345678");
    let member = run(Side::Member, &password, &[1; 32]);
    let other = OpenPgp.pake_share(run(Side::Member, &password, &[2; 32]));
    assert!(OpenPgp.pake_finish(member, &other).is_err(), "two members");
    let share = OpenPgp.pake_share(run(Side::Newcomer, &password, &[2; 32]));
    assert!(OpenPgp.pake_finish(member, &share).is_ok());
    for end in 0..share.len() {
        assert!(OpenPgp.pake_finish(member, &share[..end]).is_err());
    }
    assert!(OpenPgp.pake_finish(member, &[&share[..], &[0]].concat()).is_err());
    for side in (0..=255).filter(|side| *side != b'B') {
        let mut share = share.to_vec();
        share[0] = side;
        assert!(OpenPgp.pake_finish(member, &share).is_err(), "side {side}");
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
    let share = OpenPgp.pake_share(run(Side::Newcomer, &password, &[2; 32]));
    let good = curve25519_dalek::edwards::CompressedEdwardsY(share[1..].try_into().unwrap());
    let moved = good.decompress().unwrap() + curve25519_dalek::constants::EIGHT_TORSION[1];
    points.push(moved.compress().to_bytes());
    for point in points {
        assert!(OpenPgp.pake_finish(member, &[b"B", &point[..]].concat()).is_err(), "{point:?}");
    }
    assert!(OpenPgp.pake_finish(member, &share).is_ok());
}

#[test]
fn the_session_keys_differ_from_one_another_and_between_transcripts() {
    let shared = secret([5; 32]);
    let one = OpenPgp.session_keys(&shared, &Hash([1; 32]));
    let two = OpenPgp.session_keys(&shared, &Hash([2; 32]));
    let other = OpenPgp.session_keys(&secret([6; 32]), &Hash([1; 32]));
    let mut all = Vec::new();
    for keys in [&one, &two, &other] {
        all.extend([&keys.newcomer, &keys.member, &keys.bundle].map(|key| key.expose().to_vec()));
    }
    assert!(all.iter().all(|key| key.len() == 32));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 9);
    assert_eq!(one, OpenPgp.session_keys(&shared, &Hash([1; 32])));
}

#[test]
fn a_mac_is_hmac_sha256() {
    // RFC 4231, test case 2.
    let mac = OpenPgp.mac(&secret("Jefe"), b"what do ya want for nothing?");
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(Hash(mac).to_string(), expected);
}
