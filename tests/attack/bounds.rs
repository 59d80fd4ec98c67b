//! Ids, reasons and the layout's file have bounds.
