//! The network between the processes of a cluster, which can be cut: one way, or both.
//!
//! Each process is reached through a *gate*, an address of its own that it advertises instead of the
//! one it listens at. A gate looks up whose process dialled it (`dialler`), so it knows both ends
//! of every connection, and passes bytes on. While a direction is cut its bytes are held, the end of
//! a connection like any other byte, and what was held arrives once it is healed: as TCP does it
//! when packets are lost for a while, so a request may arrive long after its sender gave up. Nobody
//! is told that a connection is cut.
//!
//! A gate whose process does not listen does not listen either: a dead process refuses connections
//! behind its gate as it does without.

mod dialler;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use dialler::Processes;

/// The port of a gate, at the IP address of the process behind it.
const GATE_PORT: u16 = 8200;
/// Between two looks whether a process listens again.
const LOOK: Duration = Duration::from_millis(10);

/// The connections between processes, each known by the address of its gate. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Links(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How often it was cut, less how often it was healed, from the first to the second.
    cut: BTreeMap<(SocketAddr, SocketAddr), usize>,
    processes: Processes,
    /// The scenario has ended.
    is_over: bool,
}

impl Links {
    /// A gate to the process that listens at this address; to be called before that starts.
    pub fn gate_to(&self, listening: SocketAddr) -> SocketAddr {
        let gate = SocketAddr::new(listening.ip(), GATE_PORT);
        let mut state = self.0.state.lock().unwrap();
        state.processes.insert(gate, listening);
        let inner = Arc::clone(&self.0);
        thread::spawn(move || inner.keep_gate(gate, listening));
        gate
    }

    /// From now on nothing passes from the process behind one gate to that behind another.
    pub fn cut(&self, from: SocketAddr, to: SocketAddr) {
        let mut state = self.0.state.lock().unwrap();
        *state.cut.entry((from, to)).or_default() += 1;
    }

    /// What was held in this direction arrives, and what comes passes, once it is healed as often as
    /// it was cut.
    pub fn heal(&self, from: SocketAddr, to: SocketAddr) {
        let mut state = self.0.state.lock().unwrap();
        if let Some(times) = state.cut.get_mut(&(from, to)) {
            *times -= 1;
        }
        state.cut.retain(|_, times| *times > 0);
        self.0.changed.notify_all();
    }

    /// Ends the gates; connections end with the processes.
    pub fn end(&self) {
        let mut state = self.0.state.lock().unwrap();
        state.is_over = true;
        state.cut.clear();
        self.0.changed.notify_all();
        for gate in state.processes.gates() {
            // Wakes the one who waits for connections there.
            let _ = TcpStream::connect(gate);
        }
    }
}

impl Inner {
    fn keep_gate(self: &Arc<Self>, gate: SocketAddr, listening: SocketAddr) {
        while !self.is_over() {
            thread::sleep(LOOK);
            if TcpStream::connect(listening).is_err() {
                continue;
            }
            // Another process may take the port for an outgoing connection for a moment.
            let Ok(listener) = TcpListener::bind(gate) else {
                continue;
            };
            while let Ok((dialled, _)) = listener.accept() {
                if self.is_over() || self.join(dialled, gate, listening).is_err() {
                    break;
                }
            }
        }
    }

    /// Connects who dialled with the process behind the gate; an error says that nobody listens.
    fn join(
        self: &Arc<Self>,
        dialled: TcpStream,
        gate: SocketAddr,
        listening: SocketAddr,
    ) -> std::io::Result<()> {
        let onward = TcpStream::connect(listening)?;
        let who = self.state.lock().unwrap().processes.clone();
        // Who closed the connection at once is not found any more, and misses nothing.
        let Some(from) = who.dialler(&dialled) else {
            return Ok(());
        };
        dialled.set_nodelay(true)?;
        onward.set_nodelay(true)?;
        let there = (dialled.try_clone()?, onward.try_clone()?);
        let back = (onward, dialled);
        for ((source, sink), way) in [(there, (from, gate)), (back, (gate, from))] {
            let inner = Arc::clone(self);
            thread::spawn(move || inner.pass_on(source, sink, way));
        }
        Ok(())
    }

    fn pass_on(&self, mut source: TcpStream, mut sink: TcpStream, way: (SocketAddr, SocketAddr)) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = source.read(&mut buffer).unwrap_or(0);
            self.wait_until_passable(way);
            if count == 0 || sink.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = sink.shutdown(Shutdown::Write);
        let _ = source.shutdown(Shutdown::Read);
    }

    fn wait_until_passable(&self, way: (SocketAddr, SocketAddr)) {
        let state = self.state.lock().unwrap();
        let passable = self
            .changed
            .wait_while(state, |state| state.cut.contains_key(&way));
        drop(passable.unwrap());
    }

    fn is_over(&self) -> bool {
        self.state.lock().unwrap().is_over
    }
}
