//! Tokens (RFC 6749, section 6; RFC 7009), as Google gives them out and takes them back.

use std::sync::Arc;

use axum::extract::{Form, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::fault::unauthorized;
use super::world::DriveWorld;
use super::{CLIENT, Shared};

const HOUR: u64 = 3_600;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/token", post(token)).route("/revoke", post(revoke))
}

#[derive(Deserialize)]
struct Revocation {
    token: String,
}

async fn revoke(State(shared): State<Arc<Shared>>, Form(asked): Form<Revocation>) -> Response {
    let mut world = shared.world();
    let token = asked.token;
    let account = world.accounts.iter().find(|(_, account)| {
        let knows = account.refresh_token == token || account.access_tokens.contains_key(&token);
        knows && !account.revoked
    });
    let Some((&user, _)) = account else {
        let told =
            json!({ "error": "invalid_token", "error_description": "Token expired or revoked" });
        return (StatusCode::BAD_REQUEST, Json(told)).into_response();
    };
    world.revoke(user);
    Json(json!({})).into_response()
}

#[derive(Deserialize)]
struct Exchange {
    grant_type: String,
    client_id: String,
    client_secret: String,
    refresh_token: String,
}

async fn token(State(shared): State<Arc<Shared>>, Form(asked): Form<Exchange>) -> Response {
    let refuse = |status: StatusCode, error: &str, description: &str| {
        (status, Json(json!({ "error": error, "error_description": description }))).into_response()
    };
    if (asked.client_id.as_str(), asked.client_secret.as_str()) != CLIENT {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "The OAuth client was not found.",
        );
    }
    if asked.grant_type != "refresh_token" {
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Invalid grant_type.");
    }
    let mut world = shared.world();
    world.exchanges += 1;
    let (number, life) = (world.exchanges, world.token_life.unwrap_or(HOUR));
    let renews = world.renews;
    let account = world
        .accounts
        .iter_mut()
        .find(|(_, account)| account.refresh_token == asked.refresh_token && !account.revoked);
    let Some((user, account)) = account else {
        let told = "Token has been expired or revoked.";
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant", told);
    };
    let access = format!("ya29.access-{user}-{number}");
    account.access_tokens.insert(access.clone(), 0);
    let mut answer = json!({ "access_token": access, "expires_in": life, "token_type": "Bearer",
        "scope": "https://www.googleapis.com/auth/drive.readonly" });
    if renews {
        account.refresh_token = format!("1//renewed-{user}-{number}");
        answer["refresh_token"] = json!(account.refresh_token);
    }
    Json(answer).into_response()
}

/// The user whose token a request bears; without one it is turned away.
pub(super) struct Bearer(pub(super) i64);

impl FromRequestParts<Arc<Shared>> for Bearer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        user(&mut shared.world(), &parts.headers).map(Self).ok_or_else(unauthorized)
    }
}

fn user(world: &mut DriveWorld, headers: &HeaderMap) -> Option<i64> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let mut accounts = world.accounts.iter_mut();
    accounts.find_map(|(user, account)| {
        *account.access_tokens.get_mut(token)? += 1;
        Some(*user)
    })
}
