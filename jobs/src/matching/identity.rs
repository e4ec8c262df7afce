//! Sessions keep their name when later scans add photos, and tell whether anything about them changed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::instant::Moment;
use super::session::Session;
use super::shot::Shot;

/// How a session is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Stays while most of the photos stay together.
    pub(crate) id: String,
    /// The same as long as matching the session anew would ask the same question.
    pub(crate) inputs: String,
}

/// Names the sessions. `previous` is the session of each photo's key so far: a session goes on under the
/// name that most of its photos had, unless more photos of another one had it.
pub(crate) fn identities(
    sessions: &[Session],
    shots: &[Shot],
    moments: &[Option<Moment>],
    previous: &HashMap<String, String>,
) -> Vec<Identity> {
    let mut claims: Vec<(Reverse<usize>, &str, usize)> = Vec::new();
    for (index, session) in sessions.iter().enumerate() {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for (shot, _) in &session.members {
            if let Some(id) = previous.get(&shots[*shot].key) {
                *votes.entry(id).or_default() += 1;
            }
        }
        claims.extend(votes.into_iter().map(|(id, votes)| (Reverse(votes), id, index)));
    }
    claims.sort_unstable();
    let mut ids: Vec<Option<&str>> = vec![None; sessions.len()];
    let mut taken = HashSet::new();
    for (_, id, index) in claims {
        if ids[index].is_none() && taken.insert(id) {
            ids[index] = Some(id);
        }
    }
    let named = ids.into_iter().zip(sessions);
    named
        .map(|(id, session)| Identity {
            id: id.map_or_else(|| first_name(session, shots, &taken), ToOwned::to_owned),
            inputs: inputs(session, shots, moments),
        })
        .collect()
}

/// A new session is named by its first photo, by key: the same whoever finds it first.
fn first_name(session: &Session, shots: &[Shot], taken: &HashSet<&str>) -> String {
    let mut keys: Vec<&str> =
        session.members.iter().map(|(shot, _)| shots[*shot].key.as_str()).collect();
    keys.sort_unstable();
    let mut names = keys.into_iter().map(|key| short(Sha256::new().chain_update(key)));
    names.find(|name| !taken.contains(name.as_str())).unwrap_or_default()
}

fn inputs(session: &Session, shots: &[Shot], moments: &[Option<Moment>]) -> String {
    let mut told: Vec<String> = session
        .members
        .iter()
        .map(|(shot, placed)| {
            let (shot, moment) = (&shots[*shot], &moments[*shot]);
            format!("{}|{placed:?}|{:?}|{:?}|{moment:?}", shot.key, shot.place, shot.accuracy)
        })
        .collect();
    told.sort_unstable();
    let hash =
        told.iter().fold(Sha256::new(), |hash, line| hash.chain_update(line).chain_update("\n"));
    short(hash)
}

/// 64 bits are enough to tell one owner's sessions apart.
fn short(hash: Sha256) -> String {
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::super::session::Placed;
    use super::*;

    fn shots(keys: &str) -> Vec<Shot> {
        keys.chars().map(|key| Shot { key: key.to_string(), ..Shot::default() }).collect()
    }

    fn session(members: &[usize]) -> Session {
        Session { members: members.iter().map(|shot| (*shot, Placed::Own)).collect(), centre: None }
    }

    fn known(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(key, id)| ((*key).to_owned(), (*id).to_owned())).collect()
    }

    #[test]
    fn a_session_that_grows_keeps_its_name_and_tells_that_it_changed() {
        let shots = shots("abc");
        let moments = vec![None; 3];
        let first = identities(&[session(&[1, 2])], &shots, &moments, &HashMap::new());
        let again = identities(&[session(&[2, 1])], &shots, &moments, &HashMap::new());
        assert_eq!(first, again);
        let previous = known(&[("b", &first[0].id), ("c", &first[0].id)]);
        let grown = identities(&[session(&[0, 1, 2])], &shots, &moments, &previous);
        assert_eq!(grown[0].id, first[0].id);
        assert_ne!(grown[0].inputs, first[0].inputs);
    }

    #[test]
    fn of_a_session_that_falls_apart_the_larger_part_keeps_the_name() {
        let shots = shots("abc");
        let previous = known(&[("a", "old"), ("b", "old"), ("c", "old")]);
        let parts =
            identities(&[session(&[0]), session(&[1, 2])], &shots, &vec![None; 3], &previous);
        assert_eq!(parts[1].id, "old");
        assert_ne!(parts[0].id, "old");
    }

    #[test]
    fn two_sessions_that_become_one_have_one_name() {
        let shots = shots("abc");
        let previous = known(&[("a", "small"), ("b", "large"), ("c", "large")]);
        let one = identities(&[session(&[0, 1, 2])], &shots, &vec![None; 3], &previous);
        assert_eq!(one[0].id, "large");
    }
}
