//! What a client sends that the server refuses makes the module hold nothing and do nothing, and what is held is bounded.
