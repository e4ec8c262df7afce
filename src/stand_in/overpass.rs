//! Overpass, as far as its query language is used: a union of `nwr` statements, each with `around` and
//! tags that are there, equal something, or match a list.

use std::sync::Arc;

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{World, metres, place};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/interpreter", post(interpret))
}

#[derive(Debug, Deserialize)]
struct Question {
    data: String,
}

/// One statement.
struct Statement<'a> {
    reach: f64,
    centre: (f64, f64),
    /// Key, and the values that it may have; none: any.
    tags: Vec<(&'a str, Vec<&'a str>)>,
}

async fn interpret(State(world): State<Arc<World>>, Form(question): Form<Question>) -> Response {
    let statements: Option<Vec<Statement<'_>>> = question
        .data
        .split(';')
        .map(str::trim)
        .filter(|part| part.contains("nwr"))
        .map(parse)
        .collect();
    let Some(statements) = statements else {
        return (StatusCode::BAD_REQUEST, "<html><body>parse error</body></html>").into_response();
    };
    let found =
        world.elements.iter().filter(|element| statements.iter().any(|one| one.finds(element)));
    let found: Vec<&Value> = found.collect();
    Json(json!({ "version": 0.6, "generator": "stand-in", "elements": found })).into_response()
}

fn parse(text: &str) -> Option<Statement<'_>> {
    let (_, text) = text.split_once("nwr(around:")?;
    let (around, rest) = text.split_once(')')?;
    let mut numbers = around.split(',').map(|number| number.trim().parse::<f64>());
    let (reach, lat, lon) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    let mut tags = Vec::new();
    for filter in rest.split('[').skip(1) {
        let filter = filter.split_once(']')?.0;
        let mut quoted = filter.split('"').skip(1).step_by(2);
        let key = quoted.next()?;
        let values = quoted
            .next()
            .map_or("", |values| values.trim_start_matches("^(").trim_end_matches(")$"));
        tags.push((key, values.split('|').filter(|value| !value.is_empty()).collect()));
    }
    Some(Statement { reach, centre: (lat, lon), tags })
}

impl Statement<'_> {
    fn finds(&self, element: &Value) -> bool {
        let at = place(element, "lat", "lon").or_else(|| place(&element["center"], "lat", "lon"));
        let near = at.is_some_and(|at| metres(self.centre, at) <= self.reach);
        near && self.tags.iter().all(|(key, values)| {
            let tag = element["tags"][*key].as_str();
            tag.is_some_and(|tag| values.is_empty() || values.contains(&tag))
        })
    }
}
