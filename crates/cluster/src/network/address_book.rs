//! Who is reached where, and the channels there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::transport::Channel;

use super::Throttle;
use super::connections::endpoint;
use super::dial::{Dial, lazy_channel};
use crate::{ClusterError, NodeId};

/// Whom this node can call: an address book and one lazily dialled channel for each address.
#[derive(Clone)]
pub struct Network {
    own: NodeId,
    book: Arc<Mutex<Book>>,
    snapshots: Throttle,
    /// TCP if there is none.
    dial: Option<Arc<dyn Dial>>,
}

#[derive(Default)]
struct Book {
    addresses: HashMap<NodeId, String>,
    channels: HashMap<String, Channel>,
}

impl Network {
    /// The network as seen from the node `own`.
    pub fn new(own: NodeId) -> Self {
        Self {
            own,
            book: Arc::default(),
            snapshots: Throttle::default(),
            dial: None,
        }
    }

    /// Makes its connections this way.
    #[must_use]
    pub fn with_dial(self, dial: Arc<dyn Dial>) -> Self {
        let dial = Some(dial);
        Self { dial, ..self }
    }

    /// Sends snapshots to others at no more than so many bytes a second, all together; `None` for
    /// no limit.
    #[must_use]
    pub fn with_move_rate(self, bytes_per_second: Option<u64>) -> Self {
        Self {
            snapshots: Throttle::new(bytes_per_second),
            ..self
        }
    }

    pub(super) fn snapshot_throttle(&self) -> Throttle {
        self.snapshots.clone()
    }

    /// Bytes of snapshots' files that this node has sent to others since its start.
    pub fn snapshot_bytes_sent(&self) -> u64 {
        self.snapshots.passed()
    }

    /// This node.
    pub fn own(&self) -> NodeId {
        self.own
    }

    /// Notes where a node is reached, `name:port`.
    pub fn set_address(&self, node: NodeId, address: &str) {
        self.book().addresses.insert(node, address.to_owned());
    }

    /// Notes where a node is reached unless a place is known already.
    pub(crate) fn suggest_address(&self, node: NodeId, address: &str) {
        if !address.is_empty() {
            self.book()
                .addresses
                .entry(node)
                .or_insert_with(|| address.to_owned());
        }
    }

    /// Where a node is reached.
    pub fn address(&self, node: NodeId) -> Option<String> {
        self.book().addresses.get(&node).cloned()
    }

    /// The channel to a node. Nothing is dialled before it is used. Needs a tokio runtime.
    pub fn channel(&self, node: NodeId) -> Result<Channel, ClusterError> {
        let Some(address) = self.address(node) else {
            let reason = "its address is not known yet".to_owned();
            return Err(ClusterError::Unreachable { node, reason });
        };
        self.channel_to(&address)
    }

    /// The channel to an address, `name:port`. Nothing is dialled before it is used; the name is
    /// resolved at every dial. Needs a tokio runtime.
    pub fn channel_to(&self, address: &str) -> Result<Channel, ClusterError> {
        let mut book = self.book();
        if let Some(channel) = book.channels.get(address) {
            return Ok(channel.clone());
        }
        let channel = self.channel_of_its_own(address)?;
        book.channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }

    /// The channel to a node has led to another one, whose address it is now: the next one dials anew.
    pub(crate) fn misled(&self, node: NodeId) {
        let mut book = self.book();
        if let Some(address) = book.addresses.get(&node).cloned() {
            book.channels.remove(&address);
        }
    }

    /// A channel of its own, for streams so long that nothing else should wait behind them.
    pub(crate) fn dedicated_channel(&self, node: NodeId) -> Result<Channel, ClusterError> {
        let Some(address) = self.address(node) else {
            let reason = "its address is not known yet".to_owned();
            return Err(ClusterError::Unreachable { node, reason });
        };
        self.channel_of_its_own(&address)
    }

    fn channel_of_its_own(&self, address: &str) -> Result<Channel, ClusterError> {
        Ok(lazy_channel(&endpoint(address)?, self.dial.as_ref()))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_is_reached_where_it_was_last_said_to_be() {
        let network = Network::new(1);
        assert!(matches!(
            network.channel(2),
            Err(ClusterError::Unreachable { node: 2, .. })
        ));

        network.set_address(2, "shard-2:8100");
        network.suggest_address(2, "elsewhere:1");
        assert_eq!(network.address(2).as_deref(), Some("shard-2:8100"));
        assert!(network.channel(2).is_ok());

        network.set_address(2, "shard-2:9000");
        assert_eq!(network.address(2).as_deref(), Some("shard-2:9000"));
    }

    #[tokio::test]
    async fn what_is_no_address_is_refused() {
        let network = Network::new(1);
        assert!(matches!(
            network.channel_to("no address"),
            Err(ClusterError::Refused { .. })
        ));
    }
}
