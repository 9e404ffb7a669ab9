//! Rows whose fields are there already.
//!
//! async-graphql makes a task of each field and of each element of a list, so that those which wait can wait together. A page of fifty rows has some
//! five hundred fields that wait for nothing, and their tasks took longer than everything else about the page. Where only such fields are
//! asked for, they are taken one after the other here. Everything else is async-graphql's.

use std::borrow::Cow;
use std::pin::pin;
use std::task::Poll;

use async_graphql::connection::{Edge, EmptyFields};
use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult, Value};
use futures::poll;

/// An object some of whose fields may wait, but none that has no fields of its own: such a one would be waited for row after row.
pub(super) struct Leaves<T>(pub(super) T);

/// The edges of a page.
pub(super) struct Edges<Node: ObjectType>(pub(super) List<Node>);

/// As async-graphql knows them.
type List<Node> = Vec<Edge<String, Leaves<Node>, EmptyFields>>;

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
        if asks_for_leaves(&context.item.node) {
            return Ok(one_by_one(&self.0, context).await);
        }
        self.0.resolve(context, field).await
    }
}

impl<Node: ObjectType> OutputType for Edges<Node> {
    fn type_name() -> Cow<'static, str> {
        List::<Node>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        List::<Node>::create_type_info(registry)
    }

    fn qualified_type_name() -> String {
        List::<Node>::qualified_type_name()
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        if !asks_for_cursor_and_leaves(&context.item.node) {
            return self.0.resolve(context, field).await;
        }
        let mut edges = Vec::with_capacity(self.0.len());
        for (index, edge) in self.0.iter().enumerate() {
            edges.push(one_by_one(edge, &context.with_index(index)).await);
        }
        Ok(Value::List(edges))
    }
}

/// The fields that are asked for, as async-graphql would answer them.
async fn one_by_one<T: ObjectType>(object: &T, context: &ContextSelectionSet<'_>) -> Value {
    let selections = &context.item.node.items;
    let mut fields = IndexMap::with_capacity(selections.len());
    for selection in selections {
        let Selection::Field(field) = &selection.node else { continue };
        let key = field.node.response_key().node.clone();
        if field.node.name.node == "__typename" {
            fields.insert(key, Value::String(T::type_name().into_owned()));
            continue;
        }
        let at_field = context.with_field(field);
        let mut value = pin!(object.resolve_field(&at_field));
        let value = match poll!(value.as_mut()) {
            Poll::Ready(value) => value,
            Poll::Pending => {
                debug_assert!(false, "{} waits, row after row", field.node.name.node);
                value.await
            }
        };
        match value {
            Ok(value) => {
                fields.insert(key, value.unwrap_or_default());
            }
            Err(error) => context.add_error(error),
        }
    }
    if fields.is_empty() { Value::Null } else { Value::Object(fields) }
}

/// True when only fields without fields of their own are asked for.
fn asks_for_leaves(asked: &SelectionSet) -> bool {
    all_fields(asked, |field| field.selection_set.node.items.is_empty())
}

/// True when only an edge's own leaves and those of its node are asked for. Nodes that are asked for twice become one, which is
/// async-graphql's business.
fn asks_for_cursor_and_leaves(asked: &SelectionSet) -> bool {
    let mut nodes: usize = 0;
    let fits = all_fields(asked, |field| {
        let inner = &field.selection_set.node;
        nodes = nodes.saturating_add(usize::from(!inner.items.is_empty()));
        asks_for_leaves(inner)
    });
    fits && nodes <= 1
}

/// True when only such fields are asked for, and there is no directive that could do something else with one.
fn all_fields(asked: &SelectionSet, mut fits: impl FnMut(&Field) -> bool) -> bool {
    asked.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => field.node.directives.is_empty() && fits(&field.node),
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
    })
}

#[cfg(test)]
#[expect(clippy::unused_async, reason = "all fields are asynchronous, also those that wait for nothing")]
mod tests {
    use async_graphql::connection::{Connection, DefaultConnectionName, DefaultEdgeName, DisableNodesField};
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};

    use super::super::page::{Connected, connect};
    use super::*;
    use crate::connection::{Cursor, IdCursor, Page};

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

    const LENGTH: i64 = 40;

    type LibraryConnection = Connection<
        String,
        Row,
        EmptyFields,
        EmptyFields,
        DefaultConnectionName,
        DefaultEdgeName,
        DisableNodesField,
    >;

    struct Library;

    #[Object(name = "Rows")]
    impl Library {
        async fn rows(&self) -> LibraryConnection {
            let mut rows = LibraryConnection::new(true, false);
            rows.edges = (1..LENGTH).map(|id| Edge::new(IdCursor(id).encode(), Row(id))).collect();
            rows
        }
    }

    struct Ours;

    #[Object(name = "Rows")]
    impl Ours {
        async fn rows(&self) -> Connected<Row> {
            let page = Page { items: (1..LENGTH).collect(), has_previous: true, has_next: false };
            connect(page, EmptyFields, |id| IdCursor(*id), Row)
        }
    }

    #[tokio::test]
    async fn answers_are_the_same_to_the_byte() {
        let library = Schema::new(Library, EmptyMutation, EmptySubscription);
        let ours = Schema::new(Ours, EmptyMutation, EmptySubscription);
        assert_eq!(library.sdl(), ours.sdl());
        let rows = [
            "id name",
            "name id name again: name(times: 2) id",
            "__typename id type: __typename",
            "id odd",
            "odd",
            "id next { id name }",
            "id @include(if: true) name @skip(if: true)",
            "... on Row { id } name",
            "...fields",
        ];
        let of_nodes = rows.map(|asked| format!("edges {{ cursor node {{ {asked} }} }}"));
        let others = [
            "edges { cursor }",
            "edges { node { id } cursor place: cursor __typename } pageInfo { startCursor endCursor hasNextPage }",
            "edges { node { id } node { name } cursor }",
            "edges { one: node { odd } two: node { id } }",
            "edges { node @include(if: true) { id } }",
            "edges { ... { cursor } node { id } }",
            "edges { cursor } edges { node { id } } pageInfo { hasPreviousPage }",
        ];
        for asked in of_nodes.iter().map(String::as_str).chain(others) {
            let fragment =
                if asked.contains("...fields") { "fragment fields on Row { id name odd }" } else { "" };
            let query = format!("{{ rows {{ {asked} }} }} {fragment}");
            let [library, ours] = [library.execute(&query).await, ours.execute(&query).await]
                .map(|answer| serde_json::to_string(&answer).unwrap());
            assert_eq!(library, ours, "{asked}");
            assert!(library.contains("\"edges\":["), "{library}");
        }
    }
}
