//! A TCP connection with TLS around it or not. Any certificate is taken, as the kubelet takes any:
//! what is measured is the service, and who it is nobody here can tell.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use provost_check::facts::proof::Outcome;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
};

use super::connection::lost;
use super::outside;
use super::plan::ClientCertificate;

/// Letters of an error that are kept.
const MOST_WHY: usize = 120;

/// What may be spoken inside of TLS (ALPN), the preferred first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// What clients of Go and the kubelet offer.
    Both,
    /// `http/1.1`
    Http1,
    /// `h2`
    Http2,
}

impl Offer {
    fn names(self) -> Vec<Vec<u8>> {
        let (two, one) = (b"h2".to_vec(), b"http/1.1".to_vec());
        match self {
            Self::Both => vec![two, one],
            Self::Http1 => vec![one],
            Self::Http2 => vec![two],
        }
    }
}

/// The connection.
#[derive(Debug)]
pub(super) enum Stream {
    /// In plain text.
    Plain(TcpStream),
    /// Inside of TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects, and shakes hands when something is offered.
    ///
    /// # Errors
    /// What became of the attempt.
    pub(super) async fn open(to: SocketAddr, offer: Option<Offer>) -> Result<Self, Outcome> {
        let shown = SHOWN.load(Ordering::Relaxed);
        Self::open_by(to, offer, CLIENT.get().and_then(Option::as_ref).filter(|_| shown)).await
    }

    /// The same as somebody who has no certificate to show, as a kubelet has none.
    ///
    /// # Errors
    /// What became of the attempt.
    pub(super) async fn open_bare(to: SocketAddr, offer: Option<Offer>) -> Result<Self, Outcome> {
        Self::open_by(to, offer, None).await
    }

    async fn open_by(
        to: SocketAddr,
        offer: Option<Offer>,
        client: Option<&Client>,
    ) -> Result<Self, Outcome> {
        let stream = outside::connect(to).await.map_err(|error| lost(&error, 0))?;
        // Requests are single writes.
        let _ = stream.set_nodelay(true);
        let Some(offer) = offer else { return Ok(Self::Plain(stream)) };
        let config = match client {
            Some(client) => client.config(offer),
            None => config(offer),
        };
        let connector = TlsConnector::from(config.map_err(|error| no_tls(&error))?);
        // An address is not told to the server: a kubelet tells it no name either.
        let name = ServerName::from(to.ip());
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Self::Tls(Box::new(stream))),
            Err(error) => Err(broken(&error).unwrap_or_else(|| lost(&error, 0))),
        }
    }

    /// Whether the kernel was told that what was sent was read by nobody: an error waits on the socket.
    pub(super) fn is_reset(&self) -> bool {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        matches!(stream.take_error(), Ok(Some(_)) | Err(_))
    }

    /// Whether both sides agreed to speak HTTP/2 inside of TLS.
    pub(super) fn is_h2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

/// The first message of a handshake, for a client that sends nothing else.
///
/// # Errors
/// When there is no handshake to be had.
pub(super) fn client_hello(to: SocketAddr) -> Result<Vec<u8>, Outcome> {
    let config = config(Offer::Both).map_err(|error| no_tls(&error))?;
    let name = ServerName::from(to.ip());
    let mut client = ClientConnection::new(config, name).map_err(|error| no_tls(&error))?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello).map_err(|error| lost(&error, 0))?;
    Ok(hello)
}

/// An error of TLS among those of the connection.
pub(super) fn broken(error: &io::Error) -> Option<Outcome> {
    error.get_ref()?.downcast_ref::<Error>().map(no_tls)
}

fn no_tls(error: &Error) -> Outcome {
    Outcome::NoTls { why: error.to_string().chars().take(MOST_WHY).collect() }
}

fn config(offer: Offer) -> Result<Arc<ClientConfig>, Error> {
    static CONFIGS: [OnceLock<Result<Arc<ClientConfig>, Error>>; 3] =
        [const { OnceLock::new() }; 3];
    match CONFIGS.get(offer as usize) {
        Some(known) => known.get_or_init(|| make(offer, None)).clone(),
        None => make(offer, None),
    }
}

fn make(offer: Offer, client: Option<&Client>) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let any = Arc::new(AnyCertificate);
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(any);
    let mut config = match client {
        Some(client) => {
            builder.with_client_auth_cert(client.chain.clone(), client.key.clone_key())?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = offer.names();
    // Each connection is that of another client.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// What this process shows to servers that ask who it is; a worker is told once, before it asks anybody.
static CLIENT: OnceLock<Option<Client>> = OnceLock::new();

/// Whether it does.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// A certificate and its key.
#[derive(Debug)]
struct Client {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    configs: [OnceLock<Result<Arc<ClientConfig>, Error>>; 3],
}

impl Client {
    fn read(told: &ClientCertificate) -> Result<Self, String> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(told.certificates.as_bytes()).collect();
        let chain = chain.map_err(|error| format!("the certificate is no PEM: {error}"))?;
        if chain.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(told.key.as_bytes())
            .map_err(|error| format!("the key is no PEM: {error}"))?;
        let client = Self { chain, key, configs: [const { OnceLock::new() }; 3] };
        match client.config(Offer::Both) {
            Ok(_) => Ok(client),
            Err(error) => Err(error.to_string()),
        }
    }

    fn config(&self, offer: Offer) -> Result<Arc<ClientConfig>, Error> {
        match self.configs.get(offer as usize) {
            Some(known) => known.get_or_init(|| make(offer, Some(self))).clone(),
            None => make(offer, Some(self)),
        }
    }
}

/// Whether that can be shown to a server.
///
/// # Errors
/// Why not.
pub fn check(client: &ClientCertificate) -> Result<(), String> {
    Client::read(client).map(|_| ())
}

/// Shows it from now on.
pub(super) fn be(client: Option<&ClientCertificate>) {
    SHOWN.store(client.is_some_and(|told| !told.made_up), Ordering::Relaxed);
    let client = client.and_then(|told| Client::read(told).ok());
    CLIENT.get_or_init(|| client);
}

/// Shows the one that nobody gave from now on, because a server does not speak without; whether there is one that
/// was not shown yet.
pub(super) fn show() -> bool {
    CLIENT.get().is_some_and(Option::is_some) && !SHOWN.swap(true, Ordering::Relaxed)
}

/// Takes whatever it is shown.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // Nothing is verified, and so all are known, those that this library could not verify, too: what Go's client
        // names (`supportedSignatureAlgorithms` in crypto/tls).
        vec![
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
        ]
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            // Many servers close without a close_notify: it is the end as well.
            Self::Tls(stream) => match Pin::new(stream).poll_read(cx, buffer) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                read => read,
            },
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_a_handshake_record_that_offers_http_2() {
        let hello = client_hello(SocketAddr::from(([127, 0, 0, 1], 443))).unwrap();
        // Record type 22, and handshake type 1 behind its head of five bytes (RFC 8446, section 5.1).
        assert_eq!((hello[0], hello[5]), (22, 1));
        assert!(hello.windows(3).any(|part| part == b"\x02h2"));
    }

    #[test]
    fn a_server_whose_key_cannot_be_verified_here_is_spoken_with_as_a_kubelet_does() {
        // The algorithms as Go lists them (RFC 8446, section 4.2.3): that of P-521 comes last.
        let named = AnyCertificate.supported_verify_schemes();
        let listed: Vec<u8> =
            named.iter().flat_map(|scheme| u16::from(*scheme).to_be_bytes()).collect();
        let hello = client_hello(SocketAddr::from(([127, 0, 0, 1], 443))).unwrap();
        assert!(hello.windows(listed.len()).any(|part| part == listed), "{listed:x?}");
        assert_eq!(named.last().copied().map(u16::from), Some(0x0603));
    }
}
