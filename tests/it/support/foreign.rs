//! Programs in other languages: what runs them, and the packages that they import, which are installed at first use.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

/// What may be missing where a program does not run.
pub const MISSING: &str = "Node.js, npm, Python with venv, and PHP with its extension for Redis are needed: \
    scripts/setup.sh installs them, as does `apt-get install nodejs npm python3-venv php-cli php-redis`";

/// How long a program may run, in seconds: far longer than any takes. One that hangs ends then, and the test with it.
const LONGEST: &str = "300";

/// What runs `program`, a file below `tests`, with all that it imports. Arguments may follow.
pub fn command(program: &str) -> Command {
    let (folder, _) = program.split_once('/').expect("a program lies in a folder");
    let file = root().join("tests").join(program);
    let words: Vec<OsString> = match file.extension().and_then(|end| end.to_str()) {
        Some("mjs") => {
            install_for_node(&root().join("tests").join(folder));
            vec!["node".into(), file.into()]
        }
        Some("py") => vec![python_for(folder).into(), file.into()],
        Some("php") => vec!["php".into(), file.into()],
        Some("rs") => vec![built(folder, &file).into()],
        _ => panic!("{program}: nothing is known that runs this"),
    };
    let mut command = Command::new("timeout");
    command.arg(LONGEST).args(words).env_remove("REDISCLI_AUTH");
    command
}

/// Makes sure that the packages are there that the `package-lock.json` of `folder` names.
pub fn install_for_node(folder: &Path) {
    once(folder, || {
        let modified = |name: &str| folder.join(name).metadata().and_then(|file| file.modified()).ok();
        let installed = modified("node_modules/.package-lock.json");
        if installed.is_none() || installed < modified("package-lock.json") {
            run(Command::new("npm").args(["ci", "--silent"]).current_dir(folder));
        }
    });
}

/// The Python of an environment that holds what the `requirements.txt` of a folder below `tests` names.
fn python_for(folder: &str) -> PathBuf {
    let home = cache(folder).join("python");
    once(&home, || {
        let wanted = root().join("tests").join(folder).join("requirements.txt");
        let installed = home.join("requirements.txt");
        let read = |file: &Path| fs::read(file).unwrap_or_default();
        if read(&installed) != read(&wanted) {
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
            run(Command::new(home.join("bin/python")).args(pip).arg(&wanted));
            // Last, so that an installation that failed is begun anew.
            fs::copy(&wanted, &installed).expect("the environment can be written");
        }
    });
    home.join("bin/python")
}

/// The program that Cargo makes of `src/bin/NAME.rs` in a crate of its own.
fn built(folder: &str, file: &Path) -> PathBuf {
    let home = cache(folder).join("rust");
    let manifest = file.ancestors().nth(3).expect("a crate is around it").join("Cargo.toml");
    once(&manifest, || {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut build = Command::new(cargo);
        build.args(["build", "--locked", "--quiet", "--manifest-path"]).arg(&manifest);
        run(build.arg("--target-dir").arg(&home));
    });
    home.join("debug").join(file.file_stem().expect("it has a name"))
}

/// Does the task for this path once. Who comes meanwhile waits.
fn once(path: &Path, task: impl FnOnce()) {
    static DONE: Mutex<BTreeMap<PathBuf, Arc<OnceLock<()>>>> = Mutex::new(BTreeMap::new());
    let done = DONE.lock().expect("nothing panics here").entry(path.to_owned()).or_default().clone();
    done.get_or_init(task);
}

fn run(command: &mut Command) {
    let output = command.output().expect(MISSING);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where what was installed or built for a folder of `tests` is kept.
fn cache(folder: &str) -> PathBuf {
    root().join(".cache").join(folder)
}
