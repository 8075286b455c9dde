//! One request, with the limits that a registry has: redirects, waits, time, bytes.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, BodyReader, Timeout, http};

use super::url::Url;

/// How long is waited, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection.
    pub(super) connect: Duration,
    /// For the next bytes.
    pub(super) read: Duration,
    /// For an image, each time that it is read.
    pub(super) total: Duration,
    /// As long as a registry may ask to wait, each time.
    pub(super) wait: Duration,
    /// How often a registry may ask to wait.
    pub(super) waits: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            read: Duration::from_secs(30),
            // 500 MB at 5 Mbit/s.
            total: Duration::from_secs(15 * 60),
            wait: Duration::from_secs(30),
            waits: 4,
        }
    }
}

/// Redirects in a row.
const MOST_REDIRECTS: usize = 5;

/// Bytes of an answer that only says why not.
pub(super) const MOST_WORDS: u64 = 64 << 10;

/// Why something could not be had. Of what a server says only hosts that it leads to are in it, for
/// anything else might repeat a secret; `Registry::secrets` is left out of these too.
#[derive(Debug)]
pub(super) struct Fault {
    kind: ErrorKind,
    message: String,
}

impl Fault {
    /// It could not be had.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::ConnectionAborted, message: message.into() }
    }

    /// It is not there.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::NotFound, message: message.into() }
    }

    /// It is not given to us.
    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::PermissionDenied, message: message.into() }
    }

    /// What came is not what was announced.
    pub(super) fn lie(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::InvalidData, message: message.into() }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::new(fault.kind, fault.message)
    }
}

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) url: Url,
    pub(super) accept: &'a str,
    /// Sent to the host of `url`, and to no other that it redirects to.
    pub(super) authorization: Option<&'a str>,
    /// Sent instead of asking only. Not sent on by redirects.
    pub(super) form: Option<&'a [(&'a str, &'a str)]>,
}

/// What came.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Who answered, after redirects.
    pub(super) url: Url,
    response: http::Response<Body>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// The number and what it means: `404 Not Found`.
    pub(super) fn status_text(&self) -> String {
        self.response.status().to_string()
    }

    /// All of a short answer.
    pub(super) fn words(self, http: &Http) -> Result<Vec<u8>, Fault> {
        self.whole(MOST_WORDS, http)
    }

    /// All of an answer that may have so many bytes.
    pub(super) fn whole(self, most: u64, http: &Http) -> Result<Vec<u8>, Fault> {
        let host = self.url.host.clone();
        let mut bytes = Vec::new();
        let mut reader = self.reader(None, http).take(most + 1);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| Fault { kind: error.kind(), message: error.to_string() })?;
        if bytes.len() as u64 > most {
            return Err(Fault {
                kind: ErrorKind::FileTooLarge,
                message: format!("{host} answers with more than {most} bytes, the limit"),
            });
        }
        Ok(bytes)
    }

    /// The bytes as they come; with `size`, that many or an error.
    pub(super) fn reader(self, size: Option<u64>, http: &Http) -> Reading {
        Reading {
            host: self.url.host,
            inner: self.response.into_body().into_reader(),
            size,
            read: 0,
            http: http.clone(),
        }
    }
}

/// An answer's bytes.
pub(super) struct Reading {
    host: String,
    inner: BodyReader<'static>,
    size: Option<u64>,
    read: u64,
    http: Http,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.http.go_on()?;
        let n =
            self.inner.read(buffer).map_err(|error| of_reading(&error, &self.host, &self.http))?;
        self.read += n as u64;
        self.http.progress.inc(n as u64);
        if let Some(size) = self.size {
            let (host, read) = (&self.host, self.read);
            if read > size {
                let lie = format!("{host} sends more than the {size} bytes that its manifest says");
                return Err(Fault::lie(lie).into());
            }
            if n == 0 && !buffer.is_empty() && read < size {
                let lie = format!("{host} sends {read} bytes; its manifest says {size}");
                return Err(Fault::lie(lie).into());
            }
        }
        Ok(n)
    }
}

/// Asks; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Http {
    agent: Agent,
    /// Hosts that plain HTTP may be spoken with.
    insecure: Arc<[String]>,
    patience: Patience,
    /// When the image's time began.
    began: Arc<Mutex<Instant>>,
    interrupted: Arc<AtomicBool>,
    progress: ProgressBar,
    /// Gone when nobody asks any more.
    alive: Arc<()>,
}

impl Http {
    pub(super) fn new(
        insecure: Arc<[String]>,
        patience: Patience,
        interrupted: Arc<AtomicBool>,
        progress: ProgressBar,
    ) -> io::Result<Self> {
        let agent: Agent = Agent::config_builder()
            .user_agent(concat!("provost/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            // Redirects are followed here: logins must not go along.
            .max_redirects(0)
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_send_request(Some(patience.read))
            .timeout_recv_response(Some(patience.read * 2))
            .timeout_per_read(Some(patience.read))
            .tls_config(TlsConfig::builder().root_certs(roots()).build())
            .build()
            .into();
        let (began, alive) = (Arc::new(Mutex::new(Instant::now())), Arc::new(()));
        let http = Self { agent, insecure, patience, began, interrupted, progress, alive };
        http.watch()?;
        Ok(http)
    }

    /// The image's time begins now: much is done between the arguments and the first request, and
    /// images are read one after the other, after fixes once more.
    pub(super) fn begin(&self) {
        self.set_began(Instant::now());
    }

    fn set_began(&self, at: Instant) {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// As if all its time had passed.
    #[cfg(test)]
    pub(super) fn run_out(&self) {
        self.set_began(Instant::now() - self.patience.total);
    }

    pub(super) fn interrupted(&self) -> &AtomicBool {
        &self.interrupted
    }

    /// Whether plain HTTP may be spoken with a host.
    pub(super) fn is_insecure(&self, host: &str) -> bool {
        self.insecure.iter().any(|named| named.eq_ignore_ascii_case(host))
    }

    /// Ends what waits for the network when the user wants to stop.
    fn watch(&self) -> io::Result<()> {
        let alive = Arc::downgrade(&self.alive);
        let (agent, interrupted) = (self.agent.clone(), Arc::clone(&self.interrupted));
        let watch = move || {
            while alive.strong_count() > 0 {
                if interrupted.load(Ordering::SeqCst) {
                    agent.shutdown();
                    return;
                }
                std::thread::sleep(POLL);
            }
        };
        std::thread::Builder::new().spawn(watch).map(drop)
    }

    fn go_on(&self) -> Result<(), Fault> {
        match self.interrupted.load(Ordering::SeqCst) {
            true => Err(Fault::failed("was not read to its end: interrupted")),
            false => Ok(()),
        }
    }

    /// What is left of the time for the image.
    fn left(&self) -> Result<Duration, Fault> {
        let began = *self.began.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.patience.total.checked_sub(began.elapsed());
        left.filter(|left| !left.is_zero()).ok_or_else(|| self.took_too_long())
    }

    fn took_too_long(&self) -> Fault {
        let most = Seconds(self.patience.total);
        Fault { kind: ErrorKind::TimedOut, message: format!("took more than {most}, the limit") }
    }

    /// Asks, goes where it is sent, and waits where it is asked to.
    pub(super) fn send(&self, ask: &Ask<'_>) -> Result<Answer, Fault> {
        let mut url = ask.url.clone();
        let mut waits = 0;
        let mut redirects = 0;
        loop {
            self.go_on()?;
            let answer = self.once(ask, &url)?;
            match answer.status {
                301 | 302 | 303 | 307 | 308 => {
                    redirects += 1;
                    let host = &ask.url.host;
                    if ask.form.is_some() {
                        return Err(Fault::failed(format!(
                            "{host} redirects what was sent to it for a token, which goes nowhere else"
                        )));
                    }
                    if redirects > MOST_REDIRECTS {
                        return Err(Fault::failed(format!("{host} redirects without an end")));
                    }
                    url = self.target(&answer)?;
                }
                429 | 502 | 503 | 504 => {
                    waits += 1;
                    self.pause(&answer, waits)?;
                }
                _ => return Ok(answer),
            }
        }
    }

    fn once(&self, ask: &Ask<'_>, url: &Url) -> Result<Answer, Fault> {
        if !url.secure && !self.is_insecure(&url.host) {
            let host = &url.host;
            return Err(Fault::failed(format!(
                "{} leads to plain HTTP at {host}, which --insecure-registry does not name",
                ask.url.host
            )));
        }
        let authorization = ask.authorization.filter(|_| url.same_origin(&ask.url));
        let left = Some(self.left()?);
        let address = url.to_string();
        let response = match ask.form {
            Some(form) => {
                let request = self.agent.post(&address).header("Accept", ask.accept);
                request.config().timeout_global(left).build().send_form(form.iter().copied())
            }
            None => {
                let mut request = self.agent.get(&address).header("Accept", ask.accept);
                if let Some(value) = authorization {
                    request = request.header("Authorization", value);
                }
                request.config().timeout_global(left).build().call()
            }
        };
        let response = response.map_err(|error| self.of(&error, &url.host))?;
        Ok(Answer { status: response.status().as_u16(), url: url.clone(), response })
    }

    fn target(&self, answer: &Answer) -> Result<Url, Fault> {
        let host = &answer.url.host;
        let to = answer.header("Location").and_then(|location| answer.url.join(location));
        to.ok_or_else(|| Fault::failed(format!("{host} redirects to what is no address of HTTP")))
    }

    /// Waits as long as the registry asks, within limits.
    fn pause(&self, answer: &Answer, waits: u32) -> Result<(), Fault> {
        let host = &answer.url.host;
        let status = answer.status_text();
        let most = self.patience.wait;
        if waits > self.patience.waits {
            return Err(Fault::failed(format!(
                "{host} still answers {status} after {} attempts",
                self.patience.waits + 1
            )));
        }
        let asked = answer.header("Retry-After").and_then(retry_after);
        let wait = asked.unwrap_or(Duration::from_secs(1 << waits.min(5))).min(
            // Without a word of the registry's it is ours to be patient.
            if asked.is_some() { Duration::MAX } else { most },
        );
        if wait > most {
            let (wait, most) = (Seconds(wait), Seconds(most));
            return Err(Fault::failed(format!(
                "{host} answers {status} and asks to wait {wait}; {most} is the most that is waited"
            )));
        }
        let until = Instant::now() + wait.min(self.left()?);
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.go_on()?;
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(POLL));
        }
        Ok(())
    }

    /// An error of the client's in a sentence about the host.
    fn of(&self, error: &ureq::Error, host: &str) -> Fault {
        if self.interrupted.load(Ordering::SeqCst) {
            return Fault::failed("was not read: interrupted");
        }
        let timed_out = |message| Fault { kind: ErrorKind::TimedOut, message };
        match error {
            ureq::Error::Timeout(Timeout::Global) => self.took_too_long(),
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                let most = Seconds(self.patience.connect);
                timed_out(format!("cannot connect to {host} within {most}"))
            }
            ureq::Error::Timeout(_) => {
                let most = Seconds(self.patience.read);
                timed_out(format!("{host} stalls: nothing came for {most}"))
            }
            ureq::Error::HostNotFound => Fault::failed(format!("{host} is no host that is known")),
            ureq::Error::Io(error) => of_io(error, host),
            ureq::Error::Rustls(error) => of_tls(&error.to_string(), host),
            ureq::Error::Tls(_) => of_tls("", host),
            ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
                Fault::failed(format!("the proxy does not connect to {host}"))
            }
            ureq::Error::LargeResponseHeader(..) => {
                Fault::failed(format!("{host} answers with headers without an end"))
            }
            ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::BodyStalled => {
                Fault::failed(format!("{host} answers with what is no HTTP"))
            }
            _ => Fault::failed(format!("{host} cannot be asked")),
        }
    }
}

/// How often somebody who waits looks whether to go on.
const POLL: Duration = Duration::from_millis(50);

/// Certificates to trust: the machine's, else Mozilla's.
fn roots() -> RootCerts {
    // What of the machine's cannot be read is as if it were not there.
    let certificates = rustls_native_certs::load_native_certs().certs;
    if certificates.is_empty() {
        return RootCerts::WebPki;
    }
    certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect::<Vec<_>>().into()
}

/// What an error is that stands in the way of reading.
fn of_reading(error: &io::Error, host: &str, http: &Http) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(inner) => http.of(inner, host),
        None if error.kind() == ErrorKind::InvalidData => {
            Fault::failed(format!("the connection to {host} fails: {error}"))
        }
        None => of_io(error, host),
    }
}

fn of_io(error: &io::Error, host: &str) -> Fault {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => Fault::failed(format!("cannot connect to {host}: {text}")),
        // What rustls finds wrong comes this way.
        ErrorKind::InvalidData => of_tls(text, host),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            Fault::failed(format!("{host} ends the connection in the middle of an answer"))
        }
        _ => Fault::failed(format!("the connection to {host} fails: {text}")),
    }
}

/// What is wrong with a certificate, by rustls' words for it: the rest of them may be the server's
/// own, as the names of a certificate are (`CertificateError`, rustls 0.23).
const CERTIFICATES: [(&str, &str); 6] = [
    ("UnknownIssuer", "no authority that is known has signed it"),
    ("certificate not valid for name", "it is for another name"),
    ("certificate expired", "it has expired"),
    ("certificate not valid yet", "it is not valid yet"),
    ("Revoked", "it was revoked"),
    ("does not allow extended key usage", "it is not one for servers"),
];

fn of_tls(text: &str, host: &str) -> Fault {
    if text.contains("certificate") {
        let why = CERTIFICATES.iter().find(|(words, _)| text.contains(words));
        let why = why.map_or("it is not valid", |(_, why)| why);
        return Fault::failed(format!(
            "the certificate of {host} is not trusted: {why}; SSL_CERT_FILE can name the authorities"
        ));
    }
    Fault::failed(format!(
        "{host} does not speak TLS; --insecure-registry {host} allows plain HTTP"
    ))
}

/// `Retry-After`: seconds or a date. Source: RFC 9110, section 10.2.3.
fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let wait = at.as_second().saturating_sub(jiff::Timestamp::now().as_second());
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

/// A time as people say it.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => write!(f, "{} ms", self.0.as_millis()),
            seconds if seconds >= 60 && seconds % 60 == 0 => write!(f, "{} minutes", seconds / 60),
            seconds => write!(f, "{seconds} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        let far = retry_after("Fri, 31 Dec 2100 23:59:59 GMT");
        assert!(far.is_some_and(|wait| wait > Duration::from_secs(1 << 20)), "{far:?}");
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after(""), None);
    }
}
