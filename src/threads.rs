//! What makes a static of the main thread alone: the module's state lives in such.

use std::cell::RefCell;

/// A value that only the server's main thread uses.
#[derive(Debug)]
pub struct MainThread<T>(RefCell<T>);

// SAFETY: the server calls modules on its main thread alone (or on another while the main thread waits for it), and this
// module starts no thread; so there is never more than one thread at a time here. In unit tests each test has its own value.
unsafe impl<T> Sync for MainThread<T> {}

impl<T> MainThread<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Works on the value. `work` must not call into the server, which may call back into the module.
    ///
    /// # Panics
    /// If called from within `work`: a defect, which the border catches.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.borrow_mut())
    }
}
