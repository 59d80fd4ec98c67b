//! Walking over keys, and looking into one.

use std::{
    borrow::Cow,
    cell::Cell,
    ffi::{c_int, c_void},
    ptr::{NonNull, null_mut},
    slice,
};

use redis_module::raw;
use redis_session_core::ports::{Key, Keyspace, Kind};

use super::{
    call::{Call, CallArgument},
    handle::{Name, Server, api, bytes},
};

/// A walk over the keys of a database, which may pause between its steps.
#[derive(Debug)]
pub struct Cursor(pub(super) NonNull<raw::RedisModuleScanCursor>);

impl Default for Cursor {
    fn default() -> Self {
        // SAFETY: the call takes nothing.
        let cursor = unsafe { api!(RedisModule_ScanCursorCreate()) };
        Self(NonNull::new(cursor).expect("the server aborts rather than to return no cursor"))
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // SAFETY: the cursor came from ScanCursorCreate and is destroyed once, here.
        unsafe { api!(RedisModule_ScanCursorDestroy(self.0.as_ptr())) };
    }
}

/// Who is shown members, with their values if they have any.
type Note<'n> = &'n mut dyn FnMut(&[u8], Option<&[u8]>);

/// Servers keep short strings in a compact form (integers, strings in one piece with their object or key), which direct
/// access would undo for good. None of them does so with longer ones.
const LONGEST_COMPACT: usize = 128;

/// A key open for reading; closed when dropped.
///
/// A command that the module calls meanwhile may delete the key, if it has just expired: in a timer of 7.0 time goes on.
/// So the handle is closed before a call that needs the key, and opened again for whatever is asked after that. A key that is
/// gone by then is empty, and has expired.
#[derive(Debug)]
pub struct OpenKey<'s> {
    handle: Cell<Option<NonNull<raw::RedisModuleKey>>>,
    kind: Kind,
    server: &'s Server,
    name: &'s Name,
}

impl Drop for OpenKey<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

impl Key for OpenKey<'_> {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn size(&self) -> usize {
        let Some(handle) = self.handle().filter(|_| !matches!(self.kind, Kind::Stream | Kind::Other)) else { return 0 };
        // SAFETY: the handle is open.
        unsafe { api!(RedisModule_ValueLength(handle)) }
    }

    fn expires_at(&self) -> Option<u64> {
        let Some(handle) = self.handle() else { return Some(self.server.now()) };
        // SAFETY: the handle is open.
        let moment = unsafe { api!(RedisModule_GetAbsExpire(handle)) };
        u64::try_from(moment).ok()
    }

    fn string(&self) -> Cow<'_, [u8]> {
        if self.kind != Kind::String {
            return Cow::Borrowed(&[]);
        }
        if self.size() <= LONGEST_COMPACT {
            self.close();
            if let Ok(value) = Call::new(c"GET").with(CallArgument::Name(self.name)).run(self.server) {
                return Cow::Owned(value.text());
            }
            // A cluster node that does not serve the slot refuses the command, and lets the key be opened again.
        }
        let Some(handle) = self.handle() else { return Cow::Borrowed(&[]) };
        let mut length = 0;
        let mode = c_int::try_from(raw::REDISMODULE_READ).expect("modes are small");
        // SAFETY: the handle is open and of a string.
        let start = unsafe { api!(RedisModule_StringDMA(handle, &raw mut length, mode)) };
        // SAFETY: the server gives a pointer to `length` bytes, valid until the key is closed or another call changes
        // it; the slice borrows from this value, which closes a handle only for short strings and lists.
        Cow::Borrowed(unsafe { slice::from_raw_parts(start.cast(), length) })
    }

    fn field(&self, field: &[u8]) -> Option<Vec<u8>> {
        let handle = self.handle().filter(|_| self.kind == Kind::Hash)?;
        let field = Name::new(field);
        let mut value: *mut raw::RedisModuleString = null_mut();
        let end: *mut raw::RedisModuleString = null_mut();
        let no_flags = c_int::default();
        // SAFETY: the handle is open and of a hash; the arguments are a field, where its value goes, and the null that
        // ends them.
        unsafe { api!(RedisModule_HashGet(handle, no_flags, field.raw(), &raw mut value, end)) };
        // SAFETY: a value that was found is ours to free.
        NonNull::new(value).map(|value| Name(value).as_ref().to_vec())
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        let handle = self.handle().filter(|_| self.kind == Kind::SortedSet)?;
        let (member, mut score) = (Name::new(member), 0.0);
        // SAFETY: the handle is open and of a sorted set; the arguments are a member, and where its score goes.
        let found = unsafe { api!(RedisModule_ZsetScore(handle, member.raw(), &raw mut score)) };
        (found == super::handle::OK).then_some(score)
    }

    fn fields(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (mut fields, cursor) = (Vec::new(), Cursor::default());
        if self.kind == Kind::Hash {
            let mut note =
                |field: &[u8], value: Option<&[u8]>| fields.push((field.to_vec(), value.unwrap_or_default().to_vec()));
            while self.walk(&cursor, &mut note) {}
        }
        // As members, one may be shown twice.
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    fn members(&self) -> Vec<Vec<u8>> {
        match self.kind() {
            Kind::List => self.elements(),
            kind if kind.is_collection() => self.scan(),
            _ => Vec::new(),
        }
    }
}

impl<'s> OpenKey<'s> {
    /// Takes over a handle that the server opened for reading.
    pub(crate) fn new(handle: NonNull<raw::RedisModuleKey>, server: &'s Server, name: &'s Name) -> Self {
        // SAFETY: the handle is open.
        let kind = unsafe { api!(RedisModule_KeyType(handle.as_ptr())) };
        let kind = match isize::try_from(kind) {
            Ok(raw::REDISMODULE_KEYTYPE_STRING) => Kind::String,
            Ok(raw::REDISMODULE_KEYTYPE_LIST) => Kind::List,
            Ok(raw::REDISMODULE_KEYTYPE_HASH) => Kind::Hash,
            Ok(raw::REDISMODULE_KEYTYPE_SET) => Kind::Set,
            Ok(raw::REDISMODULE_KEYTYPE_ZSET) => Kind::SortedSet,
            Ok(raw::REDISMODULE_KEYTYPE_STREAM) => Kind::Stream,
            _ => Kind::Other,
        };
        Self { handle: Cell::new(Some(handle)), kind, server, name }
    }
}

impl OpenKey<'_> {
    /// The open key; `None` if it is gone, or is another one by now.
    fn handle(&self) -> Option<*mut raw::RedisModuleKey> {
        if self.handle.get().is_none() {
            let again = self.server.open(self.name).filter(|again| again.kind == self.kind);
            self.handle.set(again.and_then(|again| again.handle.take()));
        }
        self.handle.get().map(NonNull::as_ptr)
    }

    fn close(&self) {
        if let Some(handle) = self.handle.take() {
            // SAFETY: the handle came from OpenKey and is closed once, since it was taken away.
            unsafe { api!(RedisModule_CloseKey(handle.as_ptr())) };
        }
    }

    /// The elements of a list.
    pub(super) fn elements(&self) -> Vec<Vec<u8>> {
        self.close();
        let all = [CallArgument::Name(self.name), CallArgument::Bytes(b"0"), CallArgument::Bytes(b"-1")];
        let call = all.into_iter().fold(Call::new(c"LRANGE"), Call::with);
        call.run(self.server).map(|reply| reply.texts()).unwrap_or_default()
    }

    /// The members of a set or sorted set, the fields of a hash.
    fn scan(&self) -> Vec<Vec<u8>> {
        let mut members = Vec::new();
        let cursor = Cursor::default();
        while self.step(&cursor, &mut members) {}
        // A hash table that is being resized may show a member twice.
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Takes one step of a walk over them. `false` when the walk is done.
    pub(super) fn step(&self, cursor: &Cursor, members: &mut Vec<Vec<u8>>) -> bool {
        self.walk(cursor, &mut |member, _| members.push(member.to_vec()))
    }

    /// Takes one step of a walk over them, and shows each with its value, if it has one. `false` when the walk is done.
    fn walk(&self, cursor: &Cursor, mut note: Note<'_>) -> bool {
        unsafe extern "C" fn meet(
            _: *mut raw::RedisModuleKey,
            field: *mut raw::RedisModuleString,
            value: *mut raw::RedisModuleString,
            note: *mut c_void,
        ) {
            // SAFETY: `note` is the closure below, which nothing else uses during the scan; the field is valid, and so is the
            // value, unless it is null.
            unsafe {
                let value = if value.is_null() { None } else { Some(bytes(value)) };
                (*note.cast::<Note<'_>>())(bytes(field), value);
            }
        }
        let Some(handle) = self.handle() else { return false };
        // SAFETY: key and cursor are valid; the callback gets the closure it expects and neither changes the key nor keeps
        // anything.
        unsafe { api!(RedisModule_ScanKey(handle, cursor.0.as_ptr(), Some(meet), (&raw mut note).cast())) != 0 }
    }
}
