use super::*;

fn without(bytes: &str) -> IdRule {
    IdRule::without(bytes).unwrap()
}

fn separated() -> Placeholders {
    Placeholders::new(without(":"), Vec::new())
}

fn parse(text: &str, mut names: Placeholders) -> Result<Template, TemplateError> {
    Template::parse(text, &mut names)
}

fn bound<'n>(template: &Template, name: &'n [u8]) -> Option<Vec<&'n [u8]>> {
    let bindings = template.matches(name)?;
    Some(template.placeholders().iter().map(|p| bindings.get(*p).unwrap()).collect())
}

#[test]
fn a_name_is_read_in_the_one_way_that_the_layout_leaves() {
    let any_user = Placeholders::new(without(":"), vec![("userId".to_owned(), IdRule::Any)]);
    let fixed = Placeholders::new(IdRule::Any, vec![("userId".to_owned(), IdRule::Length(3))]);
    let table: &[(&str, Placeholders, &str, Option<&[&str]>)] = &[
        ("user:{userId}", separated(), "user:7", Some(&["7"])),
        ("user:{userId}", separated(), "user:", None),
        ("user:{userId}", separated(), "user:7:profile", None),
        ("user:{userId}", any_user.clone(), "user:7:profile", Some(&["7:profile"])),
        ("user:{userId}", Placeholders::default(), "user:7:profile", Some(&["7:profile"])),
        // They differ behind the bytes that are compared at once.
        ("user_presence:{userId}", separated(), "user_presence:7", Some(&["7"])),
        ("user_presence:{userId}", separated(), "user_presents:7", None),
        ("user_presence:{userId}", separated(), "user_pre", None),
        ("active_users", separated(), "active_usage", None),
        ("typing:{roomId}:{userId}", separated(), "typing:a:b", Some(&["a", "b"])),
        ("typing:{roomId}:{userId}", separated(), "typing:a:b:c", None),
        ("typing:{roomId}:{userId}", separated(), "typing::b", None),
        ("typing:{roomId}:{userId}", separated(), "typing:a:", None),
        ("typing:{roomId}:{userId}", any_user.clone(), "typing:a:b:c", Some(&["a", "b:c"])),
        ("typing:{userId}:{roomId}", any_user.clone(), "typing:a:b:c", Some(&["a:b", "c"])),
        ("s:{userId}:{socketId}:{roomId}", any_user, "s:f:8e0c:jdoe:s1:r", Some(&["f:8e0c:jdoe", "s1", "r"])),
        ("{userId}:{b}", fixed.clone(), ":::::", Some(&[":::", ":"])),
        ("{b}-{userId}", fixed, "a-b--c-", Some(&["a-b", "-c-"])),
        ("{a}-{b}-end", Placeholders::new(without("-"), Vec::new()), "1-2-end", Some(&["1", "2"])),
        ("{a}x:y{b}", separated(), "xx:yy:", None),
        ("{a}x:y{b}", separated(), "xx:yy", Some(&["x", "y"])),
        ("u:{{{userId}}}:s", separated(), "u:{7}:s", Some(&["7"])),
        ("active", separated(), "active", Some(&[])),
        ("active", separated(), "active2", None),
        ("é:{userId}:é", separated(), "é:7:é", Some(&["7"])),
        ("{userId}", Placeholders::default(), "anything:at all", Some(&["anything:at all"])),
        (r"\x61\\{userId}", separated(), r"a\7", Some(&["7"])),
    ];
    for (text, names, name, expected) in table {
        let expected = expected.map(|values| values.iter().map(|v| v.as_bytes()).collect::<Vec<_>>());
        let template = parse(text, names.clone()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(bound(&template, name.as_bytes()), expected, "{text} against {name}");
    }
    assert_eq!(parse(r"\xff\x00{userId}", separated()).unwrap().prefix(), [0xff, 0]);
}

/// Every way in which a name could be read, tried one by one.
fn readings<'n>(parts: &[Part], name: &'n [u8]) -> Vec<Vec<&'n [u8]>> {
    let Some((first, parts)) = parts.split_first() else {
        return if name.is_empty() { vec![Vec::new()] } else { Vec::new() };
    };
    match first {
        Part::Literal(literal) => name.strip_prefix(&**literal).map(|rest| readings(parts, rest)).unwrap_or_default(),
        Part::Placeholder(_, rule) => {
            let ends = (1..=name.len()).filter(|end| rule.allows(&name[..*end]));
            ends.flat_map(|end| {
                readings(parts, &name[end..]).into_iter().map(move |rest| [&[&name[..end]][..], &rest].concat())
            })
            .collect()
        }
    }
}

/// All names of up to so many bytes over three letters, short ones first.
fn names(longest: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..=longest).flat_map(|length| {
        (0..3_usize.pow(length)).map(move |number| (0..length).map(|i| b"xy:"[number / 3_usize.pow(i) % 3]).collect())
    })
}

/// A template as `parse` would make it if it refused none for being ambiguous.
fn parts(text: &str, names: &Placeholders) -> Vec<Part> {
    let pieces = pieces(text, Backslash::Escape).unwrap().into_iter();
    let part = |piece| match piece {
        Piece::Literal(literal) => Part::Literal(literal.into()),
        Piece::Name(name) => {
            let placeholder = names.clone().intern(name).unwrap();
            let mut names = names.clone();
            names.intern(name).unwrap();
            Part::Placeholder(placeholder, names.rule(placeholder).clone())
        }
    };
    pieces.map(part).collect()
}

#[test]
fn a_template_is_refused_exactly_if_a_name_could_be_read_in_two_ways() {
    let texts = [
        "{a}",
        "x{a}",
        "{a}x",
        "{a}:{b}",
        "x{a}:{b}x",
        "{a}x:{b}",
        "{a}:x{b}",
        "{a}:x:{b}",
        "{a}x{b}",
        "{a}xy{b}x",
        "{a}:{b}:{c}",
        "{a}x{b}:{c}",
        "{a}:{b}x{c}",
        "{a}::{b}",
        "xy",
    ];
    let rules = [IdRule::Any, without(":"), without("x"), IdRule::Length(1), IdRule::Length(2)];
    let (mut taken, mut refused) = (0, 0);
    for (text, number) in texts.iter().flat_map(|text| (0..125_usize).map(move |number| (text, number))) {
        let exceptions = ["a", "b", "c"].iter().zip([1, 5, 25]);
        let exceptions = exceptions.map(|(name, step)| ((*name).to_owned(), rules[number / step % 5].clone()));
        let ids = Placeholders::new(IdRule::Any, exceptions.collect());
        let parts = parts(text, &ids);
        let template = parse(text, ids);
        let what = format!("{text} by {parts:?}");
        let template = match template {
            Ok(template) => template,
            Err(error) => {
                assert!(matches!(error, TemplateError::Ambiguous { .. }), "{what}: {error}");
                let is_ambiguous = names(7).any(|name| readings(&parts, &name).len() > 1);
                assert!(is_ambiguous, "{what} is refused, and has no name that could be read in two ways");
                refused += 1;
                continue;
            }
        };
        taken += 1;
        for name in names(6) {
            let (shown, readings) = (name.escape_ascii(), readings(&parts, &name));
            assert!(readings.len() < 2, "{what} reads {shown} as {readings:?}");
            assert_eq!(bound(&template, &name).as_ref(), readings.first(), "{what}: {shown}");
            if let Some(bindings) = template.matches(&name) {
                assert_eq!(template.render(&bindings), name, "{what}");
            }
        }
    }
    assert!(taken > 500 && refused > 200, "{taken} taken, {refused} refused");
}

#[test]
fn a_separator_of_several_bytes_must_not_come_about_where_id_and_literal_meet() {
    let by = |separator| Placeholders::new(without(separator), Vec::new());
    assert!(matches!(parse("{a}::{b}", by("::")), Err(TemplateError::Ambiguous { .. })), "a:::b");
    let template = parse("{a}|;{b}", by("|;")).unwrap();
    assert_eq!(bound(&template, b"a||;;b"), Some(vec![&b"a|"[..], b";b"]));
    assert_eq!(bound(&template, b"a|;b|;c"), None);
}

#[test]
fn solving_finds_the_one_value_that_renders_the_name() {
    let mut names = Placeholders::new(IdRule::Unsaid, vec![("roomId".to_owned(), without("/"))]);
    let member = Template::parse("{roomId}/{userId}!", &mut names).unwrap();
    let room = Bindings::default().with(Placeholder::ROOM, b"r");
    assert_eq!(member.solve(Placeholder::USER, &room, b"r/u/1!"), Some(&b"u/1"[..]));
    assert_eq!(member.solve(Placeholder::USER, &room, b"r/!"), None);
    assert_eq!(member.solve(Placeholder::USER, &room, b"q/u!"), None);
    assert_eq!(member.solve(Placeholder::USER, &Bindings::default(), b"r/u!"), None);
    let user = Bindings::user(b"u");
    assert_eq!(member.solve(Placeholder::ROOM, &user, b"r/u!"), Some(&b"r"[..]));
    assert_eq!(member.solve(Placeholder::ROOM, &user, b"r/s/u!"), None, "no room holds it");
}

#[test]
fn a_name_that_does_not_fit_for_its_ids_alone_says_which() {
    let fixed = Placeholders::new(IdRule::Length(3), vec![("roomId".to_owned(), without(":"))]);
    let table: &[(&str, Placeholders, &str, Option<&str>)] = &[
        ("user:{userId}", separated(), "user:ada:prefs", Some("userId=ada:prefs")),
        ("user:{userId}", separated(), "user:ada", None),
        ("user:{userId}", separated(), "user:", None),
        ("user:{userId}", separated(), "users:ada:prefs", None),
        ("typing:{roomId}:{userId}", separated(), "typing:a:b:c", Some("userId=b:c")),
        ("{userId}:list", separated(), "a:b:list", Some("userId=a:b")),
        ("t:{roomId}:{userId}", fixed, "t:den:ada1", Some("userId=ada1")),
        ("active", separated(), "active:x", None),
    ];
    for (text, names, name, expected) in table {
        let template = parse(text, names.clone()).unwrap();
        let shown = template.misfit(name.as_bytes()).map(|(placeholder, value)| {
            let mut names = names.clone();
            names.intern("x").unwrap();
            format!("{}={}", names.name(placeholder), value.escape_ascii())
        });
        assert_eq!(shown.as_deref(), *expected, "{text} against {name}");
    }
}

#[test]
fn a_member_needs_a_rule_for_what_its_key_does_not_say() {
    let mut names = Placeholders::default();
    let key = Template::parse("room:{roomId}", &mut names).unwrap();
    let member = Template::parse_member("{roomId}|{userId}", &mut names, &key).unwrap();
    let room = Bindings::default().with(Placeholder::ROOM, b"a|b");
    assert_eq!(member.solve(Placeholder::USER, &room, b"a|b|c|d"), Some(&b"c|d"[..]));
    assert_eq!(member.matches(b"a|b"), None, "its key is not known");
    assert!(matches!(Template::parse_member("{x}|{userId}", &mut names, &key), Err(TemplateError::Ambiguous { .. })));
}

#[test]
fn a_text_that_is_no_template_is_refused_with_what_to_fix() {
    let table = [
        ("", "must not be empty"),
        ("a{userId", "'{' without '}'"),
        ("a}b", "'}' without '{'"),
        ("a{}", "'{}' is not a name"),
        ("a{user id}", "'{user id}' is not a name"),
        ("{roomId}{userId}", "'{roomId}' and '{userId}' must be separated"),
        ("{userId}:{userId}", "'{userId}' may stand only once"),
        (r"a\b", r"'\b' is no escape; write '\\' for a backslash"),
        (r"a\x4", r"'\x4' is no escape"),
        (r"a\x+1", r"'\x+1' is no escape"),
        ("{a}:{b}", r#"because '{a}' and '{b}' may both hold ':'; say that no id holds it with "separator": ":", or"#),
        ("{a}}}:draft:{b}", r#"as with "ids": { "b": { "without": ":" } }"#),
        ("{a}ab{b}", "may both hold 'ab'"),
        (r"{a}\xff{b}", r#""separator": "\\xff""#),
    ];
    for (text, expected) in table {
        let error = parse(text, Placeholders::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let error = parse("{a}.{b}.{c}.{d}.{e}.{f}", Placeholders::new(without("."), Vec::new())).unwrap_err();
    assert_eq!(error, TemplateError::TooManyPlaceholders("f".to_owned()));
}

#[test]
fn an_id_is_what_the_layout_allows() {
    let table = [
        (IdRule::Unsaid, "a:b", true),
        (IdRule::Any, "", false),
        (without("::"), "a:b", true),
        (without("::"), "a::b", false),
        (without(r"\xff"), "a", true),
        (IdRule::Length(3), "a:b", true),
        (IdRule::Length(3), "ab", false),
    ];
    for (rule, id, expected) in table {
        assert_eq!(rule.allows(id.as_bytes()), expected, "{rule:?}: {id}");
    }
    assert_eq!(IdRule::without(""), Err(TemplateError::Empty));
    let said = [without(":"), IdRule::Length(20), IdRule::Any].map(|rule| rule.to_string());
    assert_eq!(said, ["not hold ':'", "have 20 bytes", "not be empty"]);
}

#[test]
fn a_pattern_for_access_control_takes_literals_as_they_are() {
    let table = [
        ("active", "active"),
        ("typing:{roomId}:{userId}", "typing:*:*"),
        ("u:{{{userId}}}:s", "u:{*}:s"),
        (r"a*b?[c]\\:{userId}", r"a\*b\?\[c\]\\:*"),
        (r"a b\x00\x09\x0b{userId}", "a?b???*"),
        ("é:{userId}", "é:*"),
        ("{userId}", "*"),
    ];
    for (text, pattern) in table {
        assert_eq!(parse(text, separated()).unwrap().acl_pattern(), pattern.as_bytes(), "{text}");
    }
}
