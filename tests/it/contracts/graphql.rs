//! What of a change to the GraphQL schema breaks clients.

use std::collections::BTreeMap;

use async_graphql_parser::parse_schema;
use async_graphql_parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition,
};

/// Everything that may be used, by its place in the schema: `Account.transactions(first)`.
type Places = BTreeMap<String, Place>;

struct Place {
    /// A type as it is written, or what kind of thing it is.
    what: String,
    /// True for what clients give and may leave out; nothing for what they get.
    optional: Option<bool>,
}

/// What clients of the old schema could do and cannot with the new one.
pub(super) fn breaks(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (places(old), places(new));
    let mut broken = Vec::new();
    for (place, was) in &old {
        match new.get(place) {
            None => broken.push(format!("{place} is gone")),
            Some(is) if is.fits(was) => {}
            Some(is) => broken.push(format!("{place} was {} and is {}", was.what, is.what)),
        }
    }
    for (place, is) in &new {
        let parent = place.rfind(['(', '.']).map_or("", |end| &place[..end]);
        if is.optional == Some(false) && !old.contains_key(place) && old.contains_key(parent) {
            broken.push(format!("{place} must be given"));
        }
    }
    broken
}

impl Place {
    /// True when whoever knows it as `was` can go on. What is given may ask for less, what is got may promise more.
    fn fits(&self, was: &Self) -> bool {
        let without = |text: &str| text.strip_suffix('!').map(str::to_owned);
        self.what == was.what
            || match self.optional {
                Some(_) => without(&was.what).as_ref() == Some(&self.what),
                None => without(&self.what).as_ref() == Some(&was.what),
            }
    }
}

fn places(sdl: &str) -> Places {
    let mut places = Places::new();
    for definition in parse_schema(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let name = definition.node.name.node.to_string();
        let mut put = |place: String, what: String, optional| {
            places.insert(place, Place { what, optional });
        };
        let kind = match definition.node.kind {
            TypeKind::Scalar => "a scalar",
            TypeKind::Object(object) => {
                fields(&name, object.fields.into_iter().map(|field| field.node), &mut put);
                "an object"
            }
            TypeKind::Interface(interface) => {
                fields(&name, interface.fields.into_iter().map(|field| field.node), &mut put);
                "an interface"
            }
            TypeKind::Union(union) => {
                for member in union.members {
                    put(format!("{name}.{}", member.node), "a member".to_owned(), None);
                }
                "a union"
            }
            TypeKind::Enum(values) => {
                for value in values.values {
                    put(format!("{name}.{}", value.node.value.node), "a value".to_owned(), None);
                }
                "an enum"
            }
            TypeKind::InputObject(input) => {
                for field in input.fields {
                    let place = format!("{name}.{}", field.node.name.node);
                    given(place, &field.node, &mut put);
                }
                "an input"
            }
        };
        put(name, kind.to_owned(), None);
    }
    places
}

fn fields(
    name: &str,
    fields: impl Iterator<Item = FieldDefinition>,
    put: &mut impl FnMut(String, String, Option<bool>),
) {
    for field in fields {
        let place = format!("{name}.{}", field.name.node);
        for argument in &field.arguments {
            given(format!("{place}({})", argument.node.name.node), &argument.node, put);
        }
        put(place, written(&field.ty.node), None);
    }
}

fn given(place: String, value: &InputValueDefinition, put: &mut impl FnMut(String, String, Option<bool>)) {
    let optional = value.ty.node.nullable || value.default_value.is_some();
    put(place, written(&value.ty.node), Some(optional));
}

fn written(ty: &Type) -> String {
    let base = match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(element) => format!("[{}]", written(element)),
    };
    if ty.nullable { base } else { base + "!" }
}

#[test]
fn what_breaks_clients_is_named() {
    const OLD: &str = "type Query { account(id: ID, name: String!): Account old: Int }
        type Account { id: ID! name: String status: Status! } enum Status { OPEN CLOSED } input Filter { text: String! }";
    let after = |from: &str, to: &str| {
        assert!(OLD.contains(from), "{from}");
        breaks(OLD, &OLD.replace(from, to))
    };
    for (from, to) in [
        ("name: String status", "name: String! status"),
        ("name: String!)", "name: String)"),
        ("old: Int", "old: Int new: Int"),
        ("(id: ID,", "(id: ID, more: Int, most: Int! = 1,"),
        ("CLOSED", "CLOSED FROZEN"),
        ("text: String!", "text: String more: Int"),
        ("enum", "type Other { id: ID! } enum"),
    ] {
        assert_eq!(after(from, to), [""; 0], "{to}");
    }
    for (from, to, broken) in [
        ("old: Int", "", "Query.old is gone"),
        ("(id: ID, ", "(", "Query.account(id is gone"),
        ("id: ID!", "id: ID", "Account.id was ID! and is ID"),
        ("name: String status", "name: Int status", "Account.name was String and is Int"),
        ("(id: ID,", "(id: ID!,", "Query.account(id) was ID and is ID!"),
        ("(id: ID,", "(id: ID, more: Int!,", "Query.account(more) must be given"),
        ("CLOSED", "", "Status.CLOSED is gone"),
        ("text: String!", "text: String! more: Int!", "Filter.more must be given"),
        ("text: String!", "other: String", "Filter.text is gone"),
    ] {
        let found = after(from, to);
        assert!(
            found.iter().any(|found| found.replace(')', "") == broken.replace(')', "")),
            "{to}: {found:?}"
        );
    }
}
