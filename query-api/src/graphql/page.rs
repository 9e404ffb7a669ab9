//! Connections: pages as GraphQL shows them.

use async_graphql::ObjectType;
use async_graphql::connection::{
    Connection, DefaultConnectionName, DefaultEdgeName, DisableNodesField, Edge, EmptyFields,
};

use super::leaves::Leaves;
use crate::connection::{Cursor, Page};
use crate::limits::{FILTER_COMPLEXITY, PAGE_DEFAULT, PAGE_MAX};

/// A Relay connection: `edges` and `pageInfo`, and for some lists more fields.
pub(super) type Connected<Node, Fields = EmptyFields> = Connection<
    String,
    Leaves<Node>,
    Fields,
    EmptyFields,
    DefaultConnectionName,
    DefaultEdgeName,
    DisableNodesField,
>;

/// The page's rows as edges.
pub(super) fn connect<Row, Node: ObjectType, Fields: ObjectType, C: Cursor>(
    page: Page<Row>,
    fields: Fields,
    cursor: impl Fn(&Row) -> C,
    node: impl Fn(Row) -> Node,
) -> Connected<Node, Fields> {
    let mut connection = Connected::with_additional_fields(page.has_previous, page.has_next, fields);
    connection.edges =
        page.items.into_iter().map(|row| Edge::new(cursor(&row).encode(), Leaves(node(row)))).collect();
    connection
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
