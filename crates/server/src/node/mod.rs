//! One process: puts the rooms together for its role, and takes them down again.

mod announce;
mod balancer;
mod founding;
mod greeting;
mod hosted;
mod identity;
mod machine;
mod open_files;
mod presence;
mod program_text;
mod rooms;
mod shutdown;
mod surroundings;

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;

use crate::config::{Config, Role, Tls};
use crate::http;
use hosted::Hosted;

pub use rooms::{Addresses, Node};
pub use surroundings::{Introduce, Surroundings};

/// Runs one process until it is told to stop, or may not go on.
pub async fn run(role: Role, config: Config) -> anyhow::Result<()> {
    let stop = shutdown::signal()?;
    open_files::raise_limit();
    let http_listener = bind(config.http.listen, "--listen")?;
    let grpc_listener = bind(config.grpc.listen, "--grpc-listen")?;
    let addresses = Addresses {
        grpc: config.grpc_advertised(grpc_listener.local_addr()?),
        http: config.http_advertised(http_listener.local_addr()?),
    };
    let node = Node::open(role, &config, addresses.clone(), Surroundings::default()).await?;

    let mut tasks = JoinSet::new();
    let grpc_listener = tokio::net::TcpListener::from_std(grpc_listener)?;
    // Raft's small messages must not wait to be sent together.
    let connections = TcpIncoming::from(grpc_listener).with_nodelay(Some(true));
    let (grpc_stop, grpc_stops) = oneshot::channel::<()>();
    let mut grpc = tokio::spawn(node.clone().serve(connections, async {
        // Whether told to or because nobody can tell any more.
        let _ = grpc_stops.await;
    }));
    node.live(&mut tasks);
    tasks.spawn(program_text::let_go_of_unused());
    let http_stop = http::ServerHandle::new();
    let options = http::Options::new(&config, role, vectra_kernel::instruction_set());
    let lifecycle = options.lifecycle.clone();
    greeting::print(role, &config, &http_listener)?;
    let router = match (node.root(), node.leaf()) {
        (Some(root), _) => {
            let grpc = Some(addresses.grpc);
            http::router(Arc::clone(root), http::Options { grpc, ..options })
        }
        (None, Some(leaf)) => {
            let hosted = Hosted {
                node: node.id(),
                leaf: leaf.clone(),
                map: node.map(),
            };
            http::shard_router(hosted, options)
        }
        (None, None) => anyhow::bail!("a node answers requests or hosts shards"),
    };
    let tls = config.http.tls.clone();
    tasks.spawn(serve_http(http_listener, router, tls, http_stop.clone()));

    let outcome = tokio::select! {
        name = stop => {
            tracing::info!(signal = name, "stopping");
            tokio::join!(shutdown::until_quiet(&lifecycle), node.hand_over());
            Ok(())
        }
        ended = &mut grpc => match ended {
            Ok(outcome) => outcome,
            Err(fault) => Err(fault).context("the gRPC server failed"),
        },
        ended = tasks.join_next() => match ended {
            Some(Ok(outcome)) => outcome,
            Some(Err(fault)) => Err(fault).context("a task of this node failed"),
            None => Ok(()),
        },
    };
    shutdown::drain(&http_stop).await;
    tasks.shutdown().await;
    node.close_shards().await;
    // Coordinators that ask for shards that are gone are told so, rather than cut off.
    if !grpc.is_finished() {
        let _ = grpc_stop.send(());
        shutdown::ended(&mut grpc).await;
    }
    node.close_placement().await;
    // A compaction may go on for a moment on a thread of its own: the directory is free for another
    // process when this one has ended, not before.
    std::mem::forget(node.data);
    outcome
}

fn bind(address: std::net::SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}: stop what uses it, or choose another with `{flag}`")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve_http(
    listener: TcpListener,
    router: axum::Router,
    tls: Option<Tls>,
    stop: http::ServerHandle,
) -> anyhow::Result<()> {
    http::serve(listener, router, tls.as_ref(), stop)
        .await
        .context("the HTTP server failed")
}
