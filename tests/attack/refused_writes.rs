//! While the server refuses writes, nothing of the module's own deletes anything.
