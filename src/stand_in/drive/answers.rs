//! The API: `files.list`, `files.get`, media, `changes.list`, `changes.getStartPageToken`, `drives.list`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::fault::{bad_page_token, error, forbidden, not_found};
use super::oauth::Bearer;
use super::world::{DriveWorld, Home, Stored};
use super::{Shared, THUMBNAILS, query};

type Parameters = Query<HashMap<String, String>>;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/drive/v3/files", get(files))
        .route("/drive/v3/files/{id}", get(file))
        .route("/drive/v3/changes", get(changes))
        .route("/drive/v3/changes/startPageToken", get(start_token))
        .route("/drive/v3/drives", get(drives))
        .route(&format!("{THUMBNAILS}{{name}}"), get(thumbnail))
}

fn page_size(parameters: &HashMap<String, String>) -> usize {
    let size = parameters.get("pageSize").and_then(|size| size.parse().ok()).unwrap_or(100);
    size.clamp(1, 1_000)
}

/// Pages are in the order of ids; a token names the last file, and for whom and what it was given.
async fn files(
    State(shared): State<Arc<Shared>>,
    Bearer(user): Bearer,
    Query(parameters): Parameters,
) -> Response {
    let world = shared.world();
    let q = parameters.get("q").map_or("", String::as_str);
    let drive = parameters
        .get("driveId")
        .filter(|_| parameters.get("corpora").is_some_and(|corpora| corpora == "drive"));
    if let Some(drive) = drive
        && !world.is_member(user, drive)
    {
        return not_found();
    }
    let after = match parameters.get("pageToken") {
        None => "",
        Some(token) => match token.strip_prefix(&format!("~{user}~")) {
            Some(last) => last,
            None => return bad_page_token(),
        },
    };
    let folder = query::parent(q);
    if let Some(folder) = folder
        && world.files.get(folder).is_some_and(|stored| !world.sees(user, stored))
    {
        return not_found();
    }
    let in_corpus = |stored: &&Stored| match drive {
        Some(drive) => stored.home == Home::Drive(drive.clone()),
        // What is in shared drives counts as the user's own only where a folder was asked for.
        None => match &stored.home {
            Home::User(_) if folder.is_some() => world.sees(user, stored),
            Home::User(_) => world.lists(user, stored),
            Home::Drive(_) => {
                stored.shared_with.contains(&user) || folder.is_some() && world.sees(user, stored)
            }
        },
    };
    let size = page_size(&parameters);
    let mut found: Vec<&Stored> = Vec::new();
    let fitting =
        |stored: &&Stored| in_corpus(stored) && query::fits(q, &world, stored) == Some(true);
    if let Some(folder) = folder {
        let children = world.children.get(folder).into_iter().flatten();
        let children =
            children.filter(|id| id.as_str() > after).filter_map(|id| world.files.get(id));
        found.extend(children.filter(fitting).take(size + 1));
    } else {
        let from = (std::ops::Bound::Excluded(after.to_owned()), std::ops::Bound::Unbounded);
        let files = world.files.range::<String, _>(from).map(|(_, stored)| stored);
        found.extend(files.filter(fitting).take(size + 1));
    }
    let more = found.len() > size;
    found.truncate(size);
    let files: Vec<Value> = found.iter().map(|stored| world.as_json(user, stored)).collect();
    let mut page = json!({ "kind": "drive#fileList", "incompleteSearch": false, "files": files });
    if let Some(last) = found.last().filter(|_| more) {
        page["nextPageToken"] = json!(format!("~{user}~{}", last.id));
    }
    Json(page).into_response()
}

async fn file(
    State(shared): State<Arc<Shared>>,
    Bearer(user): Bearer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(parameters): Parameters,
) -> Response {
    let world = shared.world();
    if let Some(root) = root(user, &id) {
        return Json(root).into_response();
    }
    let Some(stored) = world.files.get(&id).filter(|stored| world.sees(user, stored)) else {
        return not_found();
    };
    if parameters.get("alt").is_none_or(|alt| alt != "media") {
        return Json(world.as_json(user, stored)).into_response();
    }
    if stored.file.locked {
        return forbidden("cannotDownloadFile");
    }
    let content = stored.file.content.clone();
    match range(&headers, content.len()) {
        Range::All => content.into_response(),
        Range::Beyond => error(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "global",
            "requestedRangeNotSatisfiable",
            "Request range not satisfiable",
        ),
        Range::Part(first, last) => {
            let told = format!("bytes {first}-{last}/{}", content.len());
            let mut part =
                (StatusCode::PARTIAL_CONTENT, content.slice(first..=last)).into_response();
            if let Ok(told) = HeaderValue::from_str(&told) {
                part.headers_mut().insert(header::CONTENT_RANGE, told);
            }
            part
        }
    }
}

/// The topmost folder of a user's own drive is a file as any other.
fn root(user: i64, id: &str) -> Option<Value> {
    (id == DriveWorld::root(user) || id == "root").then(|| {
        json!({ "kind": "drive#file", "id": DriveWorld::root(user), "name": "My Drive",
            "mimeType": "application/vnd.google-apps.folder", "trashed": false })
    })
}

/// Of whatever size is asked for.
async fn thumbnail(
    State(shared): State<Arc<Shared>>,
    Bearer(user): Bearer,
    Path(name): Path<String>,
) -> Response {
    let world = shared.world();
    let id = name.rsplit_once("=s").map_or(name.as_str(), |(id, _)| id);
    let seen = world.files.get(id).filter(|stored| world.sees(user, stored));
    match seen.and_then(|stored| stored.file.thumbnail.clone()) {
        Some(thumbnail) => ([(header::CONTENT_TYPE, "image/jpeg")], thumbnail).into_response(),
        None => not_found(),
    }
}

enum Range {
    All,
    Part(usize, usize),
    Beyond,
}

fn range(headers: &HeaderMap, length: usize) -> Range {
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let Some((first, last)) = asked.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
    else {
        return Range::All;
    };
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), _) if first >= length => Range::Beyond,
        (Ok(first), Ok(last)) if last >= first => Range::Part(first, last.min(length - 1)),
        (Ok(first), Err(_)) => Range::Part(first, length - 1),
        _ => Range::All,
    }
}

fn feed(world: &DriveWorld, user: i64, parameters: &HashMap<String, String>) -> Option<Home> {
    match parameters.get("driveId") {
        None => Some(Home::User(user)),
        Some(drive) => world.is_member(user, drive).then(|| Home::Drive(drive.clone())),
    }
}

async fn start_token(
    State(shared): State<Arc<Shared>>,
    Bearer(user): Bearer,
    Query(parameters): Parameters,
) -> Response {
    let world = shared.world();
    if feed(&world, user, &parameters).is_none() {
        return not_found();
    }
    let token = world.log.len().to_string();
    Json(json!({ "kind": "drive#startPageToken", "startPageToken": token })).into_response()
}

async fn changes(
    State(shared): State<Arc<Shared>>,
    Bearer(user): Bearer,
    Query(parameters): Parameters,
) -> Response {
    let world = shared.world();
    let Some(feed) = feed(&world, user, &parameters) else { return not_found() };
    let from = parameters.get("pageToken").and_then(|token| token.parse::<usize>().ok());
    let Some(from) = from.filter(|from| *from <= world.log.len()) else { return bad_page_token() };
    let entries = world.log.iter().enumerate().skip(from).filter(|(_, logged)| logged.feed == feed);
    let size = page_size(&parameters);
    let entries: Vec<_> = entries.take(size + 1).collect();
    let changes: Vec<Value> = entries
        .iter()
        .take(size)
        .map(|(_, logged)| {
            let there = world.files.get(&logged.file_id).filter(|stored| {
                let here = stored.home == feed || matches!(feed, Home::User(_));
                here && !logged.removed && world.sees(user, stored)
            });
            let mut change = json!({ "kind": "drive#change", "type": "file", "changeType": "file",
                "time": "2024-05-01T10:00:00.000Z", "removed": there.is_none(),
                "fileId": logged.file_id });
            if let Some(stored) = there {
                change["file"] = world.as_json(user, stored);
            }
            change
        })
        .collect();
    let mut page = json!({ "kind": "drive#changeList", "changes": changes });
    match entries.get(size) {
        Some((next, _)) => page["nextPageToken"] = json!(next.to_string()),
        None => page["newStartPageToken"] = json!(world.log.len().to_string()),
    }
    Json(page).into_response()
}

async fn drives(State(shared): State<Arc<Shared>>, Bearer(user): Bearer) -> Response {
    let world = shared.world();
    let drives = world.accounts.get(&user).map(|account| &account.drives);
    let drives: Vec<Value> = drives
        .into_iter()
        .flatten()
        .map(|id| json!({ "kind": "drive#drive", "id": id, "name": id }))
        .collect();
    Json(json!({ "kind": "drive#driveList", "drives": drives })).into_response()
}
