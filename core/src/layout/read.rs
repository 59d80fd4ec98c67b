//! Reading a layout: from the JSON document to what the rest of the module uses.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{
    By, Entries, Field, Form, Group, Layout, LiveRule, MappedIds, Mapping, Reach, Sockets, Trace, Unsaid, What,
    document::{Document, IdDocument, LiveDocument, MOST_SECONDS, MappingDocument, SocketsDocument, UnitDocument},
    error::{LayoutError, LayoutProblem, one_line, other},
    strict,
    traces::{self, part, pointer, template},
};
use crate::{
    announcement::{Announcement, Hole},
    template::{IdRule, LONGEST_LENGTH, Placeholder, Placeholders, Template},
    then::Then,
};

impl Layout {
    /// Reads and validates a layout.
    ///
    /// # Errors
    /// [`LayoutError`], for anything that is wrong in any way.
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        let document: Document = strict::read_whole(text)?;
        if document.name.is_empty() {
            other("`name` must not be empty")?;
        }
        if document.traces.is_empty() {
            other("`traces` must not be empty; a layout without a trace would never remove anything")?;
        }
        let mut names = read_ids(&document)?;
        let mut traces = Vec::new();
        for (at, raw) in document.traces.iter().enumerate() {
            let read = traces::read(raw.get(), &mut names).map_err(|problem| problem.of_trace(at, raw))?;
            for trace in read {
                if traces.iter().any(|known: &Trace| known.key == trace.key && known.what == trace.what) {
                    return Err(LayoutProblem::Other("the same trace stands twice".into()).of_trace(at, raw));
                }
                traces.push(Trace { number: at, ..trace });
            }
        }
        let sockets = document.sockets.map(|raw| read_sockets(raw.get(), &traces, &mut names)).transpose()?;
        let live = document.live.iter().map(|raw| read_live(raw.get(), &mut names)).collect::<Result<_, _>>()?;
        if let Some(stray) = names.stray() {
            other(format!(
                "`ids` says what {{{stray}}} may hold, and no template has it; mend its name, or leave it out"
            ))?;
        }
        let announce = read_announce(&document.announce, &traces)?;
        let text = text.trim().to_owned();
        let mut texts: Vec<String> = traces.iter().map(|trace| one_line(document.traces[trace.number].get())).collect();
        texts.extend(sockets.as_ref().and_then(|sockets| sockets.of.as_ref()).map(|_| "`sockets.of`".to_owned()));
        let mut layout = Self {
            text,
            name: document.name,
            ids: names,
            traces,
            texts,
            watched: Box::default(),
            direct: Default::default(),
            of_sockets: Box::default(),
            sockets,
            live,
            announce,
            then: Vec::new(),
            has_id: false,
            unsaid: None,
        };
        if let Some(sockets) = &mut layout.sockets {
            let is_data =
                |trace: &Trace| trace.key == sockets.data && (matches!(trace.what, What::Key) || trace.is_users_key());
            let says_whose = |trace: &Trace| matches!(trace.what, What::Owned(_)) && is_data(trace);
            sockets.owned = layout.traces.iter().position(says_whose);
            sockets.data_trace = sockets.owned.or(layout.traces.iter().position(is_data));
            if let Some(mapping) = &mut sockets.of {
                let is_mapping = |trace: &&Trace| matches!(trace.what, What::Key) && trace.key == mapping.key;
                mapping.is_trace = layout.traces.iter().any(|trace| is_mapping(&trace));
                mapping.is_swept = layout.traces.iter().filter(is_mapping).all(|trace| trace.sweep);
            }
        }
        layout.check_that_sockets_are_known(&document.traces)?;
        if layout.tells_live() {
            let sockets = layout.sockets.as_ref();
            layout.traces.iter_mut().for_each(|trace| trace.find_evidence(sockets));
        }
        let is_swept = layout.sweeps_mapping();
        layout.traces.extend(layout.sockets.as_ref().and_then(|sockets| sockets.mapping(is_swept)));
        layout.find_overlaps();
        layout.watched = layout.numbers(Trace::is_watched);
        let direct = |group| layout.numbers(|trace| trace.reach == Reach::Direct && trace.group() == Some(group));
        layout.direct = [Group::UsersKeys, Group::HoldUsers, Group::OfSockets].map(direct);
        layout.of_sockets = layout.numbers(Trace::is_of_socket);
        layout.unsaid = layout.find_unsaid();
        layout.then = layout.read_then(&document.then)?;
        let has_id = layout.then.iter().any(|then| then.holds(Hole::Id));
        layout.has_id = has_id || layout.announce.iter().any(|announcement| announcement.holds(Hole::Id));
        Ok(layout)
    }

    fn numbers(&self, is: impl Fn(&Trace) -> bool) -> Box<[usize]> {
        (0..self.traces.len()).filter(|number| is(&self.traces[*number])).collect()
    }

    /// What is written at a logout. It must not come back as what the next one would remove, or as a sign of life.
    fn read_then(&self, texts: &[&RawValue]) -> Result<Vec<Then>, LayoutProblem> {
        let read = |(at, raw): (usize, &&RawValue)| {
            let about = |error| LayoutProblem::Then(at + 1, one_line(raw.get()), error);
            Then::parse(raw.get(), |key, added| self.keeps_nothing(key) || self.removes_one_of(key, added))
                .map_err(about)
        };
        texts.iter().enumerate().map(read).collect()
    }

    /// Whether one of the texts is a member that a logout removes from the collection of that name.
    fn removes_one_of(&self, key: &[u8], added: &[Vec<u8>]) -> bool {
        self.traces.iter().any(|trace| {
            let What::Members(By::Name(form)) = &trace.what else { return false };
            let bindings = trace.key.matches(key);
            bindings.is_some_and(|bindings| added.iter().any(|text| form.read(&bindings, text).is_some()))
        })
    }

    /// Notes which traces may have a key of the same name as another part of the layout. Names that begin differently are
    /// different.
    fn find_overlaps(&mut self) {
        let vital = self.sockets.iter().map(|sockets| &sockets.data).chain(self.live.iter().map(LiveRule::key));
        let all: Vec<Template> = self.traces.iter().map(|trace| &trace.key).chain(vital).cloned().collect();
        for trace in &mut self.traces {
            let (own, key) = (trace.key.prefix(), &trace.key);
            let begins_alike = |other: &[u8]| other.starts_with(own) || own.starts_with(other);
            trace.may_overlap = all.iter().any(|other| other != key && begins_alike(other.prefix()));
        }
    }

    /// A template from whose names or members a sweep would take an id of which nothing is said.
    fn find_unsaid(&self) -> Option<Unsaid> {
        if !self.tells_live() {
            return None;
        }
        let unsaid = |template: &Template| {
            let mut ids = template.placeholders().iter().copied();
            ids.find(|id| *self.ids.rule(*id) == IdRule::Unsaid).map(|id| self.ids.name(id).to_owned())
        };
        let found = |text: &str, id| Unsaid { text: text.to_owned(), id };
        let of = self.mapping().map(|mapping| ("of", &mapping.key));
        let form = self.mapping().and_then(|mapping| match &mapping.ids {
            MappedIds::Values(Some(form)) => Some(("of.id", form)),
            MappedIds::Values(None) | MappedIds::Elements(_) => None,
        });
        let data = self.sockets.as_ref().map(|sockets| ("data", &sockets.data));
        let of_sockets = of
            .into_iter()
            .chain(form)
            .chain(data)
            .filter_map(|(field, template)| unsaid(template).map(|id| found(&format!("`sockets.{field}`"), id)));
        let takes_ids = |trace: &Trace| trace.sweep && (trace.is_evidence || trace.reach != Reach::Direct);
        let swept = self.traces.iter().zip(&self.texts).filter(|(trace, _)| takes_ids(trace));
        let of_traces = swept.filter_map(|(trace, text)| {
            // A value that is an id and nothing else is taken as it is.
            let is_taken_apart = |form: &&Form| !form.is_plain || trace.names_members();
            let form = trace.form().filter(is_taken_apart);
            let id = unsaid(&trace.key).or_else(|| unsaid(&form?.template))?;
            Some(found(text, id))
        });
        of_traces.chain(of_sockets).next()
    }

    /// What names a socket is nobody's unless something says whose a socket is.
    fn check_that_sockets_are_known(&self, texts: &[&RawValue]) -> Result<(), LayoutError> {
        let says_whose = |t: &Trace| t.is_users_key() && t.key.has(Placeholder::SOCKET);
        if let Some(sockets) = &self.sockets {
            let is_whose = |number: usize| says_whose(&self.traces[number]);
            if sockets.of.is_none() && !sockets.data_trace.is_some_and(is_whose) {
                other(
                    "nothing says whose a socket is: `sockets` needs `of`, or a `key` trace of its data with `owner`",
                )?;
            }
            let is_left = |number: usize| !self.traces[number].sweep;
            if let Some(trace) = sockets.data_trace.filter(|number| sockets.of.is_none() && is_left(*number)) {
                let at = self.traces[trace].number;
                let cause =
                    "a user is live by this key, where `sockets` has no `of`, so no sweep takes it; leave `sweep` out";
                Err(LayoutProblem::Other(cause.into()).of_trace(at, texts[at]))?;
            }
            return Ok(());
        }
        let Some(Trace { number: at, .. }) = self.traces.iter().find(|trace| trace.is_of_socket()) else {
            return Ok(());
        };
        if self.traces.iter().any(says_whose) {
            return Ok(());
        }
        let cause = "it names {socketId}, but nothing says which sockets a user has; add `sockets`, \
                     or a `key` trace with {socketId} in its name and an `owner`";
        Err(LayoutProblem::Other(cause.into()).of_trace(*at, texts[*at]))
    }
}

/// What ids may hold.
fn read_ids(document: &Document<'_>) -> Result<Placeholders, LayoutProblem> {
    let without = |field, bytes: &str| IdRule::without(bytes).map_err(|error| LayoutProblem::Template(field, error));
    let general = document.separator.as_deref().map_or(Ok(IdRule::Unsaid), |bytes| without("separator", bytes))?;
    let rule = |(name, id): (&String, &IdDocument)| {
        let rule = match id {
            IdDocument::Any => IdRule::Any,
            IdDocument::Without(bytes) => without("ids", bytes)?,
            IdDocument::Length(length) if (1..=LONGEST_LENGTH).contains(length) => IdRule::Length(*length),
            IdDocument::Length(_) => return other(format!("`ids`: a length must be 1 to {LONGEST_LENGTH} bytes")),
        };
        Ok((name.clone(), rule))
    };
    let exceptions = document.ids.iter().map(rule).collect::<Result<_, _>>()?;
    Ok(Placeholders::new(general, exceptions))
}

fn read_sockets(text: &str, traces: &[Trace], names: &mut Placeholders) -> Result<Sockets, LayoutProblem> {
    let document: SocketsDocument = strict::read_part(text, "`sockets`")?;
    let of = document.of.map(|of| read_mapping(of, names)).transpose()?;
    let data = template("sockets.data", &document.data, names)?;
    let known = |p: &Placeholder| [Placeholder::USER, Placeholder::SOCKET].contains(p);
    if !data.has(Placeholder::SOCKET) || !data.placeholders().iter().all(known) {
        other("`sockets.data` must hold {socketId}, may hold {userId}, and no other placeholder")?;
    }
    let of_trace = traces.iter().find_map(|trace| match &trace.what {
        What::Owned(owner) if trace.key == data && owner.at.pointer.is_some() => Some(owner.at.encoding.clone()),
        _ => None,
    });
    let encoding = match (&document.encoding, of_trace) {
        (None, Some(of_trace)) => of_trace,
        (said, _) => traces::encoding(said.as_ref())?,
    };
    let part = |name, value: &Option<serde_json::Value>| value.as_ref().map(|v| part(name, v, &encoding)).transpose();
    let (room, name) = (part("sockets.room", &document.room)?, part("sockets.name", &document.name)?);
    Ok(Sockets { of, data, room, name, owned: None, data_trace: None, trusts_mapping: document.trust_mapping })
}

/// A mapping: the name of its key, or an object that also says how ids stand in it.
fn read_mapping(document: serde_json::Value, names: &mut Placeholders) -> Result<Mapping, LayoutProblem> {
    let document = match document {
        serde_json::Value::String(key) => MappingDocument { key, array: None, id: None },
        serde_json::Value::Object(_) => serde_json::from_value(document).map_err(LayoutProblem::Json)?,
        _ => return other("`sockets.of` must be the name of a key, or an object"),
    };
    let key = template("sockets.of", &document.key, names)?;
    if key.placeholders() != [Placeholder::USER] {
        other("`sockets.of` must hold {userId} and no other placeholder")?;
    }
    let ids = match (document.array, document.id) {
        (None, None) => MappedIds::Values(None),
        (None, Some(id)) => {
            let form = Template::parse_member(&id, names, &key)
                .map_err(|error| LayoutProblem::Template("sockets.of.id", error))?;
            let known = |p: &Placeholder| [Placeholder::USER, Placeholder::SOCKET].contains(p);
            if !form.has(Placeholder::SOCKET) || !form.placeholders().iter().all(known) {
                other("`sockets.of.id` must hold {socketId}, may hold {userId}, and no other placeholder")?;
            }
            MappedIds::Values(Some(form))
        }
        (Some(array), Some(id)) => {
            let at = pointer("sockets.of.array", &array)?;
            let id = Field::json(pointer("sockets.of.id", &id)?);
            MappedIds::Elements(Arc::new(Entries::of_ids(at, id, names)))
        }
        (Some(_), None) => {
            return other("`sockets.of` with `array` needs `id`, which says where the id stands in an element");
        }
    };
    Ok(Mapping { key, ids, is_trace: false, is_swept: true })
}

fn read_live(text: &str, names: &mut Placeholders) -> Result<LiveRule, LayoutProblem> {
    let document: LiveDocument = strict::read_part(text, "an item of `live`")?;
    let rule = match document {
        LiveDocument { key: Some(key), scores: None, member: None, within: None, unit: None } => {
            let key = template("live.key", &key, names)?;
            if !key.has(Placeholder::USER) {
                other("`live.key` must hold {userId}")?;
            }
            LiveRule::Key(key)
        }
        LiveDocument { key: None, scores: Some(key), member: Some(member), within: Some(within), unit } => {
            let key = template("live.scores", &key, names)?;
            let member = Template::parse_member(&member, names, &key)
                .map_err(|error| LayoutProblem::Template("live.member", error))?;
            if !key.has(Placeholder::USER) && !member.has(Placeholder::USER) {
                other("`live.member` must hold {userId}")?;
            }
            if !(1..=MOST_SECONDS).contains(&within) {
                other(format!("`live.within` must be 1 to {MOST_SECONDS} seconds"))?;
            }
            let unit = if let Some(UnitDocument::Ms) = unit { 1 } else { 1000 };
            LiveRule::Score { key, member, within: within * 1000, unit }
        }
        _ => return other("an item of `live` is either `key`, or `scores` with `member` and `within`"),
    };
    let members = if let LiveRule::Score { member, .. } = &rule { Some(member) } else { None };
    let is_found =
        members.into_iter().chain([rule.key()]).flat_map(Template::placeholders).all(|id| *id == Placeholder::USER);
    if !is_found {
        other("`live` may hold no placeholder but {userId}: its keys are found by the user's id alone")?;
    }
    Ok(rule)
}

fn read_announce(texts: &[&RawValue], traces: &[Trace]) -> Result<Vec<Announcement>, LayoutProblem> {
    // Only keys that go by their name alone would come back by an entry.
    let goes =
        |name: &[u8]| traces.iter().any(|trace| matches!(trace.what, What::Key) && trace.key.matches(name).is_some());
    let read = |(at, raw): (usize, &&RawValue)| {
        let about = |error| LayoutProblem::Announcement(at + 1, one_line(raw.get()), error);
        Announcement::parse(raw.get(), goes).map_err(about)
    };
    texts.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a document is refused. What is refused for a field that nobody knows, the schema does not know either.
    fn refusal(text: &str) -> String {
        let error = Layout::parse(text).unwrap_err().to_string();
        #[cfg(feature = "schema")]
        if error.contains("unknown field") {
            assert!(crate::layout::schema::tests::satisfies(text).is_err(), "{text}: {error}");
        }
        error
    }

    #[test]
    fn a_mapping_may_be_a_trace_and_may_be_left_alone_by_sweeps() {
        let table = [
            (r#"{"key":"map:{userId}"}"#, (true, true)),
            (r#"{"key":"map:{userId}","sweep":false}"#, (true, false)),
            (r#"{"key":"maps:{userId}","sweep":false}"#, (false, true)),
            (r#"{"members":"map:{x}","member":"{userId}","sweep":false}"#, (false, true)),
        ];
        for (trace, expected) in table {
            let sockets = r#"{"of":"map:{userId}","data":"data:{socketId}"}"#;
            let text = format!(r#"{{"name":"x","separator":":","traces":[{trace}],"sockets":{sockets}}}"#);
            let layout = Layout::parse(&text).unwrap();
            assert_eq!((layout.removes_mapping(), layout.sweeps_mapping()), expected, "{trace}");
        }
        let none = Layout::parse(r#"{"name":"x","traces":[{"key":"a:{userId}"}]}"#).unwrap();
        assert!(none.removes_mapping() && none.sweeps_mapping());
    }

    fn separated() -> Placeholders {
        Placeholders::new(IdRule::without(":").unwrap(), Vec::new())
    }

    #[test]
    fn the_built_in_layout_is_what_the_contract_says() {
        let layout = Layout::easyshare();
        assert_eq!(layout.name, "easyshare");
        let reaches: Vec<Reach> = layout.traces.iter().map(|t| t.reach).collect();
        let mut expected = [Reach::Direct; 17];
        (expected[10], expected[11]) = (Reach::ByName, Reach::ByName);
        (expected[12], expected[14], expected[15]) = (Reach::ByValue, Reach::ByValue, Reach::ByValue);
        assert_eq!(reaches, expected);
        let numbers = |is: fn(&Trace) -> bool| (0..17).filter(|i| is(&layout.traces[*i])).collect::<Vec<_>>();
        assert_eq!(numbers(|trace| !trace.sweep), [14]);
        assert_eq!(numbers(|trace| trace.is_evidence), [0, 10, 11, 12, 13, 16]);
        assert_eq!(*layout.watched, [10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(layout.unsaid, None);
        assert!(layout.traces.iter().all(|trace| !trace.may_overlap));
        assert_eq!(layout.announce.len(), 2);
        assert!(layout.sockets.is_some_and(|s| s.room.is_some() && s.name.is_some()));
    }

    #[test]
    fn a_key_is_direct_only_if_the_ids_alone_make_its_name() {
        let table = [
            (r#"{"key":"a:{userId}"}"#, Reach::Direct),
            (r#"{"key":"a:{userId}:{socketId}"}"#, Reach::ByName),
            (r#"{"key":"{tenant}:{userId}"}"#, Reach::ByName),
            (r#"{"key":"current","owner":"/u"}"#, Reach::Direct),
            (r#"{"key":"a:{userId}:{x}","owner":{"field":"u"}}"#, Reach::ByValue),
            (r#"{"members":"all","member":"{userId}"}"#, Reach::Direct),
            (r#"{"members":"of:{userId}","member":"{socketId}"}"#, Reach::Direct),
            (r#"{"members":"of:{socketId}","member":"{socketId}"}"#, Reach::Direct),
            (r#"{"members":"of:{socketId}","member":"{userId}"}"#, Reach::ByValue),
            (r#"{"members":"room:{roomId}","member":"{roomId}/{userId}"}"#, Reach::ByValue),
            (r#"{"members":"room:{roomId}:{userId}","member":"{socketId}"}"#, Reach::ByName),
            (r#"{"members":"of:{userId}","member":"{socketId}@{userId}"}"#, Reach::Direct),
            (r#"{"members":"of:{socketId}","member":"{socketId}@{userId}"}"#, Reach::ByValue),
            (r#"{"entries":"rooms","array":"","owner":""}"#, Reach::Direct),
            (r#"{"key":"a:{x}","owner":{"raw":true,"is":"{socketId}"}}"#, Reach::ByValue),
            (r#"{"key":"a:{x}:{userId}","owner":{"raw":true,"is":"{socketId}"}}"#, Reach::ByName),
            (r#"{"entries":"of:{userId}","array":"","owner":{"pointer":"","is":"{socketId}"}}"#, Reach::Direct),
            (r#"{"entries":"of:{x}:{userId}","object":"","member":"{socketId}"}"#, Reach::ByName),
            (r#"{"members":"user:{userId}","member":"online"}"#, Reach::Direct),
            (r#"{"members":"of:{userId}","member":"{device}"}"#, Reach::Direct),
            (r#"{"members":"devices","member":"{userId}:{device}"}"#, Reach::ByValue),
            (r#"{"members":"sockets","owner":"/user_id"}"#, Reach::ByValue),
            (r#"{"members":"sockets:{userId}","owner":"/user_id"}"#, Reach::Direct),
        ];
        for (text, expected) in table {
            let [trace] = &*traces::read(text, &mut separated()).unwrap() else { panic!("{text}") };
            assert_eq!(trace.reach, expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_layout_is_refused_with_trace_and_cause() {
        let whole = [
            ("", "EOF while parsing"),
            ("{", "EOF while parsing"),
            (r#"{"name":"x"}"#, "missing field `traces`"),
            (r#"{"name":"","traces":[]}"#, "`name` must not be empty"),
            (r#"{"name":"x","traces":[]}"#, "`traces` must not be empty"),
            (r#"{"name":"x","traces":[],"sweeps":1}"#, "unknown field `sweeps`"),
            (r#"{"name":"x","traces":[],"separator":""}"#, "`traces` must not be empty"),
            (r#"{"name":"x","traces":[],"ids":{"userId":"some"}}"#, "unknown variant `some`"),
            (
                r#"{"name":"x","traces":[{"key":"a:{userId}"}],"separator":""}"#,
                "`separator`: a template must not be empty",
            ),
            (r#"{"name":"x","traces":[{"key":"a:{userId}"}],"separator":"\\x"}"#, r"`separator`: '\x' is no escape"),
            (
                r#"{"name":"x","traces":[{"key":"a:{userId}"}],"ids":{"userId":{"length":0}}}"#,
                "a length must be 1 to 65536 bytes",
            ),
            (r#"{"name":"x","traces":[{"key":"a:{userId}"}],"ids":{"user":"any"}}"#, "no template has it"),
            (r#"{"name":"x","traces":[],"sw\n\u0000ps":1}"#, r"unknown field `sw\n\u{0}ps`"),
        ];
        for (text, expected) in whole {
            let error = refusal(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        let traces = [
            (r#"{"key":"a"}"#, "`key` must hold {userId}"),
            (r#"{"key":"a:{userId}","ownr":"/x"}"#, "unknown field `ownr`"),
            (r#"{"key":"a:{userId"}"#, "`key`: '{' without '}'"),
            (r#"{"key":"a:{userId}","member":"x"}"#, "a trace is either"),
            (r#"{"members":"a"}"#, "a trace is either"),
            ("{}", "a trace is either"),
            (r#"{"members":"a","member":"x"}"#, "`member` must hold {userId} or {socketId}, unless"),
            (r#"{"key":"a:{userId}:{roomId}"}"#, "`key`: a name could be read in two ways"),
            (r#"{"members":"a:{roomId}:{x}","member":"{userId}"}"#, "`members`: a name could be read in two ways"),
            (r#"{"members":"a","member":"{userId}:{roomId}"}"#, "`member`: a name could be read in two ways"),
            (
                r#"{"members":"a:{socketId}","member":"{userId}:{roomId}:{socketId}"}"#,
                "`member`: a name could be read in two ways",
            ),
            (r#"{"members":"a","member":"{userId}:{socketId}"}"#, "`member`: a name could be read in two ways"),
            (r#"{"members":"a","member":"{socketId}"}"#, "nothing says which sockets a user has"),
            (r#"{"entries":"a","array":"x","owner":"/u"}"#, "`array`: a JSON pointer must be empty or begin with '/'"),
            (r#"{"entries":"a","array":"/x","owner":{"field":"u"}}"#, "takes no `field`"),
            (r#"{"entries":"a","array":"/x","owner":{"raw":true}}"#, "\"\" is the whole element"),
            (r#"{"entries":"a","array":"/x","object":"/x","owner":"/u"}"#, "a trace is either"),
            (r#"{"entries":"a","array":"/x","member":"{userId}"}"#, "elements of an array are told by their `owner`"),
            (r#"{"entries":"a","object":"/x","owner":"/u","member":"{userId}"}"#, "a trace is either"),
            (r#"{"entries":"a","object":"/x","member":"x"}"#, "`member` must hold {userId} or {socketId}, unless"),
            (r#"{"entries":"a","array":"/x","owner":"/u","empty":"keep"}"#, "unknown variant `keep`"),
            (r#"{"entries":"a","array":"/x","owner":"/u","set":{}}"#, "must hold a value besides times"),
            (r#"{"entries":"a","array":"/x","owner":"/u","set":{"/t":"{now}"}}"#, "must hold a value besides times"),
            (r#"{"entries":"a","array":"/x","owner":"/u","set":{"/o":"{roomId}"}}"#, "may hold {now} and {userId}"),
            (r#"{"entries":"a","array":"/x","owner":"/u","set":{"/*":1}}"#, "takes no step `*`"),
            (r#"{"entries":"a","array":"/x","owner":"/u","set":{"/o":1,"/o/t":2}}"#, "a value within another one"),
            (r#"{"entries":"a","array":"/x","owner":"/u","set":{"o":1}}"#, "`set`: a JSON pointer"),
            (r#"{"entries":"a","array":"/x","owner":"/u","set":{"/o":1},"empty":"delete"}"#, "`empty` has no meaning"),
            (r#"{"key":"a:{userId}","set":{"/o":1}}"#, "a trace is either"),
            (r#"{"members":"a","member":"{userId}","owner":"/u"}"#, "a trace is either"),
            (r#"{"members":"a","member":[]}"#, "`member` must not be an empty list"),
            (r#"{"members":"a","member":["{userId}","x"]}"#, "`member` must hold {userId} or {socketId}, unless"),
            (r#"{"members":"a","member":["{userId}","{userId}"]}"#, "the same trace stands twice"),
            (r#"{"members":"a","owner":{"field":"u"}}"#, "takes no `field`"),
            (r#"{"key":"a:{x}","owner":{}}"#, "`owner` must be a JSON pointer, or an object"),
            (r#"{"key":"a:{x}","owner":{"raw":false}}"#, "`owner` must be a JSON pointer, or an object"),
            (r#"{"key":"a:{x}","owner":{"raw":true,"pointer":"/a"}}"#, "`owner` must be a JSON pointer, or an object"),
            (r#"{"key":"a:{x}","owner":{"raw":true,"field":"a"}}"#, "`owner` must be a JSON pointer, or an object"),
            (r#"{"key":"a:{x}","owner":{"raw":true,"is":"u"}}"#, "`is` must hold {userId} or {socketId}"),
            (r#"{"key":"a:{userId}:b","owner":{"raw":true,"is":"u"}}"#, "`is` must hold {userId} or {socketId}"),
            (r#"{"key":"a:{x}","owner":{"raw":true,"is":"{a}:{userId}"}}"#, "`is`: a name could be read in two ways"),
            (r#"{"key":"a:{x}","owner":"/u","encoding":"bson"}"#, "`encoding`: 'bson' is no encoding; there are"),
            (
                r#"{"key":"a:{x}","owner":"/u","encoding":["base64"]}"#,
                "`encoding`: after 'base64' write what is inside it",
            ),
            (r#"{"key":"a:{x}","owner":"/u","encoding":[]}"#, "`encoding`: an encoding names at least one format"),
            (r#"{"key":"a:{x}","owner":{"field":"u"},"encoding":"msgpack"}"#, "`encoding` says how a value is read"),
            (r#"{"key":"a:{userId}","encoding":"msgpack"}"#, "`encoding` says how a value is read"),
            (r#"{"entries":"a","array":"","owner":"","encoding":"msgpack"}"#, "entries are always JSON"),
            (r#"{"key":"a:{x}","owner":{"raw":true,"is":"{socketId}"}}"#, "nothing says which sockets a user has"),
            (r#"{"key":"a","owner":7}"#, "`owner` must be a JSON pointer"),
            (r#"{"key":"ok:{userId}"}"#, "the same trace stands twice"),
        ];
        for (trace, expected) in traces {
            let text = format!(r#"{{"name":"x","traces":[{{"key":"ok:{{userId}}"}}, {trace}]}}"#);
            let error = refusal(&text);
            assert!(error.starts_with(&format!("trace 2 {trace}: ")) && error.contains(expected), "{trace}: {error}");
        }
        let sockets = [
            (r#"{"of":"a","data":"b:{socketId}"}"#, "`sockets.of` must hold {userId}"),
            (r#"{"of":"a:{userId}","data":"b:{userId}"}"#, "`sockets.data` must hold {socketId}"),
            (r#"{"of":"a:{userId}","data":"{x}"}"#, "`sockets.data` must hold {socketId}"),
            (r#"{"of":"a:{userId}","data":"b:{socketId}","room":"x"}"#, "`sockets.room`: a JSON pointer"),
            (r#"{"of":"a:{userId}","data":"b:{socketId}","room":{"pointer":"/x","is":"{userId}"}}"#, "takes no `is`"),
            (r#"{"of":"a:{userId}"}"#, "missing field `data`"),
            (r#"{"of":"a:{userId}","data":"b:{socketId}","rooms":"/r"}"#, "unknown field `rooms`"),
            (r#"{"of":{"key":"a:{userId}","field":"b"},"data":"b:{socketId}"}"#, "unknown field `field`"),
            (r#"{"of":"a:{userId}","data":"b:{socketId}","trustMapping":1}"#, "expected a boolean"),
        ];
        for (sockets, expected) in sockets {
            let text = format!(r#"{{"name":"x","traces":[{{"key":"ok:{{userId}}"}}],"sockets":{sockets}}}"#);
            let error = refusal(&text);
            assert!(error.contains(expected), "{sockets}: {error}");
        }
    }
}
