//! One process of the binary under test: its directory, its addresses, its log.

use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::address;
use crate::binary::under_test;
use crate::http::Api;
use rustix::process::{Pid, Signal, kill_process};
#[cfg(target_os = "linux")]
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

#[cfg(target_os = "linux")]
use crate::wait::poll;
use crate::wait::{PATIENCE, eventually};

pub use crate::binary::{run, run_well};
pub use crate::home::Home;

/// How long an orderly stop may take.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// Lines of a log shown when a test fails.
const TAIL_LINES: usize = 40;

/// A `vectra` process that can be started, stopped, killed and started again on its directory.
/// Dropping it kills it; in a failing test, dropping it shows the end of its log.
#[derive(Debug)]
pub struct Vectra {
    name: String,
    command: Vec<String>,
    settings: Vec<(String, String)>,
    http: SocketAddr,
    grpc: SocketAddr,
    gate: Option<SocketAddr>,
    home: Home,
    slots: Option<PathBuf>,
    child: Option<Child>,
}

impl Vectra {
    /// `vectra serve`, in a directory of its own.
    pub fn serve() -> Self {
        Self::role("serve", "serve", &Home::fresh())
    }

    /// A process of any role in the directory `home`, where it is known as `name`.
    pub fn role(role: &str, name: &str, home: &Home) -> Self {
        let (http, grpc) = address::fresh();
        Self {
            name: name.to_owned(),
            command: vec![role.to_owned()],
            settings: Vec::new(),
            http,
            grpc,
            gate: None,
            home: home.clone(),
            slots: None,
            child: None,
        }
    }

    /// Listens at the HTTP address of another process instead of its own.
    pub fn listening_where(mut self, other: &Self) -> Self {
        self.http = other.http;
        self
    }

    /// Shares a data directory with others, each taking a slot of it.
    pub fn sharing(mut self, slots: &Path) -> Self {
        self.slots = Some(slots.to_owned());
        self.command.push("--data-slots".to_owned());
        self
    }

    /// Is reached by the other processes through a gate of these links, and by no other way.
    #[cfg(target_os = "linux")]
    pub fn reached_through(mut self, links: &crate::links::Links) -> Self {
        let gate = links.gate_to(self.grpc);
        self.gate = Some(gate);
        self.flag("--advertise", &gate.to_string())
    }

    /// Adds a flag and its value.
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        self.command.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// Sets a configuration key, `http.max_body` for example, through the environment.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((setting(key), value.to_owned()));
        self
    }

    /// Writes the configuration file of this process.
    pub fn configured(self, toml: &str) -> Self {
        let file = self.home.path().join(format!("{}.toml", self.name));
        fs::write(&file, toml).expect("a configuration file");
        let file = file.display().to_string();
        self.flag("--config", &file)
    }

    /// Where it keeps its data.
    pub fn data(&self) -> PathBuf {
        self.slots
            .clone()
            .unwrap_or_else(|| self.home.path().join(&self.name))
    }

    /// Where it answers HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where the other processes reach it.
    pub fn grpc(&self) -> SocketAddr {
        self.gate.unwrap_or(self.grpc)
    }

    /// The URL of its HTTP API.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// A client of it.
    pub fn api(&self) -> Api {
        Api::new(&self.url())
    }

    /// Starts it and waits until it answers `/health`.
    #[track_caller]
    pub fn start(mut self) -> Self {
        self.restart();
        self
    }

    /// Starts it, again, and waits until it answers `/health`.
    #[track_caller]
    pub fn restart(&mut self) {
        self.spawn();
        self.wait_until_online();
    }

    /// Starts it and does not wait.
    #[track_caller]
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file());
        let log = log.expect("a log file");
        let mut command = under_test();
        command
            .args(&self.command)
            .args(["--listen", &self.http.to_string()])
            .args(["--grpc-listen", &self.grpc.to_string()])
            .arg("--data-dir")
            .arg(self.data())
            .envs(self.settings.iter().map(|(key, value)| (key, value)))
            .current_dir(self.home.path())
            // Ends when this pipe closes, so that no process outlives a test run that was killed.
            .env("UNDER_TEST_ENDS_WITH_STDIN", "yes")
            .stdin(Stdio::piped())
            .stdout(File::try_clone(&log).expect("a log file"))
            .stderr(log);
        self.child = Some(command.spawn().expect("the binary under test starts"));
    }

    /// Waits until it answers `/health`.
    #[track_caller]
    pub fn wait_until_online(&mut self) {
        let api = self.api();
        let awaited = format!("{} answers /health", self.name);
        eventually(&awaited, || {
            if let Some(status) = self.exited() {
                panic!("{} ended with {status} instead of serving", self.name);
            }
            let answer = api.try_get("/health")?;
            if answer.status == 200 {
                Ok(())
            } else {
                Err(answer.describe())
            }
        });
    }

    /// Starts it, expecting that it refuses to serve; answers what it printed.
    #[track_caller]
    pub fn refusal(&mut self) -> String {
        let printed_before = self.log().len();
        self.spawn();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.exited() {
                break status;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{} serves instead of refusing",
                self.name
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        self.child = None;
        assert!(
            !status.success(),
            "{} refused with exit status {status}",
            self.name
        );
        self.log()[printed_before..].to_owned()
    }

    /// Its exit status if it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child
            .as_mut()?
            .try_wait()
            .expect("a child process can be asked")
    }

    /// `kill -9`: no chance to write anything more.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a running process can be killed");
            child.wait().expect("a killed process ends");
        }
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.exited() {
                break status;
            }
            assert!(
                start.elapsed() < STOP_PATIENCE,
                "{} does not stop on SIGTERM",
                self.name
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{} stopped with {status}", self.name);
        self.child = None;
    }

    /// Freezes it (SIGSTOP): its connections stay open and nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        // Threads that run on another core stop a little later: long enough to answer a search.
        #[cfg(target_os = "linux")]
        assert!(
            poll(PATIENCE, || self.stands_still()),
            "its threads do not stand still"
        );
    }

    #[cfg(target_os = "linux")]
    fn stands_still(&self) -> bool {
        let child = self.child.as_ref().expect("it runs");
        let threads = fs::read_dir(format!("/proc/{}/task", child.id()));
        threads.expect("its threads").flatten().all(|thread| {
            // One that has ended meanwhile stands still too.
            let status = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            status
                .rsplit_once(") ")
                .is_none_or(|(_, state)| state.starts_with('T'))
        })
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets it open no further file or connection, or as many as at its start again.
    #[cfg(target_os = "linux")]
    pub fn may_open_files(&self, allowed: bool) {
        let child = self.child.as_ref().expect("it runs");
        let pid = Some(Pid::from_child(child));
        let own = getrlimit(Resource::Nofile);
        let current = if allowed { own.current } else { Some(0) };
        let limit = Rlimit {
            current,
            maximum: own.maximum,
        };
        prlimit(pid, Resource::Nofile, limit).expect("a limit of a process of ours");
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("a signal to a process of ours");
    }

    /// Everything it has printed so far, over all its starts.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where that is written.
    pub fn log_file(&self) -> PathBuf {
        self.home.path().join(format!("{}.log", self.name))
    }
}

impl Drop for Vectra {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
            eprintln!(
                "--- {} ({}) printed last:\n{}",
                self.name,
                self.http,
                tail.join("\n")
            );
        }
    }
}

fn setting(key: &str) -> String {
    format!("VECTRA_{}", key.replace('.', "__").to_uppercase())
}
