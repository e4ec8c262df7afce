//! setlist.fm, as far as it is asked.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{KEY, World};

const PER_PAGE: usize = 20;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/search/setlists", get(search))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    date: Option<String>,
    city_id: Option<String>,
    city_name: Option<String>,
    state_code: Option<String>,
    country_code: Option<String>,
    venue_id: Option<String>,
    #[serde(default = "first")]
    p: usize,
}

fn first() -> usize {
    1
}

async fn search(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(search): Query<Search>,
) -> Response {
    if headers.get("x-api-key").is_none_or(|key| key != KEY) {
        return (StatusCode::FORBIDDEN, Json(json!({ "message": "Forbidden" }))).into_response();
    }
    let is = |wanted: &Option<String>, value: &Value| {
        wanted.as_deref().is_none_or(|wanted| {
            value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        })
    };
    let found: Vec<&Value> = world
        .setlists
        .iter()
        .filter(|setlist| {
            let venue = &setlist["venue"];
            let city = &venue["city"];
            is(&search.date, &setlist["eventDate"])
                && is(&search.venue_id, &venue["id"])
                && is(&search.city_id, &city["id"])
                && is(&search.city_name, &city["name"])
                && is(&search.state_code, &city["stateCode"])
                && is(&search.country_code, &city["country"]["code"])
        })
        .collect();
    let page: Vec<&&Value> =
        found.iter().skip((search.p.max(1) - 1) * PER_PAGE).take(PER_PAGE).collect();
    if page.is_empty() {
        let nothing = json!({ "timestamp": 1_507_422_307_666_u64, "status": 404, "error": "Not Found",
            "message": "Not Found", "path": "/1.0/search/setlists" });
        return (StatusCode::NOT_FOUND, Json(nothing)).into_response();
    }
    Json(json!({ "type": "setlists", "itemsPerPage": PER_PAGE, "page": search.p, "total": found.len(),
        "setlist": page }))
    .into_response()
}
