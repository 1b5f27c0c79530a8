//! Encryption towards the server: rustls with ring, trusting the web's usual roots.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Makes ring the process's cryptography if nothing else is yet, as `https` needs one.
pub(crate) fn install_provider() {
    // An error says that a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What a bare connection of the load generator needs; reqwest brings its own.
pub(crate) fn client_config() -> Arc<ClientConfig> {
    install_provider();
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
