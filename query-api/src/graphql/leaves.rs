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

#[cfg(test)]
#[expect(clippy::unused_async, reason = "all fields are asynchronous, also those that wait for nothing")]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};

    use super::*;

    struct Row(i64);

    #[Object]
    impl Row {
        async fn id(&self) -> i64 {
            self.0
        }

        async fn name(&self, #[graphql(default = 1)] times: usize) -> Option<String> {
            (self.0 != 2).then(|| "row".repeat(times))
        }

        async fn odd(&self) -> Result<Option<i64>, async_graphql::Error> {
            if self.0 == 3 { Err("three is too odd".into()) } else { Ok(Some(self.0)) }
        }

        async fn next(&self) -> Self {
            Self(self.0 + 1)
        }
    }

    struct Rows;

    #[Object]
    impl Rows {
        async fn rows(&self) -> Vec<Row> {
            (1..5).map(Row).collect()
        }
    }

    struct WithLeaves;

    #[Object(name = "Rows")]
    impl WithLeaves {
        async fn rows(&self) -> Vec<Leaves<Row>> {
            (1..5).map(|id| Leaves(Row(id))).collect()
        }
    }

    #[tokio::test]
    async fn answers_are_the_same_to_the_byte() {
        let plain = Schema::new(Rows, EmptyMutation, EmptySubscription);
        let leaves = Schema::new(WithLeaves, EmptyMutation, EmptySubscription);
        assert_eq!(plain.sdl(), leaves.sdl());
        for asked in [
            "id name",
            "name id name again: name(times: 2) id",
            "__typename id type: __typename",
            "id odd",
            "odd",
            "id next { id name }",
            "id @include(if: true) name @skip(if: true)",
            "... on Row { id } name",
            "...fields",
        ] {
            let query = format!("{{ rows {{ {asked} }} }} fragment fields on Row {{ id name odd }}");
            let query = if asked == "...fields" { query } else { format!("{{ rows {{ {asked} }} }}") };
            let [plain, leaves] = [plain.execute(&query).await, leaves.execute(&query).await]
                .map(|answer| serde_json::to_string(&answer).unwrap());
            assert_eq!(plain, leaves, "{asked}");
            assert!(plain.contains("\"rows\":["), "{plain}");
        }
    }
}
