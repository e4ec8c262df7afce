//! What web tiers cache of what jobs change.

use serde::Deserialize;

/// `[web_cache]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebCache {
    /// Keys, with `{userId}` or `{nightId}` in them.
    pub keys: Vec<String>,
    /// Where their names are published; empty: nowhere.
    pub channel: String,
}

impl WebCache {
    /// The keys of what has changed. One that names something else is none of them.
    pub(crate) fn keys_of(&self, changed: &[(&'static str, String)]) -> Vec<String> {
        let mut keys = Vec::new();
        for key in &self.keys {
            let mut made = vec![key.clone()];
            for name in NAMES {
                let braced = format!("{{{name}}}");
                if key.contains(&braced) {
                    let values = || changed.iter().filter(|(of, _)| *of == name);
                    let each = |key: String| {
                        values().map(move |(_, value)| key.replace(&format!("{{{name}}}"), value))
                    };
                    made = made.into_iter().flat_map(each).collect();
                }
            }
            keys.extend(made);
        }
        keys
    }

    /// What is wrong with it.
    pub(super) fn faults(&self) -> Vec<String> {
        let braces = |key: &str| key.chars().filter(|letter| matches!(letter, '{' | '}')).count();
        let known = |key: &str| {
            NAMES.iter().map(|name| key.matches(&format!("{{{name}}}")).count()).sum::<usize>()
        };
        let wrong = self.keys.iter().filter(|key| known(key) == 0 || braces(key) != 2 * known(key));
        wrong
            .map(|key| {
                format!("web_cache.keys: `{key}` must name {{userId}} or {{nightId}}, and nothing else in braces")
            })
            .collect()
    }
}

/// What keys may name.
const NAMES: [&str; 2] = ["userId", "nightId"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_what_has_changed() {
        let keys = ["concerts:user:{userId}", "concert:{nightId}", "seen:{userId}:{nightId}"];
        let cache = WebCache { keys: keys.map(str::to_owned).into(), channel: String::new() };
        assert!(cache.faults().is_empty());
        let user = ("userId", "7".to_owned());
        assert_eq!(cache.keys_of(std::slice::from_ref(&user)), ["concerts:user:7"]);
        let nights = ["a", "b"].map(|night| ("nightId", night.to_owned()));
        let all = [&[user][..], &nights].concat();
        assert_eq!(
            cache.keys_of(&all),
            ["concerts:user:7", "concert:a", "concert:b", "seen:7:a", "seen:7:b"]
        );
    }

    #[test]
    fn keys_that_name_nothing_known_are_faults() {
        for key in ["concerts", "concerts:{user}", "concerts:{userId", "{userId}:{venueId}"] {
            let cache = WebCache { keys: vec![key.to_owned()], channel: String::new() };
            assert_eq!(cache.faults().len(), 1, "{key}");
        }
    }
}
