//! The right to be forgotten.
//!
//! - `delete_user`: the kind that erases a user, step by step;
//! - here: whose a job is.

mod delete_user;

use serde::Deserialize;
use serde_json::Value;

use crate::job::Job as _;

pub(crate) use delete_user::DeleteUser;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whose {
    user_id: Value,
}

/// The user whom a payload names in its field `userId`, as a number or in digits.
pub fn user_of(payload: &str) -> Option<i64> {
    // Most of what is no job of a user is told without parsing it.
    if !payload.contains("userId") {
        return None;
    }
    let Whose { user_id } = serde_json::from_str(payload).ok()?;
    user_id.as_i64().or_else(|| user_id.as_str()?.trim().parse().ok())
}

/// Whether a payload names this user.
pub fn is_of(payload: &str, user_id: i64) -> bool {
    user_of(payload) == Some(user_id)
}

/// The user whose erasure takes a job along. None: it is nobody's, or one that erases, which is not
/// to fail unseen.
pub(crate) fn erased_with(kind: &str, payload: &str) -> Option<i64> {
    user_of(payload).filter(|_| kind != DeleteUser::KIND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_of_the_user_whom_its_payload_names() {
        for (payload, user) in [
            (r#"{"userId":7,"folderId":"a"}"#, Some(7)),
            (r#"{ "folderId" : "a", "userId" : -7 }"#, Some(-7)),
            (r#"{"userId":"7"}"#, Some(7)),
            (r#"{"userId":9223372036854775807}"#, Some(i64::MAX)),
            (r#"{"userId":"ann"}"#, None),
            (r#"{"userId":7.5}"#, None),
            (r#"{"userId":null}"#, None),
            (r#"{"owner":{"userId":7}}"#, None),
            (r#"{"note":"userId 7"}"#, None),
            (r#"[{"userId":7}]"#, None),
            ("userId", None),
            ("", None),
        ] {
            assert_eq!(user_of(payload), user, "{payload}");
        }
    }
}
