//! Starting and stopping other programs.

use crate::report::Failed;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A server that we started, and can find again in another run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot: a process id alone may have been given to another.
    started: u64,
}

/// How long a server may take to stop by itself.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

impl Server {
    /// Starts a server in a process group of its own, so that Ctrl-C reaches us and not it, and so that
    /// whatever it starts can be stopped with it.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("could not start the {name}"))?;
        let pid = child.id();
        let started = start_time(pid).with_context(|| Failed::new(format!("the {name} stopped at once"), log))?;
        Ok(Self { name: name.to_owned(), pid, started })
    }

    pub(crate) fn is_running(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// Stops it and everything it started; first politely.
    pub(crate) fn stop(&self) {
        let Some(group) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return };
        let group_is_there = || rustix::process::test_kill_process_group(group).is_ok();
        if !self.is_running() && !group_is_there() {
            return;
        }
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + STOP_PATIENCE;
        while group_is_there() && Instant::now() < deadline {
            reap(group);
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(group, Signal::KILL);
        reap(group);
    }

    /// The resident memory of the server and all it started, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        group_members(self.pid).into_iter().map(resident_bytes).sum()
    }
}

/// Collects children of ours that have ended, so that their group can disappear.
fn reap(group: Pid) {
    use rustix::process::{WaitOptions, waitpgid};
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
}

/// The resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

fn group_members(group: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| stat_fields(*pid).and_then(|fields| fields.get(2)?.parse().ok()) == Some(group))
        .collect()
}

/// The fields of `/proc/{pid}/stat` after the program's name; the state comes first.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

/// When a process started; `None` if it does not run.
fn start_time(pid: u32) -> Option<u64> {
    let fields = stat_fields(pid)?;
    if fields.first()? == "Z" { None } else { fields.get(19)?.parse().ok() }
}

/// Has something installed into a folder, unless exactly what is wanted was installed there before.
pub(crate) fn install_once(
    folder: &Path,
    wanted: &str,
    install: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stamp = folder.join("installed.txt");
    fs::create_dir_all(folder)?;
    // Two runs at the same time must not install into each other.
    let lock = File::create(folder.with_extension("lock"))?;
    lock.lock()?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    Ok(fs::write(stamp, wanted)?)
}

/// Runs a command to its end, showing its output and keeping it in a log.
pub(crate) fn run_shown(what: &str, command: &mut Command, log: &Path) -> anyhow::Result<()> {
    run(what, command, log, true)
}

/// Runs a command to its end, keeping its output in a log only.
pub(crate) fn run_quietly(what: &str, command: &mut Command, log: &Path) -> anyhow::Result<()> {
    run(what, command, log, false)
}

fn run(what: &str, command: &mut Command, log: &Path, shown: bool) -> anyhow::Result<()> {
    let mut output = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("{what}: could not start {}", command.get_program().to_string_lossy()))?;
    // The command holds the other end of the pipe, and would keep us reading for ever.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        if shown {
            println!("{}", String::from_utf8_lossy(&line));
        }
        output.write_all(&line)?;
        output.write_all(b"\n")?;
    }
    let status = child.wait()?;
    anyhow::ensure!(status.success(), Failed::new(format!("{what} failed ({status})"), log));
    Ok(())
}
