//! What `INFO session` shows. The server puts `session_` before each name.

use crate::{known::state::Build, ports::Host, session::Ask, tracker::Trust};

/// The fields in their order.
pub fn fields<H: Host>(ask: Ask<'_, H>) -> Vec<(&'static str, String)> {
    let sizes = database_sizes(ask);
    ask.state(|state| {
        let metrics = &state.metrics;
        let builds: Vec<_> = state.databases.iter().map(|database| &database.build).zip(sizes).collect();
        let entries: usize = state.databases.iter().map(|database| database.index.len()).sum();
        let bytes: usize = state.databases.iter().map(|database| database.index.bytes()).sum();
        let (pending_keys, pending_bytes) = state.tracker.size();
        let (report, fence) = (&state.sweeping.report, &state.sweeping.fence);
        vec![
            ("logouts", metrics.logouts.to_string()),
            ("removed_keys", metrics.removed.keys.to_string()),
            ("removed_members", metrics.removed.members.to_string()),
            ("removed_entries", metrics.removed.entries.to_string()),
            ("slowest_logout_usec", metrics.slowest.as_micros().to_string()),
            ("events_sent", metrics.events_sent.to_string()),
            ("events_left_out", metrics.events_left_out.to_string()),
            ("index_state", index_state(state.tracker.trust == Trust::Whole, &builds)),
            ("index_entries", entries.to_string()),
            ("index_bytes", bytes.to_string()),
            ("pending_keys", pending_keys.to_string()),
            ("pending_bytes", pending_bytes.to_string()),
            ("watches_events", u8::from(state.tracker.watches_events).to_string()),
            ("sweeps", report.sweeps.to_string()),
            ("sweeps_running", state.jobs().filter(|job| !job.settles()).count().to_string()),
            ("swept_users", report.users.to_string()),
            ("swept_sockets", report.sockets.to_string()),
            ("last_sweep_start", report.last_start.to_string()),
            ("last_sweep_usec", report.last_duration.as_micros().to_string()),
            ("last_sweep_users", report.last_users.to_string()),
            ("last_sweep_slices", report.last_slices.to_string()),
            ("last_sweep_longest_slice_usec", report.last_longest.as_micros().to_string()),
            ("fence_sockets", fence.len().to_string()),
            ("fence_bytes", fence.bytes().to_string()),
            ("fence_removed_keys", report.fenced.to_string()),
            ("cluster_calls", state.cluster.report.calls.to_string()),
            ("cluster_calls_partial", state.cluster.report.partial.to_string()),
            ("cluster_parts", state.cluster.report.parts.to_string()),
            ("cluster_pending", (state.cluster.pending.len() + state.cluster.pending_under_way()).to_string()),
            ("cluster_completed_late", state.cluster.report.completed.to_string()),
            ("cluster_given_up", state.cluster.report.given_up.to_string()),
            ("mistyped_values", metrics.mistyped.to_string()),
            ("defects", metrics.defects.to_string()),
        ]
    })
}

/// How many keys each database holds.
fn database_sizes<H: Host>(ask: Ask<'_, H>) -> Vec<u64> {
    let databases = ask.state(|state| state.databases.len());
    let _keep = ask.keep_database();
    (0..databases).map(|database| if ask.host.select(database) { ask.host.size() } else { 0 }).collect()
}

/// `ready`, or `building n%` of all keys. A database without a key has nothing to build.
fn index_state<C>(is_trusted: bool, databases: &[(&Build<C>, u64)]) -> String {
    if !is_trusted {
        return "building 0%".to_owned();
    }
    let (mut met, mut all) = (0, 0);
    for (build, size) in databases {
        all += size;
        met += match build {
            Build::Ready => *size,
            Build::Walking(_, met) => *met.min(size),
            Build::Todo | Build::Loading => 0,
        };
    }
    if met >= all { "ready".to_owned() } else { format!("building {}%", met * 100 / all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_ready_when_every_key_was_met() {
        assert_eq!(index_state(true, &[(&Build::<()>::Todo, 0), (&Build::Ready, 5)]), "ready");
        assert_eq!(index_state(true, &[(&Build::<()>::Todo, 5), (&Build::Ready, 5)]), "building 50%");
        assert_eq!(index_state::<()>(true, &[]), "ready");
        assert_eq!(index_state(false, &[(&Build::<()>::Ready, 5)]), "building 0%", "it is about to be built anew");
    }
}
