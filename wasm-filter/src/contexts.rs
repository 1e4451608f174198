//! What the proxy calls a context: a configured filter, or one request.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::filter::Filter;
use crate::stream::Stream;
use crate::table::Table;

thread_local! {
    static CONTEXTS: RefCell<Table<u32, Context>> = RefCell::default();
    /// How many of them are filters.
    static FILTERS: Cell<usize> = const { Cell::new(0) };
}

/// What events of the proxy are about.
#[derive(Clone, Debug)]
enum Context {
    /// A configured filter.
    Filter(Rc<Filter>),
    /// One request.
    Stream(Rc<Stream>),
}

/// Makes a context: a filter, or a request for the filter that is its parent.
pub(crate) fn create(id: u32, parent: u32) {
    let context = if parent == 0 {
        FILTERS.set(FILTERS.get() + 1);
        Context::Filter(Rc::new(Filter::new(id)))
    } else if let Some(filter) = filter(parent) {
        Context::Stream(Rc::new(Stream::new(id, filter)))
    } else {
        return;
    };
    CONTEXTS.with(|contexts| {
        if let Ok(mut contexts) = contexts.try_borrow_mut() {
            contexts.insert(id, context);
        }
    });
}

/// Forgets a context.
pub(crate) fn delete(id: u32) {
    // It is dropped when the table can be used again.
    let context = CONTEXTS
        .with(|contexts| contexts.try_borrow_mut().ok().and_then(|mut contexts| contexts.remove(&id)));
    if let Some(Context::Filter(_)) = context {
        FILTERS.set(FILTERS.get().saturating_sub(1));
    }
}

/// Whether a request may pass several filters of this virtual machine.
pub(crate) fn has_several_filters() -> bool {
    FILTERS.get() > 1
}

/// The filter of that number.
pub(crate) fn filter(id: u32) -> Option<Rc<Filter>> {
    match find(id)? {
        Context::Filter(filter) => Some(filter),
        Context::Stream(_) => None,
    }
}

/// The request of that number.
pub(crate) fn stream(id: u32) -> Option<Rc<Stream>> {
    match find(id)? {
        Context::Stream(stream) => Some(stream),
        Context::Filter(_) => None,
    }
}

/// The table is free while the context is used: whatever the proxy does meanwhile finds it.
fn find(id: u32) -> Option<Context> {
    CONTEXTS.with(|contexts| contexts.try_borrow().ok()?.get(&id).cloned())
}
