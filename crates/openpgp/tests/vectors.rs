//! The same arguments give the same octets, in every process, for ever.

mod common;

use common::{NOW, OPENPGP, device, secret};
use sha2::{Digest, Sha256};
use sma_core::{Crypto, Hash, PakeRun, SessionId, Side};
use sma_openpgp::keys;

#[track_caller]
fn pinned(octets: impl AsRef<[u8]>, hash: &str) {
    let found: [u8; 32] = Sha256::digest(octets).into();
    assert_eq!(Hash(found).to_string(), hash);
}

#[test]
fn a_hash_is_pinned() {
    let hash = OPENPGP.hash("label", &[b"one", b"", b"two"]);
    let lengths = [
        &[0, 0, 0, 0, 0, 0, 0, 5][..],
        b"label",
        &[0, 0, 0, 0, 0, 0, 0, 3],
        b"one",
        &[0; 8],
        &[0, 0, 0, 0, 0, 0, 0, 3],
        b"two",
    ];
    pinned(lengths.concat(), &hash.to_string());
    assert_ne!(hash, OPENPGP.hash("label", &[b"one", b"two"]));
    assert_ne!(hash, OPENPGP.hash("labelone", &[b"", b"", b"two"]));
}

#[test]
fn a_device_key_is_pinned() {
    let key = device(1);
    assert_eq!(key, device(1));
    assert_ne!(key, device(2));
    pinned(key.secret.expose(), "ff92b6b80f9d956414dfcd58140fb156f2735bfef156fbcc61fa0b28a956461e");
    pinned(&key.certificate, "b57bbf799567dd77256a455a907745bb898a6866412783ce30bbbf2743ac1407");
}

#[test]
fn a_signature_is_pinned() {
    let key = device(1);
    pinned(
        OPENPGP.sign(&key.secret, "label", b"message", &[2; 32], NOW).unwrap(),
        "d1197da45b25a58ae709b0b94fbe324e7e43d4f430d5b42c1b8c2bcb9cd3ad47",
    );
}

#[test]
fn a_sealed_message_is_pinned() {
    pinned(
        OPENPGP.seal(&device(1).certificate, b"plain", &[3; 32]).unwrap(),
        "58443ef8fbb29d7006885a773f573434871b06cf469ae54892fa5e3dbd6e1fc4",
    );
}

#[test]
fn an_account_key_is_pinned() {
    let key = OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    pinned(key.secret.expose(), "2bc51e01a3dea1f0c5bc027e5acd5751a591dbeda81b2edadcdca439c8fe35f1");
    pinned(&key.public, "daafef9b968ef735ec0144650691360f78dc123b3d63529444c1bb2e6e2bdd60");
    let exported = keys::export_protected(&key.secret, &secret("password"), &[5; 32]).unwrap();
    pinned(exported.as_bytes(), "4d26af55a475329efb588087c6a48f96859b4925bdaadd8c15d99cfc894c5bee");
}

#[test]
fn a_pairing_is_pinned() {
    let password = secret("12345678");
    let run = |side, seed| PakeRun { side, password: &password, session: SessionId([7; 16]), seed };
    let (member, newcomer) = (run(Side::Member, &[6; 32]), run(Side::Newcomer, &[8; 32]));
    pinned(OPENPGP.pake_share(member), "d845a9440ab51a71f460786a17e95c75be0c817c43dc257ec49c2835a9bd9d42");
    pinned(OPENPGP.pake_share(newcomer), "e9037dd86d14a2fde53b8a4c622d09fe1e0548c4ebfd0eab27fe821945f70004");
    let shared = OPENPGP.pake_finish(member, &OPENPGP.pake_share(newcomer)).unwrap();
    let keys = OPENPGP.session_keys(&shared, &Hash([9; 32]));
    let together = [keys.newcomer.expose(), keys.member.expose(), keys.bundle.expose()].concat();
    pinned(together, "c3bf1883d1daab75bd57230f54ed6a8d4fd287e1be5224ed2f68ff535196b1d5");
    pinned(
        OPENPGP.mac(&keys.member, b"message"),
        "7319ec4ab214692212625eeed37ff8b525e5aca29f3831b271f107bb705a097a",
    );
    pinned(
        OPENPGP.seal_bundle(&keys.bundle, b"plain", &[10; 32]),
        "d0defc8b3e695d5b6d5bab6b6aab3edd9ddd56de404c76dcef6dac36d09aaef5",
    );
}
