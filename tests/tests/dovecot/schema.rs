//! The JSON Schema of docs/json.md, against which every answer of the program is held.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

const DOCUMENTATION: &str = include_str!("../../../docs/json.md");

fn schema() -> Value {
    let text = DOCUMENTATION.split("```json\n").nth(1).and_then(|rest| rest.split("\n```").next());
    let mut schema = serde_json::from_str(text.expect("docs/json.md has a schema")).expect("it is JSON");
    close(&mut schema);
    schema
}

/// No field but those that are named: what is not documented is found.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.contains_key("properties") && object.get("type") == Some(&"object".into()) {
                object.entry("additionalProperties").or_insert(Value::Bool(false));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn held_against(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn answers() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| jsonschema::validator_for(&schema()).expect("it is a schema"))
}

fn events() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let schema = json!({ "$defs": schema()["$defs"], "$ref": "#/$defs/event" });
        jsonschema::validator_for(&schema).expect("it is a schema")
    })
}

/// Panics if an answer, or a line of a command that stays, is not as docs/json.md has it.
pub(crate) fn check(value: &Value) {
    let validator = if value.get("event").is_some() { events() } else { answers() };
    let wrong = held_against(validator, value);
    assert!(wrong.is_empty(), "docs/json.md does not say so: {wrong:?}\n{value}");
}

#[test]
fn what_the_documentation_does_not_name_is_found() {
    check(&json!({ "id": "7", "phase": "alone", "account_key": null, "events": [{ "event": "online" }] }));
    check(&json!({ "event": "seen", "id": "7" }));
    for (validator, wrong) in [
        (answers(), json!({ "id": 7 })),
        (answers(), json!({ "phase": "somewhere" })),
        (answers(), json!({ "new_field": true })),
        (answers(), json!({ "events": [{ "event": "seen" }] })),
        (answers(), json!({ "paired": { "id": "7", "name": null, "has_come": true, "more": 1 } })),
        (events(), json!({ "event": "unheard-of" })),
        (events(), json!({ "event": "seen", "id": "7", "more": 1 })),
    ] {
        assert!(!held_against(validator, &wrong).is_empty(), "{wrong}");
    }
}
