//! Who may use the API.
//!
//! Who knows a token may. Without a token only this host may, which the listener's address sees to;
//! but a browser on this host does what foreign pages tell it. A page that reaches the API through a
//! name of its own (DNS rebinding) is known by the host that it asks for, any other one by what the
//! browser says of it. What is left, such as forms, cannot send JSON.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Api;
use super::problem::{Problem, What};
use crate::config::Secret;

/// What lets requests in.
#[derive(Debug)]
pub(super) struct Guard {
    /// Digests, so that all are equally long.
    tokens: Vec<[u8; 32]>,
}

impl Guard {
    pub(super) fn new(tokens: &[Secret]) -> Self {
        Self { tokens: tokens.iter().map(|token| digest(token.reveal())).collect() }
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        if self.tokens.is_empty() {
            return from_this_host(uri, headers);
        }
        match bearer(headers) {
            Some(token) if self.knows(token) => Ok(()),
            Some(_) => Err(Problem::new(What::Unauthorized, "the token is not one of http.tokens")),
            None => Err(Problem::new(
                What::Unauthorized,
                "a token is needed: `Authorization: Bearer TOKEN`, with one of http.tokens",
            )),
        }
    }

    /// Looks at all tokens, so that the time it takes says nothing of them.
    fn knows(&self, token: &str) -> bool {
        let token = digest(token);
        self.tokens.iter().fold(false, |known, own| known | bool::from(own.ct_eq(&token)))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn from_this_host(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let hosts = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    if let Some(host) = uri
        .authority()
        .map(Authority::as_str)
        .into_iter()
        .chain(hosts)
        .find(|host| !is_loopback(host))
    {
        let detail = format!(
            "without http.tokens the API answers only to localhost, 127.0.0.1 and [::1], not to `{host}`"
        );
        return Err(Problem::new(What::Forbidden, detail));
    }
    let said = |name| {
        headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or("?"))
    };
    let elsewhere =
        matches!(said("sec-fetch-site"), Some(site) if site != "none" && site != "same-origin");
    let origin = said(ORIGIN.as_str())
        .map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    let foreign = matches!(origin, Some(origin) if said(HOST.as_str()) != Some(origin));
    if elsewhere || foreign {
        let detail = "without http.tokens the API answers no web pages";
        return Err(Problem::new(What::Forbidden, detail));
    }
    Ok(())
}

/// Whether a host, with or without a port, is a name of this host that no DNS server can give away.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Turns away who may not.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    match api.guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, headers: &[(&'static str, &str)]) -> Option<What> {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap())
        });
        let checked = guard.check(&Uri::from_static("/api/v1"), &headers.collect());
        checked.err().map(|problem| problem.what)
    }

    #[test]
    fn one_of_the_tokens_is_needed() {
        let guard = Guard::new(&["old-token".to_owned().into(), "new-token".to_owned().into()]);
        for (said, wrong) in [
            ("Bearer old-token", None),
            ("bearer  new-token", None),
            ("Bearer new-toke", Some(What::Unauthorized)),
            ("Bearer new-token2", Some(What::Unauthorized)),
            ("Bearer ", Some(What::Unauthorized)),
            ("new-token", Some(What::Unauthorized)),
            ("Basic new-token", Some(What::Unauthorized)),
        ] {
            // Another host's name does no harm then.
            let headers = [("authorization", said), ("host", "roadie.example")];
            assert_eq!(status(&guard, &headers), wrong, "{said}");
        }
        assert_eq!(status(&guard, &[("host", "localhost")]), Some(What::Unauthorized));
    }

    #[test]
    fn without_tokens_browsers_are_kept_out() {
        let guard = Guard::new(&[]);
        let host = ("host", "127.0.0.1:9464");
        for headers in [
            &[][..],
            &[host],
            &[("host", "localhost")],
            &[("host", "[::1]:9464")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:9464")],
        ] {
            assert_eq!(status(&guard, headers), None, "{headers:?}");
        }
        for headers in [
            &[("host", "evil.example")][..],
            &[("host", "127.0.0.1.evil.example:9464")],
            &[("host", "localhost.evil.example")],
            &[("host", "192.168.1.5:9464")],
            &[("host", "")],
            &[host, ("host", "evil.example")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("origin", "http://localhost:3000")],
            &[host, ("origin", "https://evil.example")],
            &[host, ("origin", "null")],
        ] {
            assert_eq!(status(&guard, headers), Some(What::Forbidden), "{headers:?}");
        }
    }
}
