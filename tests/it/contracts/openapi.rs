//! What of a change to the REST routes breaks clients: routes, parameters, answers and fields that go, or that become needed.

use std::collections::BTreeMap;

use serde_json::Value;

/// What clients of the old routes could do and cannot with the new ones.
pub(super) fn breaks(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (places(old), places(new));
    let gone = old.iter().filter_map(|(place, was)| match new.get(place) {
        None => Some(format!("{place} is gone")),
        Some(is) if is == was => None,
        Some(is) => Some(format!("{place} was {was} and is {is}")),
    });
    let needed = new.iter().filter(|(place, is)| {
        let parent = place.rsplit_once(" parameter ").map(|(route, _)| route);
        **is == "needed" && !old.contains_key(*place) && parent.is_some_and(|route| old.contains_key(route))
    });
    gone.chain(needed.map(|(place, _)| format!("{place} must be given"))).collect()
}

fn places(text: &str) -> BTreeMap<String, String> {
    let api: Value = serde_json::from_str(text).unwrap();
    let mut places = BTreeMap::new();
    let each = |value: &Value| value.as_object().cloned().unwrap_or_default();
    for (path, methods) in each(&api["paths"]) {
        for (method, operation) in each(&methods) {
            let route = format!("{} {path}", method.to_uppercase());
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let needed = if parameter["required"] == true { "needed" } else { "optional" };
                places.insert(format!("{route} parameter {name}"), needed.to_owned());
            }
            for (status, _) in
                each(&operation["responses"]).into_iter().filter(|(status, _)| status.starts_with('2'))
            {
                places.insert(format!("{route} answer {status}"), "there".to_owned());
            }
            places.insert(route, "there".to_owned());
        }
    }
    for (name, schema) in each(&api["components"]["schemas"]) {
        for (field, is) in each(&schema["properties"]) {
            let ty = if is["type"].is_null() { &is["$ref"] } else { &is["type"] };
            places.insert(format!("{name}.{field}"), ty.to_string());
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            places.insert(format!("{name}.{value}"), "a value".to_owned());
        }
    }
    places
}

#[test]
fn what_breaks_clients_of_routes_is_named() {
    let api = |parameter: &str, field: &str| {
        serde_json::json!({
            "paths": { "/a/{id}": { "get": {
                "parameters": [{ "name": "id", "required": true }, { "name": parameter, "required": false }],
                "responses": { "200": {} } } } },
            "components": { "schemas": { "A": { "properties": { field: { "type": "string" } } } } }
        })
        .to_string()
    };
    let old = api("first", "amount");
    assert_eq!(breaks(&old, &old), [""; 0]);
    assert_eq!(breaks(&old, &api("last", "amount")), ["GET /a/{id} parameter first is gone"]);
    assert_eq!(breaks(&old, &api("first", "sum")), ["A.amount is gone"]);
    let needed = old.replace("false", "true");
    assert_eq!(breaks(&old, &needed), ["GET /a/{id} parameter first was optional and is needed"]);
    let number = old.replace("\"string\"", "\"number\"");
    assert_eq!(breaks(&old, &number), [r#"A.amount was "string" and is "number""#]);
}
