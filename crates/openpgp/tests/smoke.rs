use sma_core::*;
use sma_openpgp::OpenPgp;
#[test]
fn smoke() {
    let now = Timestamp::from_secs(1_800_000_000);
    let k = OpenPgp.new_device_key(&[1; 32], now).unwrap();
    assert_eq!(OpenPgp.device_fingerprint(&k.certificate).unwrap(), k.fingerprint);
    let s = OpenPgp.sign(&k.secret, "l", b"m", &[2; 32], now).unwrap();
    OpenPgp.verify(&k.certificate, "l", b"m", &s).unwrap();
    let sealed = OpenPgp.seal(&k.certificate, b"plain", &[3; 32]).unwrap();
    assert_eq!(OpenPgp.open(&k.secret, &sealed).unwrap().expose(), b"plain");
    let a = OpenPgp.new_account_key("alice@example.org", &[4; 32], now).unwrap();
    let b = OpenPgp.read_account_key(&a.secret).unwrap();
    assert_eq!(a, b);
    println!(
        "{} {} {} {} {} {}",
        k.secret.expose().len(),
        k.certificate.len(),
        s.len(),
        sealed.len(),
        a.public.len(),
        a.secret.expose().len()
    );
}
