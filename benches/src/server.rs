//! A real `vectra serve` to be measured, in a directory of its own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::sleep;
use vectra_client::Client;

use crate::figures::LoadRun;
use crate::machine;
use crate::process::{self, Memory};
use crate::vector_set::VectorSet;

/// How long a start, a stop or the work left over from an import may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Of one core: below it a server has nothing to do but to keep its heartbeats.
const IDLE: f64 = 0.05;
/// What `vectra bench` lets pass before it measures.
const WARM_UP: Duration = Duration::from_secs(1);

const SERVE: [&str; 1] = ["serve"];

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A server; dropping it kills it and removes its data.
pub struct Server {
    binary: PathBuf,
    http: SocketAddrV4,
    grpc: SocketAddrV4,
    directory: TempDir,
    child: std::process::Child,
    client: Client,
}

impl Server {
    /// Starts one on an empty directory below `scratch` and waits until it serves.
    ///
    /// # Errors
    ///
    /// If it does not start; its log is then part of the error.
    pub async fn start(binary: &Path, scratch: &Path) -> Result<Self> {
        fs::create_dir_all(scratch)
            .with_context(|| format!("cannot make {}", scratch.display()))?;
        let directory = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(scratch)?;
        let (http, grpc) = addresses();
        let child = spawn(binary, &SERVE, http, grpc, directory.path())?;
        let mut server = Self {
            binary: binary.to_owned(),
            http,
            grpc,
            directory,
            child,
            client: Client::new(&format!("http://{http}"))?,
        };
        server.until_it_holds(0).await?;
        Ok(server)
    }

    /// Stops it in good order, starts it again on its data and waits until it serves `rows`.
    ///
    /// # Errors
    ///
    /// If it does not stop, or does not come back.
    pub async fn restart(&mut self, rows: u64) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let start = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(start.elapsed() < PATIENCE, "the server does not stop");
            sleep(Duration::from_millis(20)).await;
        }
        let directory = self.directory.path();
        self.child = spawn(&self.binary, &SERVE, self.http, self.grpc, directory)?;
        self.until_it_holds(rows).await
    }

    /// The number of its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Its memory now.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn memory(&self) -> Result<Memory> {
        process::memory(self.child.id())
    }

    /// Waits until it has nothing left to do: what it sealed, merged and purged after an import.
    ///
    /// # Errors
    ///
    /// If it has ended, or never comes to rest.
    pub async fn settle(&self) -> Result<()> {
        let start = Instant::now();
        let mut idle_for = 0;
        let mut before = process::cpu_seconds(self.child.id())?;
        while idle_for < 3 {
            ensure!(
                start.elapsed() < PATIENCE,
                "the server does not come to rest"
            );
            sleep(Duration::from_secs(1)).await;
            let now = process::cpu_seconds(self.child.id())?;
            idle_for = if now - before < IDLE { idle_for + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }

    /// The segment files on its disk.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read.
    pub fn segments(&self) -> Result<BTreeSet<PathBuf>> {
        let mut found = BTreeSet::new();
        let mut left = vec![self.directory.path().to_owned()];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    left.push(path);
                } else if path.extension().is_some_and(|ending| ending == "segment") {
                    found.insert(path);
                }
            }
        }
        Ok(found)
    }

    /// `vectra import` of files under their row numbers; answers vectors a second as it says them.
    ///
    /// # Errors
    ///
    /// If the import fails.
    pub async fn import(&self, files: &[&Path]) -> Result<f64> {
        let mut command = self.command("import");
        let printed = printed(command.args(files)).await?;
        let rate = printed.split(" vectors/s").next();
        let rate = rate.and_then(|text| text.rsplit(' ').next()?.parse().ok());
        rate.with_context(|| format!("vectra import does not tell its rate: {printed}"))
    }

    /// One run of `vectra bench` with the set's queries and, where its rows are stored under their
    /// row numbers, its truth.
    ///
    /// # Errors
    ///
    /// If the run fails.
    pub async fn bench(
        &self,
        set: &VectorSet,
        with_truth: bool,
        connections: u16,
        measured: Duration,
    ) -> Result<LoadRun> {
        let mut command = self.command("bench");
        command.arg("--json").args(["--k", "10"]);
        command.arg("--queries").arg(&set.queries);
        if with_truth {
            command.arg("--truth").arg(&set.truth);
        }
        command.args(["--connections", &connections.to_string()]);
        command.args(["--seconds", &measured.as_secs_f64().to_string()]);
        let (printed, cores) = tokio::join!(printed(&mut command), self.cores_busy(measured));
        let printed = printed?;
        let mut run: LoadRun = serde_json::from_str(&printed)
            .with_context(|| format!("vectra bench printed {printed}"))?;
        run.server_cpu_per_query = cores? / run.qps;
        Ok(run)
    }

    /// Processor seconds a second that the server takes while a load is measured.
    async fn cores_busy(&self, measured: Duration) -> Result<f64> {
        sleep(WARM_UP + measured / 10).await;
        let (start, before) = (Instant::now(), process::cpu_seconds(self.child.id())?);
        sleep(measured * 8 / 10).await;
        let taken = process::cpu_seconds(self.child.id())? - before;
        Ok(taken / start.elapsed().as_secs_f64())
    }

    async fn until_it_holds(&mut self, rows: u64) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.log());
            }
            let health = self.client.health().await;
            if health.is_ok_and(|health| health.status == "online" && health.items >= rows) {
                return Ok(());
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "the server does not come to serve {rows} rows:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg(name)
            .args(["--url", self.client.url()])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Addresses that no other program listens at: every one in 127.0.0.0/8 is this machine on Linux, so each
/// process has one of its own.
pub(crate) fn addresses() -> (SocketAddrV4, SocketAddrV4) {
    let number = std::process::id().wrapping_mul(61) + STARTED.fetch_add(1, Ordering::Relaxed);
    let [.., high, low] = (number % 65_000 + 257).to_be_bytes();
    let ip = Ipv4Addr::new(127, 77, high, low);
    (SocketAddrV4::new(ip, 8000), SocketAddrV4::new(ip, 8100))
}

/// Starts a process of a role, given with its own flags.
pub(crate) fn spawn(
    binary: &Path,
    role: &[&str],
    http: SocketAddrV4,
    grpc: SocketAddrV4,
    directory: &Path,
) -> Result<std::process::Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))?;
    let mut command = std::process::Command::new(binary);
    for (key, _) in std::env::vars_os() {
        let is_setting = key.to_string_lossy().starts_with("VECTRA_");
        if is_setting && key != "VECTRA_ISA" {
            command.env_remove(key);
        }
    }
    command
        .args(role)
        .args(["--listen", &http.to_string()])
        .args(["--grpc-listen", &grpc.to_string()])
        .arg("--data-dir")
        .arg(directory.join("data"))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))
}

/// Runs a command to its end and answers what it printed.
pub(crate) async fn printed(command: &mut Command) -> Result<String> {
    let output = command.output().await?;
    ensure!(
        output.status.success(),
        "{:?} ended with {}: {}",
        command.as_std(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Notes how busy the machine is before a step, and says on standard error what comes.
#[must_use]
pub fn before_step(step: impl Into<String>) -> crate::figures::StepLoad {
    let step = step.into();
    let load_average = machine::load_average();
    eprintln!("load average {load_average:.2}: {step}");
    crate::figures::StepLoad { step, load_average }
}
