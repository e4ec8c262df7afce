//! Tokens of users as the catalogue keeps them: `enc:v1:{key}:{base64 of nonce, ciphertext and tag}`.
//!
//! AES-256-GCM with a random nonce of 96 bits (NIST SP 800-38D, 8.2.2: good for 2^32 tokens a key).
//! Whose token it is and which column holds it are authenticated with it, so that nobody can give
//! one user another one's. A web tier seals in the same form: `jobs/migrations/0006_accounts.sql` has
//! the lines.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::catalogue::Provider;

const FORM: &str = "enc:v1:";

/// What a sealed text is, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Whose it is.
    pub user_id: i64,
    /// At which provider.
    pub provider: Provider,
    /// The column of `provider_accounts`.
    pub name: &'static str,
}

impl Column {
    /// What is authenticated with the text: `7/drive/refresh_token`.
    fn associated(self) -> String {
        format!("{}/{}/{}", self.user_id, self.provider, self.name)
    }
}

/// A key, from `name:64 hexadecimal digits`.
pub struct TokenKey {
    name: String,
    key: LessSafeKey,
}

/// What is wrong with the text of a key; it holds no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is no colon.
    #[error("is not written as name:key")]
    Form,
    /// The name would not be readable in a sealed text.
    #[error("has a name that holds more than letters, digits, - and _")]
    Name,
    /// AES-256 takes 32 bytes.
    #[error("is not 64 hexadecimal digits; `openssl rand -hex 32` makes a good one")]
    Key,
}

impl TokenKey {
    /// What it is called in sealed texts.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::str::FromStr for TokenKey {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        let (name, key) = text.split_once(':').ok_or(KeyFault::Form)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(KeyFault::Name);
        }
        let key = Zeroizing::new(hex::decode(key).map_err(|_| KeyFault::Key)?);
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| KeyFault::Key)?;
        Ok(Self { name: name.to_owned(), key: LessSafeKey::new(key) })
    }
}

/// The keys of a deployment: the first one seals, all open.
pub struct TokenKeys {
    keys: Vec<TokenKey>,
    random: SystemRandom,
}

/// Why a text could not be sealed or opened. Holds no part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Nothing can be sealed or opened.
    #[error("there is no key for tokens: set tokens.keys")]
    NoKey,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    NoRandom,
    /// Another program wrote it.
    #[error("it is not in the form enc:v1:key:base64")]
    Form,
    /// Its key was taken away too early.
    #[error("it is sealed under the key `{0}`, which tokens.keys does not have")]
    UnknownKey(String),
    /// Somebody has changed it, or it is another user's, or of another column.
    #[error("it does not open under the key `{0}`: it was changed, or belongs to somebody else")]
    Forged(String),
}

impl TokenKeys {
    /// The first key seals.
    pub fn new(keys: Vec<TokenKey>) -> Self {
        Self { keys, random: SystemRandom::new() }
    }

    /// The name of the key that seals.
    pub fn sealing(&self) -> Option<&str> {
        self.keys.first().map(|key| key.name.as_str())
    }

    /// Seals a token under the first key.
    ///
    /// # Errors
    /// There is no key, or no random number.
    pub fn seal(&self, column: Column, token: &str) -> Result<String, SealError> {
        let TokenKey { name, key } = self.keys.first().ok_or(SealError::NoKey)?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let mut sealed = Zeroizing::new(token.as_bytes().to_vec());
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(column.associated()),
                &mut sealed,
            )
            .map_err(|_| SealError::Form)?;
        let bytes = [&nonce[..], &sealed[..], tag.as_ref()].concat();
        Ok(format!("{FORM}{name}:{}", STANDARD.encode(bytes)))
    }

    /// Opens a token, under whichever key it is sealed.
    ///
    /// # Errors
    /// It has another form, its key is not there, or it is not what was sealed for this column.
    pub fn open(&self, column: Column, sealed: &str) -> Result<Zeroizing<String>, SealError> {
        let (name, text) = parts(sealed).ok_or(SealError::Form)?;
        let key = self.keys.iter().find(|key| key.name == name);
        let key = key.ok_or_else(|| SealError::UnknownKey(name.to_owned()))?;
        let mut bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| SealError::Form)?);
        let (nonce, rest) = bytes.split_first_chunk_mut().ok_or(SealError::Form)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let forged = || SealError::Forged(name.to_owned());
        let plain = key.key.open_in_place(nonce, Aad::from(column.associated()), rest);
        let plain = plain.map_err(|_| forged())?;
        let token = std::str::from_utf8(plain).map_err(|_| forged())?;
        Ok(Zeroizing::new(token.to_owned()))
    }
}

/// The name of the key that a text is sealed under; none: it is in no form of ours.
pub fn key_of(sealed: &str) -> Option<&str> {
    parts(sealed).map(|(name, _)| name)
}

fn parts(sealed: &str) -> Option<(&str, &str)> {
    sealed.strip_prefix(FORM)?.split_once(':')
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.name)).finish()
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenKey").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFRESH: Column = Column { user_id: 7, provider: Provider::Drive, name: "refresh_token" };

    fn keys(names: &[&str]) -> TokenKeys {
        let key = |name: &&str| {
            let digits = if *name == "k1" { "00112233445566778899aabbccddeeff" } else { "0f" };
            format!("{name}:{}", digits.repeat(64 / digits.len())).parse().unwrap()
        };
        TokenKeys::new(names.iter().map(key).collect())
    }

    #[test]
    fn what_a_web_tier_has_sealed_is_opened() {
        // Made by Node 20's `crypto`, with the lines of the migration.
        let sealed = "enc:v1:k1:AAECAwQFBgcICQoLJzeaRCUvv9O6U0KTV/gXShhQyVOiF/fCE5AzFf+j2n2OyB0=";
        assert_eq!(*keys(&["k2", "k1"]).open(REFRESH, sealed).unwrap(), "1//refresh-of-seven");
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let old = keys(&["k1"]).seal(REFRESH, "secret").unwrap();
        let both = keys(&["k2", "k1"]);
        assert_eq!(*both.open(REFRESH, &old).unwrap(), "secret");
        let new = both.seal(REFRESH, "secret").unwrap();
        assert_eq!((key_of(&old), key_of(&new)), (Some("k1"), Some("k2")));
        assert_eq!(*keys(&["k2"]).open(REFRESH, &new).unwrap(), "secret");
        assert_ne!(both.seal(REFRESH, "secret").unwrap(), new, "the nonce is another one");
        let gone = keys(&["k2"]).open(REFRESH, &old).unwrap_err();
        assert_eq!(gone, SealError::UnknownKey("k1".to_owned()));
    }

    #[test]
    fn a_token_opens_only_where_it_belongs() {
        let keys = keys(&["k1"]);
        let sealed = keys.seal(REFRESH, "secret").unwrap();
        let access = Column { name: "access_token", ..REFRESH };
        let other = Column { user_id: 8, ..REFRESH };
        for column in [access, other, Column { provider: Provider::S3, ..REFRESH }] {
            let error = keys.open(column, &sealed).unwrap_err();
            assert_eq!(error, SealError::Forged("k1".to_owned()), "{column:?}");
        }
    }

    #[test]
    fn nothing_that_was_changed_opens_and_nothing_is_quoted() {
        let keys = keys(&["k1"]);
        let sealed = keys.seal(REFRESH, "secret").unwrap();
        let text = sealed.rsplit(':').next().unwrap();
        for at in (0..text.len() - 2).step_by(5) {
            let mut changed = text.to_owned();
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            changed.replace_range(at..=at, other);
            let error = keys.open(REFRESH, &format!("enc:v1:k1:{changed}")).unwrap_err();
            assert!(!error.to_string().contains(&changed), "{error}");
        }
        for broken in
            ["", "secret", "enc:v1:", "enc:v1:k1", "enc:v1:k1:", "enc:v1:k1:AAAA", "enc:v2:k1:AAAA"]
        {
            assert!(keys.open(REFRESH, broken).is_err(), "{broken}");
        }
        assert_eq!(TokenKeys::new(Vec::new()).seal(REFRESH, "x"), Err(SealError::NoKey));
        assert_eq!(format!("{keys:?}"), "[\"k1\"]");
    }

    #[test]
    fn keys_are_names_and_32_bytes() {
        let good = "0f".repeat(32);
        for (text, fault) in [
            (good.clone(), KeyFault::Form),
            (format!(":{good}"), KeyFault::Name),
            (format!("a b:{good}"), KeyFault::Name),
            ("k1:".to_owned(), KeyFault::Key),
            (format!("k1:{}", &good[2..]), KeyFault::Key),
            (format!("k1:{}zz", &good[2..]), KeyFault::Key),
        ] {
            assert_eq!(text.parse::<TokenKey>().unwrap_err(), fault, "{text}");
        }
    }
}
