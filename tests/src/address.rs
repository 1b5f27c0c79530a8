//! A loopback address for each process, that no other process has.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// An address of this machine's own for one more process: `(http, grpc)`.
///
/// Every address in 127.0.0.0/8 is this machine on Linux, so each process gets one of its own and
/// keeps the ports 8000 and 8100 through restarts; a port asked from the kernel and given back
/// could be taken by any outgoing connection in between. Elsewhere that is what remains.
pub fn fresh() -> (SocketAddr, SocketAddr) {
    for _ in 0..1_000 {
        let number = TAKEN.fetch_add(1, Ordering::Relaxed);
        let Some(pair) = candidate(number) else {
            break;
        };
        if is_a_host(pair.0) && is_free(pair.0) && is_free(pair.1) {
            return pair;
        }
    }
    (given_by_the_kernel(), given_by_the_kernel())
}

fn candidate(number: u32) -> Option<(SocketAddr, SocketAddr)> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let mixed = std::process::id().wrapping_mul(509).wrapping_add(number);
    let [_, high, middle, low] = mixed.to_be_bytes();
    // Not 127.0.0.*, where people's own servers live.
    let ip = IpAddr::V4(Ipv4Addr::new(127, high | 1, middle, low));
    Some((SocketAddr::new(ip, 8000), SocketAddr::new(ip, 8100)))
}

/// Not a network's own address, nor its broadcast.
fn is_a_host(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => !matches!(ip.octets()[3], 0 | 255),
        IpAddr::V6(_) => true,
    }
}

fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

fn given_by_the_kernel() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}
