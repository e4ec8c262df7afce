//! Services of others: where they are, what they may be asked, and how long answers are kept.

use std::time::Duration;

use roadie_jobs::effects::{Target, web};
use serde::Deserialize;

use super::{Secret, load};

/// A day's questions: more would be no budget.
const MOST_A_DAY: u64 = 100_000_000;

/// `[services]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// How to reach whoever runs this, for the user agent.
    pub contact: String,
    /// Where setlist.fm is.
    pub setlist_fm: String,
    /// Its key; empty: nothing is matched.
    pub setlist_fm_key: Secret,
    /// Where Overpass is.
    pub overpass: String,
    /// Where Nominatim is.
    pub nominatim: String,
}

/// `[budgets]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// Failures in a row until a service is left alone.
    pub trip_after: u32,
    /// setlist.fm's.
    pub setlist_fm: Budget,
    /// Nominatim's.
    pub nominatim: Budget,
    /// Overpass'.
    pub overpass: Budget,
    /// Google Drive's.
    pub google_drive: Budget,
    /// Of the mail server.
    pub smtp: Budget,
}

/// `[budgets.<target>]`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Questions a second; 0: no limit.
    pub rate: f64,
    /// How many of them at once, after a pause.
    pub burst: u32,
    /// Questions under way; 0: no limit.
    pub concurrent: u32,
    /// Questions in any 24 hours; 0: no limit.
    pub per_day: u64,
    /// How many of those are only for jobs that somebody waits for.
    pub reserve: u64,
}

/// `[cache]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// How long answers of maps are kept.
    #[serde(with = "load::duration")]
    pub map: Duration,
    /// How long the shows of a date are kept.
    #[serde(with = "load::duration")]
    pub shows: Duration,
    /// The same while the date is recent.
    #[serde(with = "load::duration")]
    pub recent_shows: Duration,
    /// How long it is kept at most that there were none.
    #[serde(with = "load::duration")]
    pub no_shows: Duration,
    /// How long it is kept at least.
    #[serde(with = "load::duration")]
    pub recent_no_shows: Duration,
    /// How long a date is recent.
    #[serde(with = "load::duration")]
    pub recent: Duration,
    /// Bytes of one answer in Redis at most.
    #[serde(deserialize_with = "load::size")]
    pub max_entry: u64,
    /// Bytes of all answers in Redis at most.
    #[serde(deserialize_with = "load::size")]
    pub max_bytes: u64,
}

impl Services {
    /// As clients know them; none: without a key nothing can be asked.
    pub fn clients(&self) -> Option<web::Services> {
        (!self.setlist_fm_key.is_empty()).then(|| web::Services {
            setlist_fm: self.setlist_fm.clone(),
            setlist_fm_key: self.setlist_fm_key.reveal().to_owned(),
            overpass: self.overpass.clone(),
            nominatim: self.nominatim.clone(),
        })
    }

    /// Who asks, and how to reach them: the policies of OpenStreetMap's services want to know.
    pub fn user_agent(&self) -> String {
        let name = concat!("roadie/", env!("CARGO_PKG_VERSION"));
        if self.contact.is_empty() { name.to_owned() } else { format!("{name} ({})", self.contact) }
    }

    /// Everything that is wrong, in words.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let urls = [
            ("setlist_fm", &self.setlist_fm),
            ("overpass", &self.overpass),
            ("nominatim", &self.nominatim),
        ];
        for (key, url) in urls {
            if host(url).is_none() {
                faults.push(format!(
                    "services.{key}: `{url}` is not an address such as https://example.com/api"
                ));
            }
        }
        let sendable = |text: &str| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        for (key, text) in
            [("contact", self.contact.as_str()), ("setlist_fm_key", self.setlist_fm_key.reveal())]
        {
            if !sendable(text) {
                faults.push(format!("services.{key} holds what no header can"));
            }
        }
        let public = [&self.overpass, &self.nominatim];
        if !self.setlist_fm_key.is_empty()
            && self.contact.is_empty()
            && public.iter().any(|url| host(url).is_some_and(|host| !is_own(host)))
        {
            faults.push(
                "services.contact is empty, but the policies of OpenStreetMap's servers want to know who \
                 asks: set an e-mail address or a page that tells how to reach you, or name servers of \
                 your own in services.overpass and services.nominatim"
                    .to_owned(),
            );
        }
        faults
    }
}

/// The host of a web address.
pub(super) fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let rest = rest.split('/').next().filter(|_| !url.contains(['?', '#', ' ', '@']))?;
    let host = match rest.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => rest.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// A name without a dot, or an address that is not everybody's, is of this deployment.
fn is_own(host: &str) -> bool {
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(std::net::IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => !host.contains('.'),
    }
}

impl Budgets {
    /// What is configured for a target.
    pub fn of(&self, target: Target) -> Budget {
        match target {
            Target::SetlistFm => self.setlist_fm,
            Target::Nominatim => self.nominatim,
            Target::Overpass => self.overpass,
            Target::GoogleDrive => self.google_drive,
            Target::Smtp => self.smtp,
        }
    }

    /// Everything that is wrong, in words.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.trip_after == 0 {
            faults.push("budgets.trip_after must be at least 1".to_owned());
        }
        for target in Target::ALL {
            let name = target.label().replace(['.', '-'], "_");
            faults.extend(
                self.of(target).faults().into_iter().map(|fault| format!("budgets.{name}.{fault}")),
            );
        }
        faults
    }
}

impl Budget {
    /// What is wrong, each beginning with the key.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut need = |ok: bool, fault: &str| {
            if !ok {
                faults.push(fault.to_owned());
            }
        };
        need(
            self.rate == 0.0 || (0.001..=10_000.0).contains(&self.rate),
            "rate must be between 0.001 and 10000 questions a second, or 0 for no limit",
        );
        need((1..=10_000).contains(&self.burst), "burst must be between 1 and 10000");
        need(self.concurrent <= 10_000, "concurrent must be at most 10000, or 0 for no limit");
        need(self.per_day <= MOST_A_DAY, "per_day is more than any service allows; 0 is no limit");
        need(
            if self.per_day == 0 { self.reserve == 0 } else { self.reserve < self.per_day },
            "reserve must be less than per_day, of which it is a part",
        );
        faults
    }
}

impl Cache {
    /// The durations, by key.
    pub(super) fn durations(&self) -> [(&'static str, Duration); 6] {
        [
            ("cache.map", self.map),
            ("cache.shows", self.shows),
            ("cache.recent_shows", self.recent_shows),
            ("cache.no_shows", self.no_shows),
            ("cache.recent_no_shows", self.recent_no_shows),
            ("cache.recent", self.recent),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_ones_own_are_known() {
        for (url, own) in [
            ("http://127.0.0.1:8080/api", Some(true)),
            ("http://[::1]/", Some(true)),
            ("http://10.1.2.3/api", Some(true)),
            ("http://overpass:80/api", Some(true)),
            ("https://overpass-api.de/api", Some(false)),
            ("https://nominatim.openstreetmap.org", Some(false)),
            ("https://8.8.8.8", Some(false)),
            ("overpass-api.de", None),
            ("https://", None),
            ("https://me:secret@example.com", None),
            ("https://example.com/?key=x", None),
        ] {
            assert_eq!(host(url).map(is_own), own, "{url}");
        }
    }
}
