//! Lists that come page by page.

use std::future::Future;

use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};

use super::Pt;
use crate::error::{Result, Step};

/// Items of a page.
pub(super) const AT_ONCE: u64 = 100;
/// Empty pages in a row, with another after them, that are taken for a fault of the server and not for patience.
pub const MAX_EMPTY_PAGES: u32 = 3;

/// One page.
pub(super) struct Paged<'a, T> {
    pub(super) items: Vec<T>,
    /// By what the next is asked for; empty at the end.
    pub(super) next: String,
    pub(super) of: &'a Pt,
    pub(super) step: Step,
}

/// All items of all pages; a page is asked for when the one before has been read. Ends at a cursor that does not move.
pub(super) fn all<'a, T, F>(
    ask: impl FnMut(Option<String>) -> F + Send + 'a,
) -> impl Stream<Item = Result<T>> + Send + 'a
where
    T: Send + 'a,
    F: Future<Output = Result<Paged<'a, T>>> + Send + 'a,
{
    let pages = stream::try_unfold(
        (ask, Some(None), 0),
        |(mut ask, cursor, empty): (_, Option<Option<String>>, u32)| async move {
            let Some(cursor) = cursor else { return Ok(None) };
            let page = ask(cursor.clone()).await?;
            let empty = if page.items.is_empty() { empty + 1 } else { 0 };
            let problem = match () {
                () if page.next.is_empty() => None,
                () if cursor.as_deref() == Some(page.next.as_str()) => Some("the next page is the same page"),
                () if empty >= MAX_EMPTY_PAGES => Some("pages without anything, and no end"),
                () => None,
            };
            if let Some(problem) = problem {
                return Err(page.of.malformed(page.step, problem));
            }
            let next = (!page.next.is_empty()).then_some(Some(page.next));
            Ok::<_, crate::Error>(Some((page.items, (ask, next, empty))))
        },
    );
    pages.map_ok(|items| stream::iter(items.into_iter().map(Ok))).try_flatten().boxed()
}
