//! Dead sockets of users who go on with another one: they go as by a logout of that socket.

use super::{
    context::{Cause, LogoutContext},
    logout,
};
use crate::{
    error::Error,
    plan::{Detail, Scope},
    ports::Host,
    session::Ask,
};

/// Logs a dead socket out, but for traces that a sweep leaves alone. Says whether there was anything to remove.
///
/// # Errors
/// [`Error::NoPermission`].
pub fn log_out<H: Host>(
    ask: Ask<'_, H>,
    user: &[u8],
    socket: &[u8],
    caller: &H::Caller,
    cause: Cause,
) -> Result<bool, Error> {
    let began = ask.host.instant();
    let plan = logout::plan_now(ask, user, Detail::Sweep);
    if !plan.is_dead(socket) {
        return Ok(false);
    }
    let context = LogoutContext { scope: Scope::Socket, ..LogoutContext::user(cause, began) };
    let checked = logout::check(ask, plan.narrowed(socket), &context, caller, false)?;
    Ok(logout::log_out(ask, &checked, context).total() > 0)
}
