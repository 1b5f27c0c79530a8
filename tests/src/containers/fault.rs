//! What happens to a container, and passes.

use std::fmt;

use super::Node;
use crate::compose::{image, must, run};

/// What happens to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`, and a start.
    Kill,
    /// Its processes stand still; its connections stay open.
    Pause,
    /// It loses its network, without a word to anybody.
    Disconnect,
    /// `kill -9`, and a start under another address.
    NewAddress,
}

/// A fault that has begun.
#[derive(Debug)]
pub struct Struck<'a> {
    fault: Fault,
    node: &'a Node,
    /// Where it was reached before.
    address: String,
}

/// A container that keeps an address from being given to others.
struct Placeholder {
    id: String,
}

/// An address that is free again may be the next to be given, after so many others at the most.
const PLACEHOLDERS: usize = 10;

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Kill, Self::Pause, Self::Disconnect, Self::NewAddress];

    /// Lets it begin.
    #[track_caller]
    pub fn strike(self, node: &Node) -> Struck<'_> {
        let address = node.address();
        match self {
            Self::Kill | Self::NewAddress => docker(&["kill", &node.id]),
            Self::Pause => docker(&["pause", &node.id]),
            Self::Disconnect => docker(&["network", "disconnect", &node.network, &node.id]),
        }
        Struck {
            fault: self,
            node,
            address,
        }
    }
}

impl Struck<'_> {
    /// Lets it pass.
    #[track_caller]
    pub fn end(self) {
        let Node {
            id,
            service,
            network,
            ..
        } = self.node;
        match self.fault {
            Fault::Kill => docker(&["start", id]),
            Fault::Pause => docker(&["unpause", id]),
            Fault::Disconnect => {
                docker(&["network", "connect", "--alias", service, network, id]);
            }
            Fault::NewAddress => self.start_elsewhere(),
        }
    }

    /// A container that is stopped has given its address back, and may get it again.
    fn start_elsewhere(&self) {
        let mut placeholders = Vec::new();
        docker(&["start", &self.node.id]);
        while self.node.address() == self.address {
            docker(&["kill", &self.node.id]);
            placeholders.push(Placeholder::start(&self.node.network));
            docker(&["start", &self.node.id]);
            assert!(
                placeholders.len() <= PLACEHOLDERS,
                "{} comes back as {}",
                self.node,
                self.address
            );
        }
    }
}

impl Placeholder {
    fn start(network: &str) -> Self {
        let sleep = ["--entrypoint", "sleep", image(), "600"];
        let arguments = [&["run", "--detach", "--network", network], &sleep[..]].concat();
        let id = must(run("docker", &arguments, &[]));
        Self { id }
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        let removed = run("docker", &["rm", "--force", "--volumes", &self.id], &[]);
        if let Err(error) = removed {
            eprintln!("{error}");
        }
    }
}

#[track_caller]
fn docker(arguments: &[&str]) {
    must(run("docker", arguments, &[]));
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Disconnect => "disconnect",
            Self::NewAddress => "new address",
        })
    }
}
