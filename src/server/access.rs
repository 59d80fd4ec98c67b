//! What a caller may do, by the server's access control.
//!
//! A user has one rule or several: what it may do itself, and its selectors. The server lets a command pass if one of them
//! permits it together with all of its keys. The module's commands name no keys, but for the one of `SESSION.EXPLAIN`, so the
//! same is asked here, of the command as it was called and the keys that it turns out to be about.
//!
//! The module interface only says whether *any* rule permits something. So each rule of a user with selectors becomes an
//! [`Account`] of its own, which is in no list of the server's: nobody sees it or can log in as it.

use std::{ffi::CString, ptr::NonNull, rc::Rc};

use redis_module::raw;
use redis_session_core::ports::{Access, Host, May, Permissions};

use super::handle::{Name, OK, Server, api};
use crate::threads::MainThread;

/// Who called a command, and the command: enough to ask later what the caller may do then.
#[derive(Debug)]
pub struct Summons {
    user: Name,
    command: Vec<Name>,
}

impl Summons {
    /// The command of a user on another node.
    pub(super) fn new(user: &[u8], command: &[Vec<u8>]) -> Self {
        Self { user: Name::new(user), command: command.iter().map(|word| Name::new(word)).collect() }
    }
}

/// Whether the server has a user of this name who is not disabled.
pub(super) fn is_enabled(user: &Name) -> bool {
    // `ACL LIST` words flags first.
    Account::of(user).is_some_and(|account| {
        let description = account.description();
        description.as_ref().split(|byte| *byte == b' ').next() == Some(b"on")
    })
}

impl Server {
    /// What the caller of the command in this context may do.
    pub(super) fn asking(&self) -> Caller {
        self.user_name().map_or_else(Caller::anybody, |user| self.caller_by(&user, self.arguments()))
    }

    /// The command in this context with its caller, to ask again in a later one; `None` for a caller without a user.
    pub(super) fn summoned(&self) -> Option<Summons> {
        let user = self.user_name()?;
        // SAFETY: a command's arguments are valid strings, and this is the main thread.
        let command = self.arguments().iter().map(|argument| unsafe { Name::share(*argument) }).collect();
        Some(Summons { user, command })
    }

    /// What the caller of a command may do at this moment, in the selected database. Not to be kept: the server may change
    /// users, and delete them.
    pub(super) fn asking_later(&self, summons: Option<&Summons>) -> Caller {
        let Some(Summons { user, command }) = summons else { return Caller::anybody() };
        let command: Vec<_> = command.iter().map(Name::raw).collect();
        match self.caller_by(user, &command) {
            // When the command was called the server asked, and the rules may be others now.
            Caller(CallerKind::AllKeys(account) | CallerKind::OneRule(account))
                if !account.permits_command(&command) =>
            {
                Caller(CallerKind::Nobody)
            }
            caller => caller,
        }
    }

    fn caller_by(&self, user: &Name, command: &[*mut raw::RedisModuleString]) -> Caller {
        let Some(account) = Account::of(user) else { return Caller(CallerKind::Nobody) };
        let description = account.description();
        if !has_selectors(description.as_ref()) {
            let has_all_keys = has_all_keys(description.as_ref());
            return Caller(if has_all_keys { CallerKind::AllKeys(account) } else { CallerKind::OneRule(account) });
        }
        let database = Host::database(self);
        let mut rules = rules(description);
        rules.retain(|rule| rule.permits_command(command, database));
        Caller(CallerKind::Rules(rules))
    }
}

/// The access control user of a command's caller.
#[derive(Debug)]
pub struct Caller(CallerKind);

#[derive(Debug)]
enum CallerKind {
    /// One without a user, such as the server itself or another module, who may do anything.
    Anybody,
    /// One whose user was deleted meanwhile, who may do nothing.
    Nobody,
    /// One without selectors who may do anything with any key: the server has asked whether the command is permitted.
    AllKeys(Account),
    /// Another one without selectors.
    OneRule(Account),
    /// One with selectors: the rules that permit the command.
    Rules(Vec<Rc<Rule>>),
}

impl Caller {
    /// Somebody who may do anything: the server itself.
    pub fn anybody() -> Self {
        Self(CallerKind::Anybody)
    }
}

impl Permissions for Caller {
    type Name = Name;

    fn permit(&self, asks: &dyn Fn(May<'_, Name>) -> bool) -> bool {
        match &self.0 {
            CallerKind::Anybody | CallerKind::AllKeys(_) => asks(&|_, _| true),
            CallerKind::Nobody => false,
            CallerKind::OneRule(account) => asks(&|name, access| account.permits(name, access)),
            CallerKind::Rules(rules) => {
                rules.iter().any(|rule| asks(&|name, access| rule.account.permits(name, access)))
            }
        }
    }

    fn permits_everything(&self) -> bool {
        matches!(self.0, CallerKind::Anybody | CallerKind::AllKeys(_))
    }
}

/// A handle on one of the server's users, or a user of the module's own.
#[derive(Debug)]
struct Account(NonNull<raw::RedisModuleUser>);

impl Account {
    /// The server's user of that name, while this call lasts: the server may delete it afterwards.
    fn of(name: &Name) -> Option<Self> {
        // SAFETY: the name is a valid string; the handle returned is ours to free, or null if there is no such user.
        NonNull::new(unsafe { api!(RedisModule_GetModuleUserFromUserName(name.raw())) }).map(Self)
    }

    /// A user that may do nothing yet.
    fn new() -> Self {
        // SAFETY: the name is copied. The server puts the user in none of its lists.
        let user = unsafe { api!(RedisModule_CreateModuleUser(c"session rule".as_ptr())) };
        Self(NonNull::new(user).expect("the server aborts rather than to return no user"))
    }

    /// Sets one thing that the user may do, worded as for `ACL SETUSER`; `false` if the server does not know it.
    fn set(&self, operation: &[u8]) -> bool {
        let Ok(operation) = CString::new(operation) else { return false };
        // SAFETY: the handle is valid; the server reads the text and keeps nothing of it.
        unsafe { api!(RedisModule_SetModuleUserACL(self.0.as_ptr(), operation.as_ptr())) == OK }
    }

    /// All that the user may do, as `ACL LIST` words it. The server keeps the string as long as the user stays as it is,
    /// and makes another one after that.
    fn description(&self) -> Name {
        // SAFETY: the handle is valid; one reference to the string returned is ours to give back.
        let text = unsafe { api!(RedisModule_GetModuleUserACLString(self.0.as_ptr())) };
        Name(NonNull::new(text).expect("every user has a description"))
    }

    fn permits(&self, name: &Name, access: Access) -> bool {
        let flag = match access {
            Access::Read => raw::REDISMODULE_CMD_KEY_ACCESS,
            Access::Delete => raw::REDISMODULE_CMD_KEY_DELETE,
            Access::Update => raw::REDISMODULE_CMD_KEY_UPDATE,
        };
        let flag = i32::try_from(flag).expect("key flags are small");
        // SAFETY: the handle and the name are valid.
        unsafe { api!(RedisModule_ACLCheckKeyPermissions(self.0.as_ptr(), name.raw(), flag)) == OK }
    }

    /// Whether the user may run a command with these arguments, its name first.
    fn permits_command(&self, command: &[*mut raw::RedisModuleString]) -> bool {
        // Of no arguments at all the server would read the first.
        let Ok(count @ 1..) = i32::try_from(command.len()) else { return false };
        // SAFETY: the handle and all arguments are valid strings; the server changes none of them.
        unsafe {
            api!(RedisModule_ACLCheckCommandPermissions(self.0.as_ptr(), command.as_ptr().cast_mut(), count)) == OK
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // SAFETY: the handle is freed once, here. Of one of the server's users the server frees the handle alone.
        unsafe { api!(RedisModule_FreeModuleUser(self.0.as_ptr())) };
    }
}

/// One selector of a user, or what the user may do beside its selectors.
#[derive(Debug)]
struct Rule {
    account: Account,
    /// The databases that it is for; `None` for all. Kept here, because Valkey answers modules as if there were none.
    databases: Option<Vec<usize>>,
}

impl Rule {
    /// The rule of these operations; `None` if they are not understood, so that it permits nothing.
    fn new(operations: &[&[u8]]) -> Option<Self> {
        let (account, mut databases) = (Account::new(), None);
        for operation in operations {
            match *operation {
                b"resetdbs" => databases = Some(Vec::new()),
                [b'd', b'b', b'=', list @ ..] => databases = Some(numbers(list)?),
                // A password's hash.
                [b'#', ..] => {}
                // A command of a module that was unloaded since is nothing that could be asked for.
                [b'+' | b'-', ..] => _ = account.set(operation),
                _ if account.set(operation) => {}
                _ => return None,
            }
        }
        Some(Self { account, databases })
    }

    fn permits_command(&self, command: &[*mut raw::RedisModuleString], database: usize) -> bool {
        self.databases.as_ref().is_none_or(|databases| databases.contains(&database))
            && self.account.permits_command(command)
    }
}

fn numbers(list: &[u8]) -> Option<Vec<usize>> {
    str::from_utf8(list).ok()?.split(',').map(|number| number.parse().ok()).collect()
}

/// Whether a user of this description has selectors. No other part of one begins with a parenthesis.
fn has_selectors(description: &[u8]) -> bool {
    // Most hold no parenthesis at all, which is found sooner.
    description.contains(&b'(') && description.windows(2).any(|pair| pair == b" (")
}

/// Whether a user of this description, without selectors, may read and write all keys.
fn has_all_keys(description: &[u8]) -> bool {
    description.split(|byte| *byte == b' ').any(|part| part == b"~*")
}

/// The operations of each rule in a user's description: first what stands beside the selectors. Patterns hold no spaces, so
/// that spaces stand between operations alone. `None` if that is not how the description is.
fn operations(description: &[u8]) -> Option<Vec<Vec<&[u8]>>> {
    let mut rules = vec![Vec::new()];
    for part in description.split(|byte| *byte == b' ').filter(|part| !part.is_empty()) {
        let operation = part.strip_prefix(b"(");
        if operation.is_some() {
            rules.push(Vec::new());
        }
        rules.last_mut()?.push(operation.unwrap_or(part));
    }
    for selector in rules.iter_mut().skip(1) {
        let last = selector.last_mut()?;
        *last = last.strip_suffix(b")")?;
    }
    Some(rules)
}

/// The rules of a user who was described so.
#[derive(Debug)]
struct Known {
    description: Name,
    rules: Vec<Rc<Rule>>,
}

/// The most users whose rules are kept, because to free an account the server looks at all clients.
const MOST_KNOWN: usize = 64;

/// What was asked for last stands last.
static KNOWN: MainThread<Vec<Known>> = MainThread::new(Vec::new());

/// The rules of a user, by its description. While that string is kept here no other one is at its address, and the server
/// never changes one: so the same address means the same rules.
fn rules(description: Name) -> Vec<Rc<Rule>> {
    let known = KNOWN.with(|known| {
        let at = known.iter().position(|known| known.description.raw() == description.raw())?;
        known[at..].rotate_left(1);
        known.last().map(|known| known.rules.clone())
    });
    known.unwrap_or_else(|| {
        let operations = operations(description.as_ref()).unwrap_or_default();
        let rules: Vec<_> = operations.iter().filter_map(|rule| Rule::new(rule).map(Rc::new)).collect();
        let surplus = KNOWN.with(|known| {
            known.push(Known { description, rules: rules.clone() });
            (known.len() > MOST_KNOWN).then(|| known.remove(0))
        });
        drop(surplus);
        rules
    })
}

/// Gives all accounts back; the module's code is about to go.
pub(crate) fn forget() {
    drop(KNOWN.with(std::mem::take));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_taken_apart_where_no_pattern_can_be() {
        let table: [(&str, Option<&[&str]>); 8] = [
            ("on nopass ~* &* +@all", Some(&["on|nopass|~*|&*|+@all"])),
            ("on #ab ~(x resetchannels -@all", Some(&["on|#ab|~(x|resetchannels|-@all"])),
            ("off -@all (~a %R~b) -@all +get)", Some(&["off|-@all", "~a|%R~b)|-@all|+get"])),
            ("off -@all (~a) %R~b( -@all +get)", Some(&["off|-@all", "~a)|%R~b(|-@all|+get"])),
            ("off -@all (~a -@all) (%W~b) +@all)", Some(&["off|-@all", "~a|-@all", "%W~b)|+@all"])),
            ("off db=0,2 -@all (resetdbs +@all)", Some(&["off|db=0,2|-@all", "resetdbs|+@all"])),
            ("off -@all (+@all", None),
            ("", Some(&[""])),
        ];
        for (description, expected) in table {
            let shown = operations(description.as_bytes()).map(|rules| {
                let text = |rule: &Vec<&[u8]>| str::from_utf8(&rule.join(&b'|')).unwrap().to_owned();
                rules.iter().map(text).collect::<Vec<_>>()
            });
            let expected = expected.map(|rules| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>());
            assert_eq!(shown, expected, "{description}");
            assert_eq!(has_selectors(description.as_bytes()), description.contains(" ("), "{description}");
        }
        let all = ["on nopass ~* &* +@all", "~*"].map(|description| has_all_keys(description.as_bytes()));
        let some =
            ["on ~*:* %R~* -@all", "off ~a* ~** +@all", ""].map(|description| has_all_keys(description.as_bytes()));
        assert_eq!((all, some), ([true; 2], [false; 3]));
        assert_eq!((numbers(b"0,12"), numbers(b"1,x"), numbers(b"-1")), (Some(vec![0, 12]), None, None));
    }
}
