//! Says of layouts what the module makes of them, or why it refuses them: `scripts/check-layout` runs it. No server is needed.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    process::ExitCode,
};

use redis_session_core::{
    layout::{LARGEST, Layout},
    review,
};

const USAGE: &str = "\
usage: scripts/check-layout FILE...
       scripts/check-layout --schema

Says what the module makes of each layout: its traces and how they are found, what ids may hold, which writes are watched,
whether a sweep is possible, and which access rules a caller needs. Of one that is wrong it says why, as the module's log
would. FILE may be - for the standard input. With --schema it prints the JSON Schema of layouts.

The exit code is 0 if every layout is right, 1 if one is not, and 2 if the arguments are wrong.
";

/// Every layout is right, or what was asked for is printed.
const RIGHT: u8 = 0;
/// A layout is wrong.
const WRONG: u8 = 1;
/// The arguments are wrong.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let (mut input, mut out, mut log) = (io::stdin(), io::stdout(), io::stderr());
    // Who reads what is printed may have gone; there is nobody to tell.
    run(&arguments, &mut input, &mut out, &mut log).unwrap_or(WRONG).into()
}

/// Does what the arguments say, and says how it ended.
///
/// # Errors
/// If `out` or `log` takes no more.
fn run(arguments: &[OsString], input: &mut impl Read, out: &mut impl Write, log: &mut impl Write) -> io::Result<u8> {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    match words[..] {
        ["-h" | "--help"] => out.write_all(USAGE.as_bytes()).map(|()| RIGHT),
        ["--schema"] => print_schema(out, log),
        [] => log.write_all(USAGE.as_bytes()).map(|()| MISUSED),
        _ if words.iter().any(|word| word.len() > 1 && word.starts_with('-')) => {
            log.write_all(USAGE.as_bytes()).map(|()| MISUSED)
        }
        _ => check(arguments, input, out, log),
    }
}

#[cfg(feature = "schema")]
fn print_schema(out: &mut impl Write, _: &mut impl Write) -> io::Result<u8> {
    out.write_all(redis_session_core::layout::schema::text().as_bytes()).map(|()| RIGHT)
}

#[cfg(not(feature = "schema"))]
fn print_schema(_: &mut impl Write, log: &mut impl Write) -> io::Result<u8> {
    log.write_all(b"this was built without the schema: build it with --features schema\n").map(|()| MISUSED)
}

/// Checks each file, whatever the others are.
fn check(files: &[OsString], input: &mut impl Read, out: &mut impl Write, log: &mut impl Write) -> io::Result<u8> {
    let (mut code, mut is_first) = (RIGHT, true);
    for file in files {
        let name = file.to_string_lossy();
        let text = if file == "-" { text_of(&mut *input) } else { read(file) };
        match text.and_then(|text| Layout::parse(&text).map_err(|error| error.to_string())) {
            Ok(layout) => {
                let gap = if is_first { "" } else { "\n" };
                write!(out, "{gap}{}", review::describe(&name, &layout))?;
                is_first = false;
            }
            Err(why) => {
                log.write_all(review::refusal(&name, why).as_bytes())?;
                code = WRONG;
            }
        }
    }
    Ok(code)
}

fn read(file: &OsStr) -> Result<String, String> {
    text_of(File::open(file).map_err(|error| error.to_string())?)
}

/// All of a text that is not larger than any layout.
fn text_of(file: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("it must not be larger than {LARGEST} bytes (16 MB)"));
    }
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT_ONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/layouts/hashes.json");

    /// Runs it: the exit code, what it prints, and what it complains of.
    fn ran(arguments: &[&str], input: &[u8]) -> (u8, String, String) {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let (mut out, mut log) = (Vec::new(), Vec::new());
        let code = run(&arguments, &mut &*input, &mut out, &mut log).expect("memory takes it");
        (code, String::from_utf8(out).expect("text"), String::from_utf8(log).expect("text"))
    }

    #[test]
    fn the_script_says_the_same_of_its_use() {
        assert!(include_str!("../../scripts/check-layout").contains(&format!("<<END\n{USAGE}END\n")));
    }

    #[test]
    fn arguments_are_files_or_one_option() {
        assert_eq!(ran(&["--help"], b""), (0, USAGE.to_owned(), String::new()));
        for arguments in [&[][..], &["--no-such-option"], &["--schema", RIGHT_ONE], &[RIGHT_ONE, "-v"]] {
            assert_eq!(ran(arguments, b""), (2, String::new(), USAGE.to_owned()), "{arguments:?}");
        }
    }

    #[test]
    fn the_schema_is_printed_if_it_was_built() {
        let (code, out, _) = ran(&["--schema"], b"");
        assert_eq!(code == 0, cfg!(feature = "schema"));
        assert_eq!(out.starts_with('{'), cfg!(feature = "schema"));
    }

    #[test]
    fn one_wrong_layout_does_not_keep_the_others_from_being_checked() {
        let wrong = br#"{ "name": "x", "traces": [] }"#;
        let (code, out, log) = ran(&["-", "no-such-file", RIGHT_ONE, RIGHT_ONE], wrong);
        assert_eq!(code, 1);
        let text = std::fs::read_to_string(RIGHT_ONE).expect("a layout");
        let described = review::describe(RIGHT_ONE, &Layout::parse(&text).expect("a layout"));
        assert_eq!(out, format!("{described}\n{described}"));
        let complaints = "layout -: `traces` must not be empty; a layout without a trace would never remove anything\n\
                          layout no-such-file: No such file or directory (os error 2)\n";
        assert_eq!(log, complaints);
    }

    #[test]
    fn the_exit_code_is_0_if_every_layout_is_right() {
        let text = std::fs::read(RIGHT_ONE).expect("a layout");
        let (code, out, log) = ran(&["-", RIGHT_ONE], &text);
        assert_eq!((code, &*log), (0, ""));
        assert!(out.starts_with("-: layout 'hashes'\n"), "{out}");
    }

    #[test]
    fn what_the_module_would_not_read_is_refused() {
        let too_large = vec![b' '; usize::try_from(LARGEST).expect("it fits") + 1];
        assert_eq!(ran(&["-"], &too_large).2, "layout -: it must not be larger than 16777216 bytes (16 MB)\n");
        assert!(ran(&["-"], b"\xff").2.starts_with("layout -: invalid utf-8 sequence"));
        assert_eq!(ran(&["/"], b"").0, 1);
    }
}
