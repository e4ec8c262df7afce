//! What payloads look like, as JSON schemas (draft 2020-12, which is `OpenAPI` 3.1's).

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};
use serde_json::json;

/// The schema of a type, in one piece.
pub fn describe<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    bound_numbers(&mut schema);
    schema.remove("title");
    schema
}

/// Gives numbers the bounds of their types: a schema knows only their names.
pub fn bound_numbers(schema: &mut Schema) {
    RecursiveTransform(bound_number).transform(schema);
}

fn bound_number(schema: &mut Schema) {
    let (least, most) = match schema.get("format").and_then(|format| format.as_str()) {
        Some("int32") => (json!(i32::MIN), json!(i32::MAX)),
        Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
        Some("uint32") => (json!(0), json!(u32::MAX)),
        Some("uint64" | "uint") => (json!(0), json!(u64::MAX)),
        _ => return,
    };
    for (bound, value) in [("minimum", least), ("maximum", most)] {
        if schema.get(bound).is_none() {
            schema.insert(bound.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only described")]
    struct Greet {
        user_id: i64,
        #[serde(default)]
        times: Option<u32>,
    }

    #[test]
    fn a_schema_says_what_is_taken() {
        assert_eq!(
            describe::<Greet>().to_value(),
            json!({
                "type": "object",
                "properties": {
                    "userId": {
                        "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX,
                    },
                    "times": {
                        "type": ["integer", "null"], "format": "uint32", "minimum": 0, "maximum": u32::MAX,
                        "default": null,
                    },
                },
                "required": ["userId"],
            })
        );
    }
}
