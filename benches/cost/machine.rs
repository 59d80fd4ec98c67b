//! The machine in words, and how much else went on in it.

use std::{fs, process::Command, sync::OnceLock, time::Instant};

use crate::server::program;

/// What `/proc/stat` counted for all cores, in ticks.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    all: u64,
    idle: u64,
    stolen: u64,
}

/// Keeps this program, and the servers that it starts from now on, on one core. Waking somebody on another core, asleep or
/// not, costs a server several times what it does for a small command, and where the kernel puts a client is chance; both
/// have nothing to do with the command. Says whether it worked: it takes the program taskset.
pub fn stay_on_one_core() -> bool {
    cores().rsplit([',', '-']).next().is_some_and(use_cores)
}

/// Lets this program, and the servers that it starts from now on, run on every core again.
pub fn use_all_cores() -> bool {
    use_cores(cores())
}

fn use_cores(cores: &str) -> bool {
    let pin = Command::new("taskset").args(["-cp", cores, &std::process::id().to_string()]).output();
    pin.is_ok_and(|output| output.status.success())
}

/// The cores that the program was given when it started.
fn cores() -> &'static str {
    static CORES: OnceLock<String> = OnceLock::new();
    CORES.get_or_init(|| field("/proc/self/status", "Cpus_allowed_list"))
}

/// The value behind the first line of this name.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// Watches the machine while the benchmark runs.
#[derive(Debug)]
pub struct Machine {
    began: Instant,
    ticks: Ticks,
}

impl Machine {
    pub fn watch() -> Self {
        Self { began: Instant::now(), ticks: ticks() }
    }

    /// Processor, cores, memory, kernel, server.
    pub fn words() -> String {
        let cores = fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t").count();
        let kilobytes: f64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let virtual_machine =
            if field("/proc/cpuinfo", "flags").contains("hypervisor") { ", a virtual machine" } else { "" };
        let version = Command::new(program()).arg("--version").output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let name = version.split(" server").next().unwrap_or_default().trim().to_owned();
        let number = version.split_once(" v=").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default();
        format!(
            "{}, {cores} cores{virtual_machine}, {:.0} GB, Linux {}; {name} {number}",
            field("/proc/cpuinfo", "model name"),
            kilobytes / 1024.0 / 1024.0,
            // What a distribution or a host appends says nothing to others.
            kernel.trim().split('-').next().unwrap_or_default(),
        )
    }

    /// How busy the machine was meanwhile.
    pub fn noise(&self) -> String {
        let now = ticks();
        let all = (now.all - self.ticks.all).max(1) as f64;
        let share = |ticks: u64| ticks as f64 * 100.0 / all;
        format!(
            "{:.0} s; cores busy {:.0} % of the time, {:.1} % stolen by the host",
            self.began.elapsed().as_secs_f64(),
            100.0 - share(now.idle - self.ticks.idle),
            share(now.stolen - self.ticks.stolen),
        )
    }
}

fn ticks() -> Ticks {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let numbers: Vec<u64> = line.split_whitespace().skip(1).map(|number| number.parse().unwrap_or(0)).collect();
    let at = |place: usize| numbers.get(place).copied().unwrap_or(0);
    // user nice system idle iowait irq softirq steal; guest time is in user already.
    Ticks { all: numbers.iter().take(8).sum(), idle: at(3) + at(4), stolen: at(7) }
}
