//! Peers.

use tonic::transport::Channel;

use crate::{ClusterError, NodeId};

/// Whom this node can call: an address book and one lazily dialled channel for each address.
#[derive(Clone)]
pub struct Network;

impl Network {
    /// The network as seen from the node `own`.
    pub fn new(own: NodeId) -> Self {
        let _ = own;
        unimplemented!()
    }

    /// This node.
    pub fn own(&self) -> NodeId {
        unimplemented!()
    }

    /// Notes where a node is reached, `name:port`.
    pub fn set_address(&self, node: NodeId, address: &str) {
        let _ = (node, address);
    }

    /// Where a node is reached.
    pub fn address(&self, node: NodeId) -> Option<String> {
        let _ = node;
        None
    }

    /// The channel to a node. Nothing is dialled before it is used.
    pub fn channel(&self, node: NodeId) -> Result<Channel, ClusterError> {
        let _ = node;
        unimplemented!()
    }

    /// The channel to an address, `name:port`. Nothing is dialled before it is used; the name is
    /// resolved at every dial.
    pub fn channel_to(&self, address: &str) -> Result<Channel, ClusterError> {
        let _ = address;
        unimplemented!()
    }
}
