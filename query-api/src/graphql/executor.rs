//! Runs GraphQL requests within bounds that async-graphql does not know.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationType, Selection, SelectionSet,
};
use async_graphql::{Data, Executor, Name, Request, Response};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::time::timeout;

use super::documents::Documents;
use super::failure::{BAD_USER_INPUT, coded, response};
use super::persisted::Persisted;
use super::{Schema, build, nesting};
use crate::QueryOptions;
use crate::limits::{FRAGMENT_DEPTH_MAX, NESTING_MAX, SELECTIONS_MAX};
use crate::problem::Problem;

/// The schema, with a time limit for queries, a size limit for documents, queries that are known by their hash, and a code on every
/// error.
#[derive(Clone)]
pub(crate) struct Bounded {
    schema: Schema,
    within: Duration,
    introspection: bool,
    persisted: Persisted,
    documents: Documents,
}

impl Bounded {
    pub(crate) fn new(options: &QueryOptions) -> Self {
        Self {
            schema: build(options.introspection),
            within: options.request_timeout,
            introspection: options.introspection,
            persisted: Persisted::new(),
            documents: Documents::new(),
        }
    }

    /// Refuses a request that would blow up, or asks for what is not told; says what kind of operation is asked for.
    fn admit(&self, request: &mut Request) -> Result<OperationType, Box<Response>> {
        let refused = |problem| Box::new(response(problem));
        let hash = self.persisted.find(request).map_err(refused)?;
        let kind = match self.documents.find(request) {
            Some(document) => kind_of(&document, request.operation_name.as_deref()),
            None => {
                let text = request.query.clone();
                let name = request.operation_name.clone();
                let document = admit(request, self.introspection)?;
                self.documents.keep(&text, document);
                kind_of(document, name.as_deref())
            }
        };
        if let Some(hash) = hash {
            self.persisted.keep(hash, &request.query);
        }
        Ok(kind)
    }
}

impl Executor for Bounded {
    async fn execute(&self, mut request: Request) -> Response {
        if let Err(refused) = self.admit(&mut request) {
            return *refused;
        }
        let answer = timeout(self.within, self.schema.execute(request)).await;
        answer.map_or_else(|_| response(Problem::Timeout), with_codes)
    }

    fn execute_stream(
        &self,
        mut request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let kind = match self.admit(&mut request) {
            Ok(kind) => kind,
            Err(refused) => return stream::once(async move { *refused }).boxed(),
        };
        let answers = self.schema.execute_stream_with_session_data(request, session.unwrap_or_default());
        let mut answers = answers.map(with_codes).boxed();
        if kind == OperationType::Subscription {
            return answers;
        }
        let within = self.within;
        stream::once(async move {
            let answer = timeout(within, answers.next()).await;
            answer.ok().flatten().unwrap_or_else(|| response(Problem::Timeout))
        })
        .boxed()
    }
}

/// Parses the request's document and refuses one that would blow up.
fn admit(request: &mut Request, introspection: bool) -> Result<&ExecutableDocument, Box<Response>> {
    if !nesting::is_within(&request.query, NESTING_MAX) {
        let problem =
            Problem::InvalidQuery(format!("The query's brackets are more than {NESTING_MAX} deep."));
        return Err(Box::new(response(problem)));
    }
    let document = match request.parsed_query() {
        Ok(document) => document,
        Err(error) => return Err(Box::new(with_codes(Response::from_errors(vec![error])))),
    };
    if !written_out_fits(document) {
        let problem = Problem::InvalidQuery(format!(
            "The query is too large: at most {SELECTIONS_MAX} selections with its fragments written out, \
             and fragments at most {FRAGMENT_DEPTH_MAX} deep."
        ));
        return Err(Box::new(response(problem)));
    }
    if !introspection && asks_for_schema(document) {
        return Err(Box::new(response(Problem::IntrospectionDisabled)));
    }
    Ok(document)
}

/// What kind of operation is asked for.
fn kind_of(document: &ExecutableDocument, name: Option<&str>) -> OperationType {
    let operation = match &document.operations {
        DocumentOperations::Single(operation) => Some(operation),
        DocumentOperations::Multiple(operations) => match name {
            Some(name) => operations.get(name),
            None => operations.values().next(),
        },
    };
    operation.map_or(OperationType::Query, |operation| operation.node.ty)
}

/// True when a document, which must fit, asks what the schema is.
fn asks_for_schema(document: &ExecutableDocument) -> bool {
    fn any(set: &SelectionSet) -> bool {
        set.items.iter().any(|selection| match &selection.node {
            Selection::Field(field) => {
                matches!(field.node.name.node.as_str(), "__schema" | "__type")
                    || any(&field.node.selection_set.node)
            }
            Selection::InlineFragment(inline) => any(&inline.node.selection_set.node),
            // Looked at by itself.
            Selection::FragmentSpread(_) => false,
        })
    }
    document.operations.iter().any(|(_, operation)| any(&operation.node.selection_set.node))
        || document.fragments.values().any(|fragment| any(&fragment.node.selection_set.node))
}

/// Errors without a code come from async-graphql itself and are about the query.
fn with_codes(mut response: Response) -> Response {
    let errors = std::mem::take(&mut response.errors);
    response.errors = errors
        .into_iter()
        .map(|error| {
            let code = match error.message.as_str() {
                "Query is too complex." => "query_too_complex",
                "Query is nested too deep." => "query_too_deep",
                _ => BAD_USER_INPUT,
            };
            coded(error, code)
        })
        .collect();
    response
}

/// True when the document stays within bounds with every fragment written out where it is used.
///
/// async-graphql walks fragments wherever they are spread, also to find out how deep and complex a query is. Thirty fragments that
/// each spread the next one twice would keep it walking for ever. Here every fragment is measured once.
pub(super) fn written_out_fits(document: &ExecutableDocument) -> bool {
    let mut sizes = HashMap::new();
    let mut total: usize = 0;
    for (_, operation) in document.operations.iter() {
        let Some(size) = size_of(document, &operation.node.selection_set.node, &mut sizes, 0) else {
            return false;
        };
        total = total.saturating_add(size);
    }
    total <= SELECTIONS_MAX
}

/// How many selections a set has, written out; nothing when fragments nest too deep or in a circle.
fn size_of<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    fragments: &mut HashMap<&'a Name, usize>,
    depth: usize,
) -> Option<usize> {
    if depth > FRAGMENT_DEPTH_MAX.saturating_mul(2) {
        return None;
    }
    let deeper = depth.saturating_add(1);
    let mut size: usize = 0;
    for selection in &set.items {
        let inner = match &selection.node {
            Selection::Field(field) => size_of(document, &field.node.selection_set.node, fragments, deeper)?,
            Selection::InlineFragment(inline) => {
                size_of(document, &inline.node.selection_set.node, fragments, deeper)?
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                match (fragments.get(name), document.fragments.get(name)) {
                    (Some(size), _) => *size,
                    // An unknown fragment is for validation to refuse.
                    (None, None) => 0,
                    (None, Some(fragment)) => {
                        let size = size_of(document, &fragment.node.selection_set.node, fragments, deeper)?;
                        fragments.insert(name, size);
                        size
                    }
                }
            }
        };
        size = size.saturating_add(inner).saturating_add(1);
    }
    Some(size)
}
