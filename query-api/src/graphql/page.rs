//! Connections: pages as GraphQL shows them.

use std::borrow::Cow;

use async_graphql::connection::{Edge, EmptyFields, PageInfo};
use async_graphql::{Object, ObjectType, TypeName};

use super::leaves::{Edges, Leaves};
use crate::connection::{Cursor, Page};
use crate::limits::{FILTER_COMPLEXITY, PAGE_DEFAULT, PAGE_MAX};

/// A Relay connection: `edges` and `pageInfo`, and for some lists more fields. As async-graphql's, but for its edges.
pub(super) struct Connected<Node: ObjectType, Fields: ObjectType = EmptyFields> {
    edges: Edges<Node>,
    fields: Fields,
    has_previous: bool,
    has_next: bool,
}

/// The page's rows as edges.
pub(super) fn connect<Row, Node: ObjectType, Fields: ObjectType, C: Cursor>(
    page: Page<Row>,
    fields: Fields,
    cursor: impl Fn(&Row) -> C,
    node: impl Fn(Row) -> Node,
) -> Connected<Node, Fields> {
    let edge = |row: Row| Edge::new(cursor(&row).encode(), Leaves(node(row)));
    Connected {
        edges: Edges(page.items.into_iter().map(edge).collect()),
        fields,
        has_previous: page.has_previous,
        has_next: page.has_next,
    }
}

impl<Node: ObjectType, Fields: ObjectType> TypeName for Connected<Node, Fields> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", Node::type_name()).into()
    }
}

#[Object(name_type)]
impl<Node: ObjectType, Fields: ObjectType> Connected<Node, Fields> {
    /// Information to aid in pagination.
    async fn page_info(&self) -> PageInfo {
        let Edges(edges) = &self.edges;
        PageInfo {
            has_previous_page: self.has_previous,
            has_next_page: self.has_next,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        }
    }

    /// A list of edges.
    async fn edges(&self) -> &Edges<Node> {
        &self.edges
    }

    #[graphql(flatten)]
    #[expect(clippy::unused_async, reason = "every field is asynchronous")]
    async fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// What a page costs: its length, whatever is on it.
///
/// Kept far below overflow, however many such fields are added up.
pub(super) fn complexity(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let size = first.or(last).map_or(PAGE_DEFAULT, |size| usize::try_from(size).unwrap_or(0));
    of_list(size.min(PAGE_MAX), child)
}

/// What a list of `size` elements costs.
pub(super) fn of_list(size: usize, child: usize) -> usize {
    const CEILING: usize = 1 << 32;
    size.max(1).saturating_mul(child).saturating_add(1).min(CEILING)
}

/// What a filter costs beside the page.
pub(super) const fn of_filter(filtered: bool) -> usize {
    if filtered { FILTER_COMPLEXITY } else { 0 }
}
