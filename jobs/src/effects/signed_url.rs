//! Links to images that run out: what a CDN's edge checks before it serves one.
//!
//! A signed link is the plain one with three parameters, in this order:
//! `?expires=1767225600&key=k1&signature=96c0…14a4`. `expires` is in Unix seconds, `key` names the secret,
//! and `signature` is the HMAC-SHA256 (RFC 2104), in lower-case hexadecimal, with that secret over four
//! lines joined by `\n`: `roadie-url-v1`, the key's name, `expires`, and the link's path as it is in the
//! request (percent-encoded, with its first `/`, without host and parameters).

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

/// First line of what is signed; another format would have another one.
const FORMAT: &str = "roadie-url-v1";
/// RFC 3986, section 2.3, and the slashes between segments.
const IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret to sign with, and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name, which links show.
    pub name: String,
    /// Used as it is written, not decoded.
    pub secret: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Makes links to objects, plain and signed ones.
#[derive(Clone, Debug)]
pub struct ImageUrls {
    /// What stands before an object's key, with its last `/`; empty: links begin with the path.
    base: String,
    keys: Vec<SigningKey>,
}

/// Why a link does not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// It has not the three parameters, or others.
    #[error("the link is not signed, or not in the format {FORMAT}")]
    NotSigned,
    /// Nobody here has that key.
    #[error("the link is signed with a key that is not among images.signing_keys")]
    UnknownKey,
    /// Path, time or key were changed, or the secret is another one.
    #[error("the link's signature is wrong")]
    WrongSignature,
    /// It was right until then.
    #[error("the link ran out")]
    RanOut,
}

impl ImageUrls {
    /// `base` is where the bucket is served, e.g. `https://img.example.com`; the first key signs, all of
    /// them verify.
    pub fn new(base: &str, keys: Vec<SigningKey>) -> Self {
        Self { base: format!("{}/", base.trim_end_matches('/')), keys }
    }

    /// Whether there is a key to sign with.
    pub fn can_sign(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The link to an object.
    pub fn plain(&self, object: &str) -> String {
        format!("{}{}", self.base, utf8_percent_encode(object, IN_PATH))
    }

    /// The link to an object until `expires`, in Unix seconds; none without a key.
    pub fn signed(&self, object: &str, expires: i64) -> Option<String> {
        let key = self.keys.first()?;
        let plain = self.plain(object);
        let signature = mac(key, path(&plain), expires).finalize().into_bytes();
        let signature = hex::encode(signature);
        Some(format!("{plain}?expires={expires}&key={}&signature={signature}", key.name))
    }

    /// Whether a link lets in at `now`, in Unix seconds. Compares in constant time.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub fn verify(&self, link: &str, now: i64) -> Result<(), BadLink> {
        let (plain, parameters) = link.split_once('?').ok_or(BadLink::NotSigned)?;
        let parts: Vec<&str> = parameters.split('&').collect();
        let [expires, key, signature] = parts[..] else { return Err(BadLink::NotSigned) };
        let value = |part: &str, name: &str| {
            part.strip_prefix(name).map(str::to_owned).ok_or(BadLink::NotSigned)
        };
        let written = value(expires, "expires=")?;
        let expires: i64 = written.parse().map_err(|_| BadLink::NotSigned)?;
        let name = value(key, "key=")?;
        let signature = hex::decode(value(signature, "signature=")?);
        let signature = signature.map_err(|_| BadLink::NotSigned)?;
        let key = self.keys.iter().find(|key| key.name == name).ok_or(BadLink::UnknownKey)?;
        // What is signed is the number; `+1` and `01` would be other texts of the same.
        if expires.to_string() != written {
            return Err(BadLink::NotSigned);
        }
        let mac = mac(key, path(plain), expires);
        mac.verify_slice(&signature).map_err(|_| BadLink::WrongSignature)?;
        if now >= expires { Err(BadLink::RanOut) } else { Ok(()) }
    }
}

fn mac(key: &SigningKey, path: &str, expires: i64) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key.secret.as_bytes());
    let mut mac = mac.expect("HMAC takes keys of any length (RFC 2104, section 2)");
    mac.update(format!("{FORMAT}\n{}\n{expires}\n{path}", key.name).as_bytes());
    mac
}

/// What a request asks for: a link without scheme and host.
fn path(link: &str) -> &str {
    let Some((_, rest)) = link.split_once("://") else { return link };
    rest.find('/').map_or("/", |at| &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const OBJECT: &str = "variants/7/0b7e/400-ab.webp";

    fn key(name: &str, secret: &str) -> SigningKey {
        SigningKey { name: name.to_owned(), secret: secret.to_owned() }
    }

    fn urls(base: &str) -> ImageUrls {
        ImageUrls::new(base, vec![key("k1", SECRET)])
    }

    /// Signatures by `printf 'roadie-url-v1\nk1\n1767225600\n/PATH' | openssl dgst -sha256 -hmac SECRET`;
    /// README.md has the first one, for those who write an edge function.
    #[test]
    fn links_are_signed_as_documented() {
        for (base, object, link) in [
            (
                "",
                OBJECT,
                "/variants/7/0b7e/400-ab.webp?expires=1767225600&key=k1&signature=\
                 96c0576543a850a1a1e0c849c0cfe0f1af36e867cf85b427ad3ab4fb87e514a4",
            ),
            (
                "https://img.example.com/",
                OBJECT,
                "https://img.example.com/variants/7/0b7e/400-ab.webp?expires=1767225600&key=k1&signature=\
                 96c0576543a850a1a1e0c849c0cfe0f1af36e867cf85b427ad3ab4fb87e514a4",
            ),
            (
                "https://example.com/i",
                "a b/ü.jpg",
                "https://example.com/i/a%20b/%C3%BC.jpg?expires=1767225600&key=k1&signature=\
                 14c4751f6cecfe528c455416276801cd8366604700ba68382f0c168b3b8ed5b5",
            ),
        ] {
            let signed = urls(base).signed(object, 1_767_225_600).unwrap();
            assert_eq!(signed, link);
            assert_eq!(urls(base).verify(&signed, 1_767_225_599), Ok(()));
            // The edge may see only the path.
            assert_eq!(urls("").verify(path(&signed), 0), Ok(()));
        }
        assert_eq!(ImageUrls::new("", Vec::new()).signed(OBJECT, 1), None);
    }

    #[test]
    fn nothing_of_a_link_can_be_changed() {
        let urls = urls("");
        let good = urls.signed(OBJECT, 1_000).unwrap();
        for (from, to, why) in [
            ("400-ab", "800-ab", BadLink::WrongSignature),
            ("expires=1000", "expires=9999", BadLink::WrongSignature),
            ("expires=1000", "expires=+1000", BadLink::NotSigned),
            ("expires=1000", "expires=soon", BadLink::NotSigned),
            ("key=k1", "key=k2", BadLink::UnknownKey),
            ("key=k1", "key=k1&key=k1", BadLink::NotSigned),
            ("&key=k1", "", BadLink::NotSigned),
            ("?", "#", BadLink::NotSigned),
            ("signature=", "signature=00", BadLink::WrongSignature),
            ("signature=", "signature=zz", BadLink::NotSigned),
            ("signature=", "signature=a", BadLink::NotSigned),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert_eq!(urls.verify(&bad, 0), Err(why), "{bad}");
        }
        assert_eq!(urls.verify(&good, 999), Ok(()));
        assert_eq!(urls.verify(&good, 1_000), Err(BadLink::RanOut));
    }

    #[test]
    fn keys_can_be_changed_without_breaking_links() {
        let old = ImageUrls::new("", vec![key("k1", SECRET)]).signed(OBJECT, 1_000).unwrap();
        let rotated = ImageUrls::new("", vec![key("k2", "another"), key("k1", SECRET)]);
        assert_eq!(rotated.verify(&old, 0), Ok(()));
        assert!(rotated.signed(OBJECT, 1_000).unwrap().contains("&key=k2&"));
        let gone = ImageUrls::new("", vec![key("k2", "another")]);
        assert_eq!(gone.verify(&old, 0), Err(BadLink::UnknownKey));
        assert!(!format!("{gone:?}").contains("another"));
    }
}
