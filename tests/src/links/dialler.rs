//! Whose process is at the other end of a connection within this machine: the kernel knows.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

/// The processes behind gates, by the address of their gate: where each of them listens.
#[derive(Debug, Clone, Default)]
pub(super) struct Processes(BTreeMap<SocketAddr, SocketAddr>);

impl Processes {
    pub(super) fn insert(&mut self, gate: SocketAddr, listening: SocketAddr) {
        self.0.insert(gate, listening);
    }

    pub(super) fn gates(&self) -> impl Iterator<Item = &SocketAddr> {
        self.0.keys()
    }

    /// The gate of the process that dialled this connection.
    pub(super) fn dialler(&self, accepted: &TcpStream) -> Option<SocketAddr> {
        let socket = socket_of(accepted.peer_addr().ok()?, accepted.local_addr().ok()?)?;
        let running = fs::read_dir("/proc").ok()?.flatten();
        running
            .filter_map(|process| Some((self.gate_of(&process.path())?, process.path())))
            .find(|(_, process)| holds(process, &socket))
            .map(|(gate, _)| gate)
    }

    /// The gate of a running process, known by the address that it was told to listen at.
    fn gate_of(&self, process: &Path) -> Option<SocketAddr> {
        let command = fs::read(process.join("cmdline")).ok()?;
        let mut arguments = command.split(|byte| *byte == 0);
        arguments.find(|argument| *argument == b"--grpc-listen")?;
        let listening = String::from_utf8_lossy(arguments.next()?).parse().ok()?;
        let mut known = self.0.iter();
        known
            .find(|(_, address)| **address == listening)
            .map(|(gate, _)| *gate)
    }
}

/// The name in `/proc/*/fd` of the socket with these ends.
fn socket_of(own: SocketAddr, other: SocketAddr) -> Option<PathBuf> {
    let (own, other) = (in_hexadecimal(own)?, in_hexadecimal(other)?);
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_it =
            columns.get(1) == Some(&own.as_str()) && columns.get(2) == Some(&other.as_str());
        let inode = columns.get(9).filter(|_| is_it)?;
        Some(PathBuf::from(format!("socket:[{inode}]")))
    })
}

/// As `/proc/net/tcp` writes an address: the bytes of the IP address as one native integer.
fn in_hexadecimal(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else {
        return None;
    };
    let ip = u32::from_ne_bytes(ip.octets());
    Some(format!("{ip:08X}:{:04X}", address.port()))
}

fn holds(process: &Path, socket: &Path) -> bool {
    let open = fs::read_dir(process.join("fd"));
    open.into_iter()
        .flatten()
        .flatten()
        .any(|file| fs::read_link(file.path()).is_ok_and(|target| target == socket))
}
