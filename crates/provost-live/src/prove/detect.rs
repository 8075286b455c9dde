//! What is spoken on a port, found by asking: first what the manifest says, then HTTP/1.1 in plain text,
//! TLS, and HTTP/2 with prior knowledge.

use std::net::SocketAddr;
use std::time::Duration;

use provost_check::facts::proof::{Outcome, Protocol, Said};
use tokio::time::timeout;

use super::connection::{Connection, Kept, get};
use super::http2::{Http2, Reads};
use super::tls::{self, Offer, Stream};

/// Bytes of an answer that are looked at.
const MOST_BODY: usize = 1 << 10;
/// What one question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// That, and how it is known.
    Speaks(Protocol, String),
    /// None of these, and why.
    Nothing(String),
    /// Nobody is there, or nobody answers yet.
    Nobody,
}

/// Asks.
pub(super) async fn detect(to: SocketAddr, path: &str, said: Option<&Said>) -> Found {
    if let Some(said) = said {
        let found = within(shown(to, path, said.protocol)).await;
        if let Some(Ok((protocol, by))) = found {
            let how = if by.ends_with(SHOWN) { SHOWN } else { "" };
            return Found::Speaks(protocol, format!("{}{how}", said.by));
        }
    }
    let plain = within(plain(to, path)).await;
    let Some((plain, body)) = plain.filter(|(outcome, _)| *outcome != Outcome::Refused) else {
        return Found::Nobody;
    };
    let answered = matches!(plain, Outcome::Answered { .. });
    if answered && !matches!(plain, Outcome::Answered { status: 400, .. }) {
        return Found::Speaks(Protocol::Http, "a plain request was answered".to_owned());
    }
    // A TLS server of Go answers 400 in plain text; others do for requests of their own.
    let tls = within(shown(to, path, Protocol::H2)).await;
    if let Some(Ok((protocol, by))) = tls {
        return Found::Speaks(protocol, by);
    }
    if wants_tls(&body) {
        // It has no certificate yet, perhaps.
        return Found::Nobody;
    }
    if answered {
        return Found::Speaks(Protocol::Http, "a plain request was answered 400".to_owned());
    }
    if let Some(Ok((protocol, by))) = within(ask(to, path, Protocol::H2c)).await {
        return Found::Speaks(protocol, by);
    }
    match tls {
        Some(Err(outcome)) if outcome.wants_certificate() => Found::Nothing(
            "it speaks TLS and wants to know who asks: --client-cert and --client-key say it"
                .to_owned(),
        ),
        Some(Err(outcome @ Outcome::NoTls { .. })) => Found::Nothing(format!(
            "it answers neither HTTP nor HTTP/2, and is {}",
            outcome.words()
        )),
        _ => Found::Nothing("it answers neither HTTP, nor TLS, nor HTTP/2".to_owned()),
    }
}

async fn within<T>(asking: impl Future<Output = T>) -> Option<T> {
    timeout(PATIENCE, asking).await.ok()
}

/// What became of a plain request, and the beginning of what was answered.
async fn plain(to: SocketAddr, path: &str) -> (Outcome, Vec<u8>) {
    let mut kept = Kept { most: MOST_BODY, ..Kept::default() };
    let asking = async {
        let mut connection = Connection::open(to).await?;
        connection.send(&get(path, &to.to_string(), 0)).await?;
        Ok::<Outcome, Outcome>(connection.response_to(&mut kept).await)
    };
    let (Ok(outcome) | Err(outcome)) = asking.await;
    (outcome, kept.body)
}

/// Whether an answer says that TLS is to be spoken: `Client sent an HTTP request to an HTTPS server.`
/// (`net/http/server.go`), `The plain HTTP request was sent to HTTPS port` (nginx).
fn wants_tls(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    ["to an HTTPS server", "to HTTPS port"].iter().any(|words| text.contains(words))
}

/// How it was found out, where a certificate had to be shown.
const SHOWN: &str = ", to whoever shows the certificate that was made up";
/// Who has no certificate may be cut off before it has read why.
const TRIES: usize = 4;

/// The same again as somebody who is known, where the server wants that and there is somebody.
async fn shown(
    to: SocketAddr,
    path: &str,
    protocol: Protocol,
) -> Result<(Protocol, String), Outcome> {
    let mut how = "";
    let mut asked = ask(to, path, protocol).await;
    for _ in 1..TRIES {
        let Err(outcome) = &asked else { break };
        let cut = matches!(outcome, Outcome::Reset { bytes: 0 } | Outcome::Closed { bytes: 0 });
        let wants = outcome.wants_certificate();
        if !(wants || cut && protocol.is_tls()) {
            break;
        }
        let newly = tls::show();
        if newly {
            how = SHOWN;
        } else if wants {
            break;
        }
        asked = ask(to, path, protocol).await;
    }
    asked.map(|(protocol, by)| (protocol, by + how))
}

/// Whether that is spoken, or what is beside it: HTTP/1.1 inside of the same TLS, gRPC over the same
/// HTTP/2.
async fn ask(
    to: SocketAddr,
    path: &str,
    protocol: Protocol,
) -> Result<(Protocol, String), Outcome> {
    match protocol {
        Protocol::Http => match plain(to, path).await.0 {
            Outcome::Answered { .. } => Ok((Protocol::Http, String::new())),
            outcome => Err(outcome),
        },
        Protocol::H2c | Protocol::Grpc => {
            let http2 = Http2::open(to, Protocol::H2c, Reads::AtOnce).await?;
            over(http2, [Protocol::H2c, Protocol::Grpc], "HTTP/2 with prior knowledge").await
        }
        Protocol::Https | Protocol::H2 | Protocol::Grpcs => {
            let stream = Stream::open(to, Some(Offer::Both)).await?;
            if stream.is_h2() {
                let http2 = Http2::over(stream, to, Reads::AtOnce).await?;
                return over(http2, [Protocol::H2, Protocol::Grpcs], "TLS, HTTP/2 in it").await;
            }
            let mut connection = Connection::over(stream);
            connection.send(&get(path, &to.to_string(), 0)).await?;
            match connection.response_to(&mut Kept::default()).await {
                Outcome::Answered { .. } => {
                    Ok((Protocol::Https, "it shook hands by TLS, HTTP/1.1 in it".to_owned()))
                }
                outcome => Err(outcome),
            }
        }
    }
}

async fn over(
    http2: Http2,
    [plain, grpc]: [Protocol; 2],
    what: &str,
) -> Result<(Protocol, String), Outcome> {
    if !http2.speaks().await {
        return Err(http2.wire().borrow().fate(None));
    }
    Ok(match http2.speaks_grpc().await {
        true => (grpc, format!("it answered {what}, and a call as gRPC does")),
        false => (plain, format!("it answered {what}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_tls_say_so_in_plain_text() {
        assert!(wants_tls(b"Client sent an HTTP request to an HTTPS server.\n"));
        assert!(wants_tls(b"<center>The plain HTTP request was sent to HTTPS port</center>"));
        assert!(!wants_tls(b"missing parameter: id"));
    }
}
