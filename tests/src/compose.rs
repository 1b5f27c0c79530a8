//! Containers: the image of `deploy/Dockerfile`, and the cluster of `docker-compose.yml`.

use std::net::TcpListener;
use std::process::Command;
use std::sync::OnceLock;

use crate::http::Api;
use crate::wait::eventually;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Not `vectra-engine`: that one may be in use here, and is built for speed.
const IMAGE: &str = "vectra-engine-under-test";
/// The same image as for users, except that it is built for an early start rather than for speed.
const BUILD: [&str; 9] = [
    "build",
    "--build-arg",
    "CARGO_PROFILE_RELEASE_LTO=off",
    "--build-arg",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL=1",
    "--tag",
    IMAGE,
    "--file=deploy/Dockerfile",
    ".",
];

/// The version of the Docker engine, or why there is none to ask.
pub fn docker_engine() -> Result<String, String> {
    run(
        "docker",
        &["version", "--format", "{{.Server.Version}}"],
        &[],
    )
}

/// Names an image that is there already, to test that one instead of building this checkout's.
const GIVEN_IMAGE: &str = "VECTRA_TEST_IMAGE";

/// The image of this checkout, built once for all tests; or the one that `VECTRA_TEST_IMAGE` names.
pub fn image() -> &'static str {
    static GIVEN: OnceLock<Option<String>> = OnceLock::new();
    if let Some(given) = GIVEN.get_or_init(|| std::env::var(GIVEN_IMAGE).ok()) {
        return given;
    }
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        run(&format!("{REPOSITORY}/deploy/base-images.sh"), &[], &[])?;
        run("docker", &BUILD, &[]).map(drop)
    });
    must(built.clone());
    IMAGE
}

/// One container, `docker run -p PORT:8000 vectra-engine`; removed with its volume when dropped.
#[derive(Debug)]
pub struct Container {
    id: String,
    port: u16,
}

impl Container {
    /// Starts it with nothing but a port.
    pub fn start() -> Self {
        let port = free_port();
        let published = format!("{port}:8000");
        let id = must(run(
            "docker",
            &["run", "--detach", "--publish", &published, image()],
            &[],
        ));
        Self { id, port }
    }

    /// A client of it, once it answers.
    pub fn api(&self) -> Api {
        answering(self.port)
    }

    /// What a command prints inside it.
    pub fn exec(&self, command: &[&str]) -> String {
        must(run("docker", &[&["exec", &self.id], command].concat(), &[]))
    }

    /// What the engine knows about it, by a Go template.
    pub fn inspect(&self, format: &str) -> String {
        must(run(
            "docker",
            &["inspect", "--format", format, &self.id],
            &[],
        ))
    }

    /// Asks it to stop and gives it as long as `docker stop` does by itself.
    pub fn stop(&self) {
        must(run("docker", &["stop", &self.id], &[]));
    }

    /// Starts it again on its own volume.
    pub fn start_again(&self) {
        must(run("docker", &["start", &self.id], &[]));
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show(run("docker", &["logs", "--tail", "40", &self.id], &[]));
        }
        show_error(run(
            "docker",
            &["rm", "--force", "--volumes", &self.id],
            &[],
        ));
    }
}

/// The cluster of `docker-compose.yml` under a project name of its own; taken down with its volumes when
/// dropped.
#[derive(Debug)]
pub struct Compose {
    program: &'static [&'static str],
    project: String,
    /// Of this machine, where the coordinators answer.
    ports: [u16; 3],
    files: &'static [&'static str],
}

impl Compose {
    /// `docker compose`, or else `docker-compose`; or why neither is here.
    pub fn find() -> Result<Self, String> {
        let works = |program: &&'static [&'static str]| {
            let (name, leading) = program.split_first().expect("a program has a name");
            run(name, &[leading, &["version"]].concat(), &[]).is_ok()
        };
        let known: [&'static [&'static str]; 2] = [&["docker", "compose"], &["docker-compose"]];
        let program = known
            .into_iter()
            .find(works)
            .ok_or("neither `docker compose` nor `docker-compose` is here")?;
        let project = format!("vectra-test-{}", std::process::id());
        Ok(Self {
            program,
            project,
            ports: std::array::from_fn(|_| free_port()),
            files: &["docker-compose.yml"],
        })
    }

    /// The same cluster, where every coordinator can be reached, and rows reach segments early.
    pub fn find_with_open_ports() -> Result<Self, String> {
        let files = &["docker-compose.yml", "tests/containers.yml"];
        let mut compose = Self::find()?;
        compose.files = files;
        Ok(compose)
    }

    /// `up -d` and what else is given.
    pub fn up(&self, arguments: &[&str]) {
        image();
        must(self.run(&[&["up", "-d"], arguments].concat()));
    }

    /// `down`: the containers go, their volumes stay.
    pub fn down(&self) {
        must(self.run(&["down"]));
    }

    /// Restarts one container.
    pub fn restart(&self, container: &str) {
        must(run("docker", &["restart", container], &[]));
    }

    /// The containers of a service.
    pub fn containers(&self, service: &str) -> Vec<String> {
        let printed = must(self.run(&["ps", "-q", service]));
        printed.lines().map(str::to_owned).collect()
    }

    /// Waits until the engine calls every container of a service healthy, and tells how many there are.
    pub fn healthy(&self, service: &str) -> usize {
        let containers = self.containers(service);
        for id in &containers {
            eventually("a healthy container", || {
                match run(
                    "docker",
                    &["inspect", "--format", "{{.State.Health.Status}}", id],
                    &[],
                )?
                .as_str()
                {
                    "healthy" => Ok(()),
                    other => Err(format!("{service} is {other}")),
                }
            });
        }
        containers.len()
    }

    /// A client of the first coordinator, once it answers.
    pub fn api(&self) -> Api {
        answering(self.ports[0])
    }

    /// Where the coordinators answer; the second and third only with open ports.
    pub fn urls(&self) -> Vec<String> {
        let url = |port: &u16| format!("http://localhost:{port}");
        self.ports.iter().map(url).collect()
    }

    /// The name of its network.
    pub fn network(&self) -> String {
        format!("{}_default", self.project)
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let (name, leading) = self.program.split_first().expect("a program has a name");
        let project = ["-p", &self.project];
        let files: Vec<&str> = self.files.iter().flat_map(|file| ["-f", file]).collect();
        let [first, second, third] = self.ports.map(|port| port.to_string());
        run(
            name,
            &[leading, &project, &files, arguments].concat(),
            &[
                ("VECTRA_PORT", &first),
                ("VECTRA_PORT_2", &second),
                ("VECTRA_PORT_3", &third),
                ("VECTRA_IMAGE", image()),
            ],
        )
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show(self.run(&["ps"]));
            show(self.run(&["logs", "--no-color", "--tail", "25"]));
        }
        show_error(self.run(&["down", "--volumes", "--remove-orphans", "--timeout", "5"]));
    }
}

fn answering(port: u16) -> Api {
    let api = Api::new(&format!("http://localhost:{port}"));
    eventually("an answer to GET /health", || {
        match api.try_get("/health")? {
            answer if answer.status == 200 => Ok(()),
            answer => Err(answer.describe()),
        }
    });
    api
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// What a program run in the repository prints, or its complaints.
pub(crate) fn run(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(REPOSITORY);
    let output = command
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let complaints = String::from_utf8_lossy(&output.stderr);
    let both = format!("{printed}\n{complaints}");
    let lines: Vec<&str> = both.lines().collect();
    let tail = lines[lines.len().saturating_sub(60)..].join("\n");
    Err(format!(
        "{program} {}: {}:\n{tail}",
        arguments.join(" "),
        output.status
    ))
}

#[track_caller]
pub(crate) fn must<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn show(result: Result<String, String>) {
    let (Ok(text) | Err(text)) = result;
    eprintln!("{text}");
}

fn show_error(result: Result<String, String>) {
    if let Err(error) = result {
        eprintln!("{error}");
    }
}
