//! The application in `examples/easyshare`: its own tests, file by file. What is asserted stands in its folder `tests`.
//!
//! Needs Node.js and npm, and the first time a package registry; without them these tests fail.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::readme::files_below;
use crate::support::foreign::{MISSING, install_for_node};
use crate::support::server::module_path;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/easyshare")
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|file| file.modified()).ok()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder()).stdin(Stdio::null());
    command.env("REDIS_SESSION_MODULE", module_path()).env("NEXT_TELEMETRY_DISABLED", "1").env("CI", "1");
    command.output().expect(MISSING)
}

fn must_run(program: &str, arguments: &[&str]) {
    let output = run(program, arguments);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program} {}:\n{}", arguments.join(" "), String::from_utf8_lossy(&said));
}

/// Makes sure that the packages are there that the lock file names, and that the application is built as it stands. The build checks
/// all types, those of the tests too.
fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        install_for_node(&folder());
        // What the build writes itself is no source of it.
        let is_source = |path: &PathBuf| {
            let end = path.extension().and_then(OsStr::to_str).unwrap_or_default();
            ["ts", "tsx", "css", "json"].contains(&end) && !path.ends_with("next-env.d.ts")
        };
        let newest = files_below(&folder()).into_iter().filter(is_source).filter_map(|path| modified(&path)).max();
        if modified(&folder().join(".next/BUILD_ID")) < newest {
            must_run("npm", &["run", "--silent", "build"]);
        }
    });
}

/// Runs one file of tests, alone: each starts the application.
fn pass(file: &str) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    build();
    must_run("node", &["--import", "tsx", "--test", "--test-reporter=spec", &format!("tests/{file}.test.ts")]);
}

#[test]
fn its_services_write_and_log_out() {
    pass("services");
}

#[test]
fn its_api_logs_out_whoever_may() {
    pass("api");
}

#[test]
fn its_socket_server_lets_others_hear_it() {
    pass("sockets");
}

#[test]
fn people_use_it_in_a_browser() {
    pass("browser");
}

#[test]
fn its_checklist_names_tests_that_are_there() {
    pass("readme");
}
