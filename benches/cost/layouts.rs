//! Layouts to measure: the built-in one with something changed.

use serde_json::Value;

use crate::format::Format;

const BUILT_IN: &str = include_str!("../../core/src/layouts/easyshare.json");

/// The built-in layout with the data of sockets in this format.
pub fn in_format(format: Format) -> String {
    changed(|layout| {
        let traces = layout["traces"].as_array_mut().expect("a layout has traces");
        let data = traces.iter_mut().find(|trace| trace["key"] == "socket_data:{socketId}");
        data.expect("the built-in layout has this trace")["encoding"] = format.name().into();
    })
}

/// The built-in layout with these commands at a logout, each for the user; none leaves it as it is.
pub fn with_then(commands: &[Vec<String>]) -> String {
    changed(|layout| {
        if !commands.is_empty() {
            let then = |command| serde_json::json!({ "for": "user", "command": command });
            layout["then"] = commands.iter().map(then).collect();
        }
    })
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut layout = serde_json::from_str(BUILT_IN).expect("the built-in layout is JSON");
    change(&mut layout);
    layout.to_string()
}
