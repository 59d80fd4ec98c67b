//! The append-only file: what replicas and backups see.

use super::Server;
use std::fs;

/// The commands in the server's incremental append-only file, from byte `from` on, each as its arguments, and the
/// file's length for the next call. Timestamp lines are left out.
///
/// A server has written a command's effects by the time it replies, so nothing need be waited for.
pub fn aof_commands(server: &Server, from: usize) -> (Vec<Vec<Vec<u8>>>, usize) {
    let dir = fs::read_dir(server.dir().join("appendonlydir")).expect("the server keeps an append-only file");
    let mut files: Vec<_> = dir.map(|entry| entry.expect("a directory entry").path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".incr.aof"));
    let [file] = files.as_slice() else { panic!("one incremental append-only file, not {files:?}") };
    let bytes = fs::read(file).expect("the append-only file can be read");
    (parse(&bytes[from..]), bytes.len())
}

fn parse(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut commands = Vec::new();
    while let Some(&first) = bytes.first() {
        if first == b'#' {
            let end = bytes.iter().position(|&b| b == b'\n').expect("a whole line");
            bytes = &bytes[end + 1..];
        } else {
            let (command, rest) = parse_command(bytes);
            commands.push(command);
            bytes = rest;
        }
    }
    commands
}

/// One command of the form `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, and what follows it.
fn parse_command(bytes: &[u8]) -> (Vec<Vec<u8>>, &[u8]) {
    let (count, mut rest) = number_line(bytes, b'*');
    let mut args = Vec::new();
    for _ in 0..count {
        let (length, after) = number_line(rest, b'$');
        args.push(after[..length].to_vec());
        rest = &after[length + 2..];
    }
    (args, rest)
}

fn number_line(bytes: &[u8], sign: u8) -> (usize, &[u8]) {
    assert_eq!(bytes[0], sign, "the append-only file holds commands");
    let end = bytes.iter().position(|&b| b == b'\r').expect("a whole line");
    let number = str::from_utf8(&bytes[1..end]).expect("digits").parse().expect("digits");
    (number, &bytes[end + 2..])
}
