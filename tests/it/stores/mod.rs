//! Real session stores as judges: people log in by a store's own interface, the module logs some of them out, and the
//! store says who is still in. `tests/stores/README.md` says how to add one.
//!
//! Each layout of `layouts/` that a store here needs is told twice: as it is, and with each of its traces looked for in the
//! wrong place, which the story must notice.

mod recovery;
mod story;
mod talk;

use story::Store;

use crate::gallery::{each_trace_elsewhere, layout};

/// A store whose sessions are one key each, and which lists nothing.
const PLAIN: Store = Store {
    program: ("", &[]),
    layout: "",
    session: &[],
    listing: &[],
    shared: &[],
    writes_late: true,
    lists_late: false,
};

fn judge(store: &Store) {
    judge_with(store, &layout(store.layout));
}

fn judge_with(store: &Store, json: &str) {
    assert_eq!(story::tell(store, json), Ok(()));
    assert_eq!(story::writes_late(store, json), store.writes_late, "what a request in flight writes");
    for (trace, wrong) in each_trace_elsewhere(json) {
        assert!(story::tell(store, &wrong).is_err(), "nobody misses the trace {trace}");
    }
}

#[test]
fn flask_session_in_json() {
    judge(&Store {
        program: ("flask/store.py", &["json"]),
        layout: "flask-session-json",
        session: &["session:{}"],
        ..PLAIN
    });
}

#[test]
fn express_session_with_connect_redis_and_passport() {
    judge(&Store { program: ("express/store.mjs", &[]), layout: "express-session", session: &["sess:{}"], ..PLAIN });
}

#[test]
fn fastify_session_with_connect_redis() {
    judge(&Store { program: ("fastify/store.mjs", &[]), layout: "fastify-session", session: &["sess:{}"], ..PLAIN });
}

#[test]
fn better_auth() {
    judge(&Store {
        program: ("better-auth/store.mjs", &[]),
        layout: "better-auth",
        session: &["better-auth:{}"],
        listing: &["better-auth:active-sessions-{}"],
        lists_late: true,
        ..PLAIN
    });
}

const DJANGO_REDIS: &str = "django_redis.cache.RedisCache";
const IN_JSON: &str = "django_redis.serializers.json.JSONSerializer";

const DJANGO: Store = Store {
    program: ("django/store.py", &[DJANGO_REDIS, IN_JSON]),
    layout: "django-json",
    session: &[":1:django.contrib.sessions.cache{}"],
    writes_late: false,
    ..PLAIN
};

#[test]
fn django_redis_in_json() {
    judge(&DJANGO);
}

#[test]
fn django_in_pickles() {
    for words in [&["django.core.cache.backends.redis.RedisCache"], &[DJANGO_REDIS]] {
        judge(&Store { program: ("django/store.py", words), layout: "django", ..DJANGO });
    }
}

#[test]
fn django_redis_in_compressed_json() {
    let owner = r#""owner": "/_auth_user_id""#;
    let json = layout(DJANGO.layout).replace(owner, &format!(r#"{owner}, "encoding": ["zlib", "json"]"#));
    let words = &[DJANGO_REDIS, IN_JSON, "django_redis.compressors.zlib.ZlibCompressor"];
    judge_with(&Store { program: ("django/store.py", words), ..DJANGO }, &json);
}

#[test]
fn spring_session_by_its_bytes() {
    judge(&Store {
        program: ("spring/store.py", &[]),
        layout: "spring-session",
        session: &["spring:session:sessions:{}", "spring:session:sessions:expires:{}"],
        listing: &[concat!(
            "spring:session:index:org.springframework.session.FindByIndexNameSessionRepository",
            ".PRINCIPAL_NAME_INDEX_NAME:{}"
        )],
        shared: &["spring:session:expirations:4102444800000"],
        ..PLAIN
    });
}

#[test]
fn flask_session_in_msgpack() {
    judge(&Store {
        program: ("flask/store.py", &["msgpack"]),
        layout: "flask-session",
        session: &["session:{}"],
        ..PLAIN
    });
}

#[test]
fn php_in_its_own_format_for_sessions() {
    judge(&Store { program: ("php/store.php", &["php"]), layout: "php", session: &["PHPREDIS_SESSION:{}"], ..PLAIN });
}

#[test]
fn php_serialized() {
    judge(&Store {
        program: ("php/store.php", &["php_serialize"]),
        layout: "php-serialize",
        session: &["PHPREDIS_SESSION:{}"],
        ..PLAIN
    });
}
