//! In a cluster a transaction or script that may be shown one slot alone is refused.
