//! The binary under test as a process.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// The path of the binary.
pub const PROBE: &str = env!("CARGO_BIN_EXE_nmi-probe");

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub time: Duration,
}

/// A command line for the binary, its environment empty but for `environment`.
pub fn probe(line: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROBE);
    command.args(line.split_whitespace()).env_clear().envs(environment.iter().copied());
    command
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Outcome {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = end_of(&mut child);
    let time = start.elapsed();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(status.signal(), None, "ended by a signal: {stderr}");
    Outcome { code: status.code(), stdout, stderr, time }
}

fn end_of(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("still running after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// A run whose lines on stdout are read as they come.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("no line came")
    }

    /// The name of the program that the process runs at the moment.
    pub fn program(&self) -> String {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", self.child.id())).unwrap();
        name.trim_end().to_owned()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    /// Waits for the end: the exit status and the lines not yet read.
    pub fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = end_of(&mut self.child);
        (status, self.lines.iter().collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Does nothing to a process that has ended, as all do in tests that pass.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
