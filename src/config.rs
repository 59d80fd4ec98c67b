//! Options: module arguments as name and value, some of them settable at run time by `CONFIG SET session.<name>`. Pure.

use std::fmt;

use crate::journal::Level;

/// An option, as the README's table shows it.
#[derive(Debug)]
pub struct Opt {
    /// Its name as a module argument; `CONFIG` knows it as `session.<name>`.
    pub name: &'static str,
    /// What it is when nothing is said.
    pub default: &'static str,
    /// Whether `CONFIG SET` changes it.
    pub at_run_time: bool,
    /// What it does.
    pub meaning: &'static str,
}

/// All options.
pub const OPTIONS: [Opt; 2] = [
    Opt {
        name: "layout",
        default: "easyshare",
        at_run_time: false,
        meaning: "path of a JSON file that says where the application leaves traces, or easyshare",
    },
    Opt {
        name: "log-level",
        default: "notice",
        at_run_time: true,
        meaning: "level of the lines about logouts: debug, verbose, notice or warning",
    },
];

/// The options as given to the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Path of the layout; the built-in one if there is none.
    pub layout: Option<String>,
    /// Level of the lines about logouts.
    pub log_level: Level,
}

/// Why the arguments are not options. The text is one sentence that says what to fix.
#[derive(Debug, PartialEq, Eq)]
pub enum OptionError {
    /// No option has this name.
    Unknown(String),
    /// The option stands twice.
    Repeated(String),
    /// The option's value is missing.
    NoValue(String),
    /// The option cannot have this value.
    BadValue(&'static str, String, &'static str),
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let known: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
                write!(f, "unknown module argument '{name}'; known are {}", known.join(", "))
            }
            Self::Repeated(name) => write!(f, "module argument '{name}' stands twice"),
            Self::NoValue(name) => write!(f, "module argument '{name}' needs a value behind it"),
            Self::BadValue(name, value, expected) => {
                write!(f, "module argument '{name}' is '{value}'; it must be {expected}")
            }
        }
    }
}

impl Options {
    /// Reads module arguments.
    ///
    /// # Errors
    /// [`OptionError`].
    pub fn parse<'a>(arguments: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, OptionError> {
        let mut arguments = arguments.into_iter().map(|argument| String::from_utf8_lossy(argument).into_owned());
        let mut options = Self::default();
        let mut seen = Vec::new();
        while let Some(name) = arguments.next() {
            let known = OPTIONS.iter().find(|option| option.name.eq_ignore_ascii_case(&name));
            let Some(known) = known else { return Err(OptionError::Unknown(name)) };
            if seen.contains(&known.name) {
                return Err(OptionError::Repeated(name));
            }
            seen.push(known.name);
            let value = arguments.next().ok_or(OptionError::NoValue(name))?;
            options.set(known.name, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &'static str, value: String) -> Result<(), OptionError> {
        if name == "layout" {
            self.layout = Some(value);
            return Ok(());
        }
        let level = Level::ALL.iter().find(|(_, name)| name.to_bytes().eq_ignore_ascii_case(value.as_bytes()));
        let expected = "debug, verbose, notice or warning";
        self.log_level = level.ok_or(OptionError::BadValue(name, value, expected))?.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(|a| a.as_bytes())).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_names_and_values() {
        let expected = Options { layout: Some("/x.json".into()), log_level: Level::Debug };
        assert_eq!(parse(&["layout", "/x.json", "LOG-LEVEL", "Debug"]), Ok(expected));
        assert_eq!(parse(&[]), Ok(Options::default()));
        let refused = [
            (vec!["layuot", "x"], "unknown module argument 'layuot'; known are layout, log-level"),
            (vec!["layout"], "module argument 'layout' needs a value behind it"),
            (vec!["layout", "a", "layout", "b"], "module argument 'layout' stands twice"),
            (
                vec!["log-level", "loud"],
                "module argument 'log-level' is 'loud'; it must be debug, verbose, notice or warning",
            ),
        ];
        for (arguments, expected) in refused {
            assert_eq!(parse(&arguments), Err(expected.to_owned()));
        }
    }
}
