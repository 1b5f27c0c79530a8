//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{BenchArgs, DrainArgs, ImportArgs, RemoveArgs, StatusArgs};
use crate::config::{Config, FlagValue, LogFormat, Role, Sources};
use crate::telemetry;

/// Vector search that is exact: the true nearest neighbours, from one process or a cluster.
#[derive(Debug, Parser)]
#[command(name = "vectra", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: RoleFlags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run coordinator and shard node in one process (the default)
    Serve(RoleFlags),
    /// Run a cluster's front: the HTTP API and a vote on the placement; or take one out
    Coordinator(CoordinatorArgs),
    /// Run a shard node, which holds replicas, or empty one
    Shard(ShardArgs),
    /// Load files of vectors into a running server
    Import(ImportArgs),
    /// Measure a running server: throughput, latency, recall
    Bench(BenchArgs),
    /// Look at a running server or cluster
    Status(StatusArgs),
}

/// Flags that every role shares.
#[derive(Debug, Args)]
struct RoleFlags {
    /// Address of the HTTP API [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Address for the other nodes of the cluster [default: 127.0.0.1:8100]
    #[arg(long, value_name = "ADDRESS:PORT")]
    grpc_listen: Option<String>,
    /// Name by which other nodes reach this one, resolved anew at every dial
    #[arg(long, value_name = "NAME[:PORT]")]
    advertise: Option<String>,
    /// Directory of everything durable [default: ./vectra-data]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// Claim the first free numbered directory in the data directory
    #[arg(
        long,
        value_name = "BOOLEAN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    data_slots: Option<String>,
    /// Configuration file [default: vectra.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormatFlag>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormatFlag {
    Text,
    Json,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
struct CoordinatorArgs {
    #[command(subcommand)]
    command: Option<CoordinatorCommand>,
    #[command(flatten)]
    flags: CoordinatorFlags,
}

#[derive(Debug, Subcommand)]
enum CoordinatorCommand {
    /// Take a coordinator out of its cluster for good, whether it lives or not
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
struct CoordinatorFlags {
    #[command(flatten)]
    role: RoleFlags,
    /// gRPC addresses of the first voters, the same list on each; none means a cluster of one
    #[arg(long, value_name = "NAME:PORT,…", value_delimiter = ',')]
    peers: Vec<String>,
    /// HTTP addresses of coordinators of a running cluster to join
    #[arg(
        long,
        value_name = "URL,…",
        value_delimiter = ',',
        conflicts_with = "peers"
    )]
    join: Vec<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
struct ShardArgs {
    #[command(subcommand)]
    command: Option<ShardCommand>,
    #[command(flatten)]
    flags: ShardFlags,
}

#[derive(Debug, Subcommand)]
enum ShardCommand {
    /// Move all replicas of a node elsewhere, so that it can be switched off
    Drain(DrainArgs),
}

#[derive(Debug, Args)]
struct ShardFlags {
    #[command(flatten)]
    role: RoleFlags,
    /// HTTP addresses of coordinators of the cluster to join
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    join: Vec<String>,
}

/// Runs the command line of `vectra` and returns its exit status: 1 for a failure, 2 for a wrong
/// use of the command line.
pub fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version come this way too; if nobody reads them there is no one to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: CommandLine) -> anyhow::Result<()> {
    match line.command {
        None => start(Role::Serve, line.serve.sources()),
        Some(Command::Serve(flags)) => start(Role::Serve, flags.sources()),
        Some(Command::Coordinator(coordinator)) => match coordinator.command {
            Some(CoordinatorCommand::Remove(command)) => ask(command.run()),
            None => start(Role::Coordinator, coordinator.flags.sources()),
        },
        Some(Command::Shard(shard)) => match shard.command {
            Some(ShardCommand::Drain(command)) => ask(command.run()),
            None => start(Role::Shard, shard.flags.sources()),
        },
        Some(Command::Import(command)) => ask(command.run()),
        Some(Command::Bench(command)) => ask(command.run()),
        Some(Command::Status(command)) => ask(command.run()),
    }
}

/// Starts a role of the cluster.
fn start(role: Role, sources: Sources) -> anyhow::Result<()> {
    let allocator = crate::allocator::give_back_freed_memory();
    let config = Config::load(&sources)?;
    telemetry::start(config.log_format)?;
    if let Err(error) = allocator {
        tracing::warn!(%error, "the allocator keeps freed memory: it could not be told not to");
    }
    require_cluster(role, &config)?;
    runtime()?.block_on(crate::node::run(role, config))
}

/// Runs a command that talks to a running server.
fn ask(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    telemetry::start(LogFormat::Text)?;
    runtime()?.block_on(command)
}

/// A shard node cannot do anything without coordinators.
fn require_cluster(role: Role, config: &Config) -> anyhow::Result<()> {
    if role == Role::Shard && config.cluster.join.is_empty() {
        anyhow::bail!(
            "a shard node needs a cluster: give the HTTP address of a coordinator, as in \
             `vectra shard --join http://coordinator-1:8000` (or cluster.join in the configuration)"
        );
    }
    Ok(())
}

/// How long a thread for blocking work stays when it has none. By default that is ten seconds, in which the threads that
/// opened the shards of a server keep a quarter of a megabyte each; where work comes at all it comes again sooner than this.
const BLOCKING_THREAD_STAYS: Duration = Duration::from_secs(1);

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_keep_alive(BLOCKING_THREAD_STAYS)
        .build()
}

impl RoleFlags {
    fn sources(self) -> Sources {
        let log_format = self.log_format.map(|format| match format {
            LogFormatFlag::Text => "text".to_owned(),
            LogFormatFlag::Json => "json".to_owned(),
        });
        let flags = [
            ("--listen", "http.listen", self.listen),
            ("--grpc-listen", "grpc.listen", self.grpc_listen),
            ("--advertise", "grpc.advertise", self.advertise),
            ("--data-dir", "data_dir", self.data_dir),
            ("--data-slots", "data_slots", self.data_slots),
            ("--log-format", "log_format", log_format),
        ];
        let given = |(flag, key, value): (_, _, Option<String>)| {
            Some(FlagValue {
                flag,
                key,
                value: value?,
            })
        };
        Sources {
            file: self.config,
            flags: flags.into_iter().filter_map(given).collect(),
            ..Sources::from_environment()
        }
    }
}

impl CoordinatorFlags {
    fn sources(self) -> Sources {
        let mut sources = self.role.sources();
        sources
            .flags
            .extend(list_flag("--peers", "cluster.peers", &self.peers));
        sources
            .flags
            .extend(list_flag("--join", "cluster.join", &self.join));
        sources
    }
}

impl ShardFlags {
    fn sources(self) -> Sources {
        let mut sources = self.role.sources();
        sources
            .flags
            .extend(list_flag("--join", "cluster.join", &self.join));
        sources
    }
}

fn list_flag(flag: &'static str, key: &'static str, items: &[String]) -> Option<FlagValue> {
    let value = items.join(",");
    (!items.is_empty()).then_some(FlagValue { flag, key, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(arguments: &[&str]) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(std::iter::once(&"vectra").chain(arguments))
    }

    fn config(mut sources: Sources) -> Config {
        sources.environment.clear();
        Config::load(&sources).unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_name_alone_serves_and_takes_the_flags_of_serve() {
        let line = parse(&[
            "--listen",
            "127.0.0.1:9",
            "--data-slots",
            "--log-format",
            "json",
        ]);
        let line = line.unwrap();
        assert!(line.command.is_none());
        let config = config(line.serve.sources());
        assert_eq!(config.http.listen.port(), 9);
        assert!(config.data_slots);
        assert_eq!(config.log_format, LogFormat::Json);
    }

    #[test]
    fn a_coordinator_takes_its_peers_with_commas() {
        let line = parse(&["coordinator", "--peers", "a:1,b:2", "--advertise", "a:1"]).unwrap();
        let Some(Command::Coordinator(flags)) = line.command else {
            panic!("must be a coordinator");
        };
        let config = config(flags.flags.sources());
        assert_eq!(config.cluster.peers, ["a:1", "b:2"]);
        assert_eq!(config.grpc.advertise.as_deref(), Some("a:1"));
    }

    #[test]
    fn a_shard_node_needs_a_cluster() {
        let line = parse(&["shard"]).unwrap();
        let Some(Command::Shard(shard)) = line.command else {
            panic!("must be a shard node");
        };
        let config = config(shard.flags.sources());
        let message = require_cluster(Role::Shard, &config)
            .unwrap_err()
            .to_string();
        assert!(message.contains("--join"), "{message}");
        assert!(require_cluster(Role::Serve, &config).is_ok());
    }

    #[test]
    fn a_node_is_drained_by_its_id_or_address() {
        let line = parse(&["shard", "drain", "shard-2:8100", "--cancel"]).unwrap();
        let Some(Command::Shard(ShardArgs {
            command: Some(ShardCommand::Drain(drain)),
            ..
        })) = line.command
        else {
            panic!("must be a drain");
        };
        assert_eq!((drain.node.as_str(), drain.cancel), ("shard-2:8100", true));
    }

    #[test]
    fn wrong_use_of_the_command_line_exits_with_2() {
        assert_eq!(parse(&["--no-such-flag"]).unwrap_err().exit_code(), 2);
        assert_eq!(parse(&["--version"]).unwrap_err().exit_code(), 0);
    }
}
