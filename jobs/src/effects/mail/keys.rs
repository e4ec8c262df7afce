//! Links that end a subscription, and addresses as they are kept of whom nothing else is.
//!
//! A token is `{key}.{subject}.{signature}`: the name of a key, the user's id and the list as
//! `{userId}/{list}`, and the HMAC-SHA256 (RFC 2104) of three lines joined by `\n`: `roadie-unsubscribe-v1`,
//! the key's name, and the subject before it is encoded. Subject and signature are base64url (RFC 4648,
//! section 5) without padding.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::letter;
use crate::effects::SigningKey;

const UNSUBSCRIBE: &str = "roadie-unsubscribe-v1";
const ADDRESS: &str = "roadie-address-v1";

/// Secrets of `mail.keys`: the first one makes, all verify.
#[derive(Clone, Debug)]
pub struct MailKeys(Vec<SigningKey>);

/// Why a token ends no subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It has another form.
    #[error("the token is not in the format key.subject.signature")]
    Form,
    /// Nobody here has that key.
    #[error("the token is signed with a key that is not among mail.keys")]
    UnknownKey,
    /// It was changed, or the secret is another one.
    #[error("the token's signature is wrong")]
    WrongSignature,
}

impl MailKeys {
    /// The first key makes what all verify.
    pub fn new(keys: Vec<SigningKey>) -> Self {
        Self(keys)
    }

    /// The token that ends a user's subscription to a list; none without a key.
    pub fn token(&self, user_id: i64, list: &str) -> Option<String> {
        let key = self.0.first()?;
        let subject = format!("{user_id}/{list}");
        let signature = unsubscribe(key, &subject).finalize().into_bytes();
        let encoded = [subject.as_bytes(), &signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        Some(format!("{}.{}.{}", key.name, encoded[0], encoded[1]))
    }

    /// Whose subscription to which list a token ends. Compares in constant time.
    ///
    /// # Errors
    /// Why it ends none.
    pub fn verify(&self, token: &str) -> Result<(i64, String), BadToken> {
        let parts: Vec<&str> = token.split('.').collect();
        let [name, subject, signature] = parts[..] else { return Err(BadToken::Form) };
        let decoded = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| BadToken::Form);
        let subject = String::from_utf8(decoded(subject)?).map_err(|_| BadToken::Form)?;
        let key = self.0.iter().find(|key| key.name == name).ok_or(BadToken::UnknownKey)?;
        let mac = unsubscribe(key, &subject);
        mac.verify_slice(&decoded(signature)?).map_err(|_| BadToken::WrongSignature)?;
        let (user, list) = subject.split_once('/').ok_or(BadToken::Form)?;
        Ok((user.parse().map_err(|_| BadToken::Form)?, list.to_owned()))
    }

    /// An address as each key hashes it, the one to write first: in lower case, its domain as mail servers know it.
    pub fn address_hashes(&self, address: &str) -> Vec<String> {
        let known = letter::address(address).map(|address| address.to_string());
        let address = known.unwrap_or_else(|_| address.trim().to_owned()).to_lowercase();
        let hash = |key: &SigningKey| {
            let mac = mac(key, &format!("{ADDRESS}\n{address}"));
            hex::encode(mac.finalize().into_bytes())
        };
        self.0.iter().map(hash).collect()
    }
}

fn unsubscribe(key: &SigningKey, subject: &str) -> Hmac<Sha256> {
    mac(key, &format!("{UNSUBSCRIBE}\n{}\n{subject}", key.name))
}

fn mac(key: &SigningKey, text: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key.secret.as_bytes());
    let mut mac = mac.expect("HMAC takes keys of any length (RFC 2104, section 2)");
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn keys(names: &[&str]) -> MailKeys {
        let key = |name: &&str| SigningKey {
            name: (*name).to_owned(),
            secret: if *name == "k1" { SECRET.to_owned() } else { format!("{name}{SECRET}") },
        };
        MailKeys::new(names.iter().map(key).collect())
    }

    /// Signature by `printf 'roadie-unsubscribe-v1\nk1\n7/milestones' | openssl dgst -sha256 -hmac SECRET
    /// -binary | basenc --base64url`, the hash of the address likewise; README.md has them.
    #[test]
    fn tokens_and_hashes_are_as_documented() {
        let token = keys(&["k1"]).token(7, "milestones").unwrap();
        assert_eq!(token, "k1.Ny9taWxlc3RvbmVz.ASY8n8MYg6lnuWjZR8uWnWKwup8boPSkqVMrekYofzs");
        assert_eq!(keys(&["k2", "k1"]).verify(&token), Ok((7, "milestones".to_owned())));
        let hashes = keys(&["k1", "k2"]).address_hashes(" Ann@Example.com ");
        assert_eq!(hashes.len(), 2);
        assert_eq!(hashes[0], "f34efad712abf8c19962149ccee491baccaf949e3b4c6228906df7a21c977fd0");
        let [one, other] = ["ann@Bücher.example", "ann@xn--bcher-kva.example"]
            .map(|address| keys(&["k1"]).address_hashes(address));
        assert_eq!(one, other);
    }

    #[test]
    fn nothing_of_a_token_can_be_changed() {
        let keys = keys(&["k1"]);
        let good = keys.token(7, "milestones").unwrap();
        let other = MailKeys::new(vec![SigningKey { name: "k1".into(), secret: "x".into() }]);
        assert_eq!(other.verify(&good), Err(BadToken::WrongSignature));
        let forged = good.replacen("Ny9t", "OC9t", 1);
        for (bad, why) in [
            (forged.as_str(), BadToken::WrongSignature),
            (&good.replacen("k1.", "k2.", 1), BadToken::UnknownKey),
            (&good[..=good.rfind('.').unwrap()], BadToken::WrongSignature),
            (&format!("{good}="), BadToken::Form),
            (&format!("{good}.x"), BadToken::Form),
            ("", BadToken::Form),
        ] {
            assert_eq!(keys.verify(bad), Err(why), "{bad}");
        }
        assert_eq!(MailKeys::new(Vec::new()).token(7, "x"), None);
    }
}
