//! Looking at keys, for the index.

use std::cell::OnceCell;

use crate::{
    known::findings::Findings,
    layout::Layout,
    plan::{Presence, Sought},
    ports::Host,
    session::Ask,
};

/// Notes what was found, if it is time to.
pub fn note_if_many<H: Host>(ask: Ask<'_, H>, findings: &mut Findings) {
    if findings.are_many() {
        let mut taken = std::mem::take(findings);
        *findings = ask.state(|state| {
            taken.note(state);
            taken
        });
    }
}

/// Notes what is left.
pub fn note<H: Host>(ask: Ask<'_, H>, mut findings: Findings) {
    ask.state(|state| {
        findings.note(state);
        state.findings = findings;
    });
}

/// Looks at a key of the selected database that is there.
pub fn look_at_certain<H: Host>(ask: Ask<'_, H>, layout: &Layout, findings: &mut Findings, name: &[u8]) {
    let sought = Sought { name, member: None, presence: Presence::Certain, is_vital: false };
    // Few have to be opened.
    let own = OnceCell::new();
    findings.look_at(layout, sought, &|| ask.host.open(own.get_or_init(|| ask.host.name(name))));
    note_if_many(ask, findings);
}
