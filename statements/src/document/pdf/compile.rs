//! What `typst::compile` does, begun with what an earlier document knew.
//!
//! "Page 2 of 3" can be set only when the pages are known. typst lays a document out as if it knew nothing, then again with what it
//! learned, until that is what it finds. Statements of as many bookings mostly have as many pages: with what is known of the last one,
//! the first time is the last. Where it is not, typst goes on as ever, so that the document does not depend on what was known.

use std::sync::Arc;

use comemo::{Constraint, Track as _};
use typst::World;
use typst::diag::{SourceDiagnostic, SourceResult};
use typst::ecow::{EcoVec, eco_vec};
use typst::engine::{Engine, Route, Sink, Traced};
use typst::foundations::{Output as _, StyleChain};
use typst::introspection::{EmptyIntrospector, Introspector, MAX_ITERS};
use typst::syntax::Span;
use typst::utils::Protected;
use typst_layout::{PagedDocument, PagedIntrospector};

/// What is known of a document's pages.
pub(super) type Known = Arc<PagedIntrospector>;

/// The document, and what typst warns of.
pub(super) fn compile(
    world: &dyn World,
    mut known: Option<Known>,
) -> SourceResult<(PagedDocument, EcoVec<SourceDiagnostic>)> {
    let (world, traced, route) = (world.track(), Traced::default(), Route::default());
    let (library, traced) = (world.library(), traced.track());
    let mut sink = Sink::new();
    let main = world.source(world.main());
    let main =
        main.map_err(|error| eco_vec![SourceDiagnostic::error(Span::detached(), error.to_string())])?;
    let module = typst_eval::eval(world, library, traced, sink.track_mut(), route.track(), &main)?;
    let (content, styles) = (module.content(), StyleChain::new(&library.styles));
    for _ in 1..=MAX_ITERS {
        let introspector: &dyn Introspector = match &known {
            Some(known) => &**known,
            None => &EmptyIntrospector,
        };
        let found = Constraint::new();
        let mut warnings = Sink::new();
        let mut engine = Engine {
            library,
            world,
            introspector: Protected::new(introspector.track_with(&found)),
            traced,
            sink: warnings.track_mut(),
            route: Route::default(),
        };
        let document = PagedDocument::create(&mut engine, &content, styles)?;
        if found.validate(document.introspector().as_ref() as &dyn Introspector) {
            sink.extend_from_sink(warnings);
            let delayed = sink.delayed();
            return if delayed.is_empty() { Ok((document, sink.warnings())) } else { Err(delayed) };
        }
        known = Some(Arc::clone(document.introspector()));
    }
    let error = SourceDiagnostic::error(Span::detached(), "the number of pages does not settle");
    Err(eco_vec![error])
}
