//! A careless client: the bytes it sends are its own, whatever HTTP says.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts connections");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a socket option");
        Self(stream)
    }

    /// Sends these bytes and nothing else.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write_all(bytes).expect("the server reads");
        self
    }

    /// Waits for the `100 Continue` that a request with `Expect: 100-continue` is answered with
    /// once the server wants its body; answers whether that is what came.
    pub fn is_continued(&mut self) -> bool {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut bytes = [0; 25];
        self.0.read_exact(&mut bytes).expect("an answer");
        bytes == *interim
    }

    /// Says that nothing more will come; a server that has hung up already need not be told.
    pub fn finish(&mut self) -> &mut Self {
        match self.0.shutdown(std::net::Shutdown::Write) {
            Err(error) if error.kind() != std::io::ErrorKind::NotConnected => {
                panic!("the connection: {error}")
            }
            _ => self,
        }
    }

    /// Reads until the server closes the connection, which a request asks for with
    /// `Connection: close`; answers the status code and everything after the status line.
    pub fn answer(&mut self) -> (u16, String) {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !bytes.is_empty() => {}
            Err(error) => panic!(
                "no answer: {error}, after {:?}",
                String::from_utf8_lossy(&bytes)
            ),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
        (
            status.unwrap_or_else(|| panic!("not an HTTP answer: {text:?}")),
            text,
        )
    }
}
