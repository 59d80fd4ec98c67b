//! A caller without rights learns of nobody whether there are traces.
