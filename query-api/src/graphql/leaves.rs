//! Rows whose fields are there already.

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection};
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult, Value};

/// An object of a list. async-graphql makes a task of each field, so that fields which wait can wait together; a page of fifty rows has some
/// four hundred fields that wait for nothing, and their tasks took longer than everything else about the page. Where only leaves are asked
/// for, here, they are taken one after the other. Everything else is async-graphql's.
pub(super) struct Leaves<T>(pub(super) T);

impl<T: ObjectType> OutputType for Leaves<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        if !context.item.node.items.iter().all(|selection| is_leaf(&selection.node)) {
            return self.0.resolve(context, field).await;
        }
        let mut object = IndexMap::with_capacity(context.item.node.items.len());
        for selection in &context.item.node.items {
            let Selection::Field(field) = &selection.node else { continue };
            let key = field.node.response_key().node.clone();
            if field.node.name.node == "__typename" {
                object.insert(key, Value::String(T::type_name().into_owned()));
                continue;
            }
            let at_field = context.with_field(field);
            match self.0.resolve_field(&at_field).await {
                Ok(value) => {
                    object.insert(key, value.unwrap_or_default());
                }
                Err(error) => context.add_error(error),
            }
        }
        Ok(if object.is_empty() { Value::Null } else { Value::Object(object) })
    }
}

/// True for a field that has no fields, and no directive that could do something else with it.
fn is_leaf(selection: &Selection) -> bool {
    match selection {
        Selection::Field(field) => {
            field.node.selection_set.node.items.is_empty() && field.node.directives.is_empty()
        }
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
    }
}
