//! `GET /openapi.json`: the API described. Paths are written by hand (`openapi.json`); what is sent and
//! answered is described by the types themselves, and payloads by the kinds of this process.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use roadie_jobs::Registry;
use roadie_jobs::schema::bound_numbers;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Api;
use super::cancel::Cancelling;
use super::enqueue::{Results, Taken};
use super::job::Job;
use super::problem::Document;
use super::queues::{PauseRequest, QueueList};
use super::request::JobRequest;

/// The description of an API that knows these kinds.
pub(super) fn describe(registry: &Registry, needs_token: bool) -> serde_json::Result<Value> {
    let mut document: Value = serde_json::from_str(include_str!("openapi.json"))?;
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    if needs_token {
        document["security"] = json!([{ "token": [] }]);
    }
    document["paths"]["/queues/{queue}/jobs"]["post"]["requestBody"]["content"]["application/json"]
        ["examples"] = Value::Object(examples(registry));
    let mut schemas = schemas();
    let job = schemas.remove("NewJob").unwrap_or_default();
    let kinds = registry.entries().map(|entry| {
        (
            format!("NewJob.{}", entry.kind),
            of_kind(job.clone(), entry.kind, entry.payload.as_value()),
        )
    });
    let kinds: Map<String, Value> = kinds.collect();
    let named = |name: &String| json!({ "$ref": format!("#/components/schemas/{name}") });
    let choices: Vec<Value> = kinds.keys().map(named).collect();
    schemas.insert("NewJob".to_owned(), json!({ "oneOf": choices }));
    if let Some(known) = document["components"]["schemas"].as_object_mut() {
        known.extend(schemas.into_iter().chain(kinds));
    }
    Ok(document)
}

pub(super) async fn show(State(api): State<Api>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], api.description)
}

/// What is sent and what is answered. An answer has all its members but those that are left out at times;
/// of what is sent, members with a default need not be there.
fn schemas() -> Map<String, Value> {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let mut sent = settings().for_deserialize().into_generator();
    sent.subschema_for::<JobRequest>();
    sent.subschema_for::<PauseRequest>();
    let mut answered = settings().for_serialize().into_generator();
    answered.subschema_for::<Taken>();
    answered.subschema_for::<Results>();
    answered.subschema_for::<Job>();
    answered.subschema_for::<Cancelling>();
    answered.subschema_for::<QueueList>();
    answered.subschema_for::<Document>();
    let definitions =
        sent.take_definitions(true).into_iter().chain(answered.take_definitions(true));
    let bounded = definitions.map(|(name, value)| {
        let schema = Schema::try_from(value).map(|mut schema| {
            bound_numbers(&mut schema);
            schema.to_value()
        });
        (name, schema.unwrap_or(Value::Bool(true)))
    });
    bounded.collect()
}

/// A job of every kind that has an example, and a batch of two.
fn examples(registry: &Registry) -> Map<String, Value> {
    let jobs = registry.entries().filter_map(|entry| {
        let payload = entry.payload.get("examples")?.get(0)?;
        Some((entry.kind.to_owned(), json!({ "kind": entry.kind, "payload": payload })))
    });
    let mut examples: Map<String, Value> = jobs.collect();
    if let Some(job) = examples.values().next() {
        let mut second = job.clone();
        second["priority"] = json!("low");
        second["delay"] = json!(60_000);
        examples.insert("batch".to_owned(), json!({ "jobs": [job, second] }));
    }
    examples.into_iter().map(|(name, value)| (name, json!({ "value": value }))).collect()
}

/// A job of one kind.
fn of_kind(mut job: Value, kind: &str, payload: &Value) -> Value {
    job["properties"]["kind"] = json!({ "const": kind });
    job["properties"]["payload"] = payload.clone();
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|member| references(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = describe(&roadie_jobs::registry(), true).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_kind_is_described_with_its_payload() {
        let document = describe(&roadie_jobs::registry(), false).unwrap();
        for entry in roadie_jobs::registry().entries() {
            let job = &document["components"]["schemas"][format!("NewJob.{}", entry.kind)];
            assert_eq!(job["properties"]["kind"]["const"], entry.kind, "{document}");
            assert_eq!(job["properties"]["payload"], *entry.payload.as_value());
            assert_eq!(job["additionalProperties"], false);
        }
        assert!(document.get("security").is_none());
    }
}
