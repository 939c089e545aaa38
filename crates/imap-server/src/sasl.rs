//! SASL exchanges (RFC 4422), one response of the client at a time. What is random comes in as an argument, and none of this waits.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Config, Mechanism};

/// RFC 7677 section 4 wants at least so many; the time they take is the client's as well.
const ITERATIONS: u32 = 4096;
/// Longer names and nonces are refused, in octets.
const FIELD_BYTES_MAX: usize = 1024;

/// An exchange that is under way.
pub(crate) enum Exchange {
    /// The response is awaited that begins it.
    Begun(Mechanism),
    /// A token was refused and the client has to acknowledge why (RFC 7628 section 3.2.3).
    TokenRefused,
    /// The client's proof is awaited.
    Scram(Scram),
    /// The server's proof was sent and is acknowledged.
    Proven(String),
}

/// What SCRAM goes by (RFC 5802 section 3).
pub(crate) struct Scram {
    user: String,
    binding: String,
    nonce: String,
    salted: [u8; 32],
    /// client-first-message-bare and server-first-message.
    messages: String,
    known: bool,
}

/// What a response leads to.
pub(crate) enum Step {
    Continue(Vec<u8>, Exchange),
    /// The client is this user.
    Done(String),
    Refused,
    Unauthorized,
    Malformed,
}

impl Exchange {
    pub(crate) fn new(mechanism: Mechanism) -> Self {
        Self::Begun(mechanism)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

/// Whether this is the user's password, in a time that says nothing of it.
pub(crate) fn is_password(user: &str, password: &[u8], config: &Config) -> bool {
    config.password(user).is_some_and(|right| right.ct_eq(password).into())
}

/// Takes a response.
pub(crate) fn step(exchange: Exchange, response: &[u8], config: &Config, rng: &mut ChaCha8Rng) -> Step {
    match exchange {
        Exchange::Begun(Mechanism::Plain) => plain(response, config),
        Exchange::Begun(Mechanism::XOAuth2) => bearer(token_of_xoauth2(response), config),
        Exchange::Begun(Mechanism::OAuthBearer) => bearer(token_of_oauthbearer(response), config),
        Exchange::Begun(Mechanism::ScramSha256) => {
            scram_first(response, config, rng).unwrap_or(Step::Malformed)
        }
        Exchange::TokenRefused => Step::Refused,
        Exchange::Scram(scram) => scram_final(scram, response).unwrap_or(Step::Malformed),
        Exchange::Proven(user) if response.is_empty() => Step::Done(user),
        Exchange::Proven(_) => Step::Malformed,
    }
}

fn plain(response: &[u8], config: &Config) -> Step {
    let fields: Vec<&[u8]> = response.split(|octet| *octet == 0).collect();
    let [of, user, password] = fields[..] else { return Step::Malformed };
    let user_name = String::from_utf8_lossy(user).into_owned();
    if !of.is_empty() && of != user {
        return Step::Unauthorized;
    }
    if is_password(&user_name, password, config) { Step::Done(user_name) } else { Step::Refused }
}

/// `user=…^Aauth=Bearer …^A^A`
fn token_of_xoauth2(response: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(response).ok()?;
    let mut fields = text.split('\u{1}');
    let user = fields.next()?.strip_prefix("user=")?;
    let token = fields.next()?.strip_prefix("auth=Bearer ")?;
    Some((user.to_owned(), token.to_owned()))
}

/// `n,a=…,^Ahost=…^Aport=…^Aauth=Bearer …^A^A`
fn token_of_oauthbearer(response: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(response).ok()?;
    let (header, rest) = text.split_once('\u{1}')?;
    let user = header.strip_prefix("n,a=").or_else(|| header.strip_prefix("y,a="))?.strip_suffix(',')?;
    let token = rest.split('\u{1}').find_map(|field| field.strip_prefix("auth=Bearer "))?;
    Some((unescaped(user)?, token.to_owned()))
}

fn bearer(said: Option<(String, String)>, config: &Config) -> Step {
    let Some((user, token)) = said else { return Step::Malformed };
    let right = config.token(&user).is_some_and(|right| right.ct_eq(token.as_bytes()).into());
    if right {
        return Step::Done(user);
    }
    Step::Continue(b"{\"status\":\"invalid_token\"}".to_vec(), Exchange::TokenRefused)
}

/// client-first-message: `n,,n=user,r=nonce`
fn scram_first(response: &[u8], config: &Config, rng: &mut ChaCha8Rng) -> Option<Step> {
    let text = std::str::from_utf8(response).ok()?;
    let mut parts = text.splitn(3, ',');
    // No channel binding: there is no TLS to bind to.
    let binding = parts.next().filter(|binding| matches!(*binding, "n" | "y"))?;
    let of = parts.next()?;
    let bare = parts.next()?;
    let mut fields = bare.split(',');
    let user = unescaped(fields.next()?.strip_prefix("n=")?)?;
    let nonce = fields.next()?.strip_prefix("r=")?;
    if nonce.is_empty() || nonce.len() > FIELD_BYTES_MAX || user.len() > FIELD_BYTES_MAX {
        return None;
    }
    if !of.is_empty() && of.strip_prefix("a=").and_then(unescaped)? != user {
        return Some(Step::Unauthorized);
    }
    let (mut drawn, mut salt) = ([0; 18], [0; 16]);
    rng.fill_bytes(&mut drawn);
    rng.fill_bytes(&mut salt);
    let nonce = format!("{nonce}{}", STANDARD.encode(drawn));
    let first = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(salt));
    // Who is not known is told so only after the proof.
    let password = config.password(&user);
    let salted = salted(password.unwrap_or_default(), &salt)?;
    let scram = Scram {
        known: password.is_some(),
        user,
        binding: STANDARD.encode(format!("{binding},{of},")),
        nonce,
        salted,
        messages: format!("{bare},{first}"),
    };
    Some(Step::Continue(first.into_bytes(), Exchange::Scram(scram)))
}

/// client-final-message: `c=biws,r=nonce,p=proof`
fn scram_final(scram: Scram, response: &[u8]) -> Option<Step> {
    let text = std::str::from_utf8(response).ok()?;
    let (unproven, proof) = text.rsplit_once(",p=")?;
    let mut fields = unproven.split(',');
    let binding = fields.next()?.strip_prefix("c=")?;
    let nonce = fields.next()?.strip_prefix("r=")?;
    let proof: [u8; 32] = STANDARD.decode(proof).ok()?.try_into().ok()?;
    if binding != scram.binding || nonce != scram.nonce {
        return Some(Step::Refused);
    }
    let message = format!("{},{unproven}", scram.messages);
    let client_key = mac(&scram.salted, b"Client Key")?;
    let stored: [u8; 32] = Sha256::digest(client_key).into();
    let signature = mac(&stored, message.as_bytes())?;
    let mut shown = [0; 32];
    shown.iter_mut().zip(proof.iter().zip(signature)).for_each(|(octet, (one, other))| *octet = one ^ other);
    let right = bool::from(shown.ct_eq(&client_key));
    if !right || !scram.known {
        return Some(Step::Refused);
    }
    let server_key = mac(&scram.salted, b"Server Key")?;
    let proof = format!("v={}", STANDARD.encode(mac(&server_key, message.as_bytes())?));
    Some(Step::Continue(proof.into_bytes(), Exchange::Proven(scram.user)))
}

/// `Hi` of RFC 5802 section 2.2, which is PBKDF2 with one block.
fn salted(password: &[u8], salt: &[u8]) -> Option<[u8; 32]> {
    let mut last = mac(password, &[salt, &[0, 0, 0, 1]].concat())?;
    let mut salted = last;
    for _ in 1..ITERATIONS {
        last = mac(password, &last)?;
        salted.iter_mut().zip(last).for_each(|(octet, other)| *octet ^= other);
    }
    Some(salted)
}

fn mac(key: &[u8], message: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(message);
    Some(mac.finalize().into_bytes().into())
}

/// A name with `=2C` for a comma and `=3D` for an equals sign (RFC 5802 section 5.1).
fn unescaped(name: &str) -> Option<String> {
    let plain = name.replace("=2C", ",").replace("=3D", "\u{0}");
    (!plain.contains('=')).then(|| plain.replace('\u{0}', "="))
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng;

    use super::*;

    fn config() -> Config {
        Config::new("anna", "pencil").with_token("anna", "token")
    }

    fn continued(step: Step) -> (String, Exchange) {
        match step {
            Step::Continue(challenge, exchange) => (String::from_utf8(challenge).unwrap(), exchange),
            Step::Done(_) | Step::Refused | Step::Unauthorized | Step::Malformed => panic!("not continued"),
        }
    }

    /// The example of RFC 7677 section 3: salted password, messages and proofs.
    #[test]
    fn scram_gives_the_proofs_of_rfc_7677() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let scram = Scram {
            user: "user".to_owned(),
            known: true,
            binding: "biws".to_owned(),
            nonce: nonce.to_owned(),
            salted: salted(b"pencil", &salt).unwrap(),
            messages: format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        };
        let response = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let (proof, exchange) = continued(scram_final(scram, response.as_bytes()).unwrap());
        assert_eq!(proof, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(matches!(exchange, Exchange::Proven(user) if user == "user"));
    }

    #[test]
    fn scram_with_a_wrong_proof_is_refused_and_so_is_who_is_not_known() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for user in ["anna", "nobody"] {
            let first = format!("n,,n={user},r=abc");
            let begun = Exchange::new(Mechanism::ScramSha256);
            let (challenge, exchange) = continued(step(begun, first.as_bytes(), &config(), &mut rng));
            let nonce = challenge.split(',').next().unwrap();
            let last = format!("c=biws,{nonce},p={}", STANDARD.encode([7; 32]));
            assert!(matches!(step(exchange, last.as_bytes(), &config(), &mut rng), Step::Refused));
        }
    }

    #[test]
    fn a_wrong_token_is_explained_and_refused_and_a_right_one_is_enough() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (mechanism, head) in [(Mechanism::XOAuth2, "user=anna"), (Mechanism::OAuthBearer, "n,a=anna,")] {
            let said = |token: &str| format!("{head}\u{1}auth=Bearer {token}\u{1}\u{1}");
            let begun = || Exchange::new(mechanism);
            let right = step(begun(), said("token").as_bytes(), &config(), &mut rng);
            assert!(matches!(right, Step::Done(user) if user == "anna"));
            let (why, exchange) = continued(step(begun(), said("other").as_bytes(), &config(), &mut rng));
            assert!(why.contains("invalid_token"));
            assert!(matches!(step(exchange, b"", &config(), &mut rng), Step::Refused));
            assert!(matches!(step(begun(), b"nonsense", &config(), &mut rng), Step::Malformed));
        }
    }

    #[test]
    fn plain_lets_nobody_act_for_somebody_else() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut said = |response: &[u8]| step(Exchange::new(Mechanism::Plain), response, &config(), &mut rng);
        assert!(matches!(said(b"\0anna\0pencil"), Step::Done(_)));
        assert!(matches!(said(b"anna\0anna\0pencil"), Step::Done(_)));
        assert!(matches!(said(b"bert\0anna\0pencil"), Step::Unauthorized));
        assert!(matches!(said(b"\0anna\0wrong"), Step::Refused));
        assert!(matches!(said(b"anna"), Step::Malformed));
    }
}
