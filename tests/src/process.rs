//! Child processes that never outlive this one.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context, Result};

/// A running program: killed on drop, and by the kernel when this process ends in any other way.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` in `dir`, its output in `dir/NAME.log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &'static str, program: &Path, args: &[String], dir: &Path) -> Result<Self> {
        Self::start_with::<&str>(name, program, args, &[], dir)
    }

    /// The same, with these environment variables beside those of this process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with<V: AsRef<OsStr>>(
        name: &'static str,
        program: &Path,
        args: &[String],
        environment: &[(String, V)],
        dir: &Path,
    ) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let mut command = command(program, args, environment, dir);
        command.stdout(output.try_clone()?).stderr(output);
        let child = start(name, program, command)?;
        Ok(Self { name, child, log })
    }

    /// The same, but for its standard error, which the caller gets.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_heard<V: AsRef<OsStr>>(
        name: &'static str,
        program: &Path,
        args: &[String],
        environment: &[(String, V)],
        dir: &Path,
    ) -> Result<(Self, ChildStderr)> {
        let log = dir.join(format!("{name}.log"));
        let mut command = command(program, args, environment, dir);
        command.stdout(File::create(&log)?).stderr(Stdio::piped());
        let mut child = start(name, program, command)?;
        let errors = child.stderr.take().context("standard error is a pipe")?;
        Ok((Self { name, child, log }, errors))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as the kubelet does: SIGTERM.
    pub(crate) fn ask_to_end(&self) -> Result<()> {
        self.signal("TERM")
    }

    /// Sends it a signal (signal(7)), by its name without SIG.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status()?;
        sent.success().then_some(()).with_context(|| format!("{} takes no signal: {sent}", self.name))
    }

    /// Ends it at once: SIGKILL.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// How many bytes of memory it has that are its own now: VmRSS (proc_pid_status(5)), in steps of a page.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Ok(kib.context("the process has no VmRSS")?.parse::<u64>()? << 10)
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// How it ended, or nothing while it runs.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// All of its output by now.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of its output, under its name.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = self.output();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        format!("the end of {}'s output:\n{tail}", self.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command<V: AsRef<OsStr>>(
    program: &Path,
    args: &[String],
    environment: &[(String, V)],
    dir: &Path,
) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(args).current_dir(dir);
    command.envs(environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    command
}

fn start(name: &str, program: &Path, command: Command) -> Result<Child> {
    spawn(command).with_context(|| {
        format!("cannot start {name} through setpriv, which is part of util-linux: {}", program.display())
    })
}

type Order = (Command, Sender<io::Result<Child>>);

/// Spawns from a thread that lives as long as the process: the signal that `setpriv` asks for is sent when
/// the *thread* that spawned the child ends, and a test's thread ends with its test.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders): (_, Receiver<Order>) = channel();
        thread::spawn(move || {
            for (mut command, answer) in orders {
                // Whoever ordered may have given up waiting.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let gone = |_| io::Error::other("the thread that spawns processes is gone");
    let (sender, answer) = channel();
    spawner.send((command, sender)).map_err(|_| gone(()))?;
    answer.recv().map_err(|_| gone(()))?
}
