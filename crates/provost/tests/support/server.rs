//! A server of HTTP on loopback that answers what a test wants, also what no server should.

#![allow(dead_code, unreachable_pub, reason = "each test file is a crate and uses its part")]
#![allow(clippy::unwrap_used, reason = "it is a test's own tool")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Clone)]
pub enum Reply {
    /// Status, headers and body, with its length.
    Whole(u16, Vec<(String, String)>, Vec<u8>),
    /// The same with a body that ends where the connection does.
    Unsized(Vec<u8>),
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
    /// These bytes, and then more without an end.
    Endless(Vec<u8>),
    /// These bytes, and then nothing while the client waits.
    Stall(Vec<u8>),
}

pub fn ok(media_type: &str, body: &[u8]) -> Reply {
    Reply::Whole(200, vec![("Content-Type".to_owned(), media_type.to_owned())], body.to_vec())
}

pub fn status(status: u16, headers: &[(&str, &str)]) -> Reply {
    let headers = headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Reply::Whole(status, headers.collect(), Vec::new())
}

/// Ends, with all its threads, when it is dropped and its clients are gone.
pub struct Server {
    /// `127.0.0.1:PORT`
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (asked, ends) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let answer = Arc::new(answer);
        let (log, over) = (Arc::clone(&asked), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                std::thread::spawn(move || {
                    // A client that goes away is no fault of the server's.
                    let _ = serve(stream, &*answer, &log);
                });
            }
        });
        Self { address, asked, ends, thread: Some(thread) }
    }

    /// What was asked until now.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    stream: TcpStream,
    answer: &dyn Fn(&Asked) -> Reply,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((key, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((key.to_ascii_lowercase(), value.to_owned()));
    }
    let mut asked = Asked { method, path, headers, body: String::new() };
    let length = asked.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    reader.by_ref().take(length).read_to_string(&mut asked.body)?;
    log.lock().unwrap().push(asked.clone());
    match answer(&asked) {
        Reply::Whole(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
            for (key, value) in headers {
                head += &format!("{key}: {value}\r\n");
            }
            head += &format!("Content-Length: {}\r\n\r\n", body.len());
            writer.write_all(head.as_bytes())?;
            writer.write_all(&body)
        }
        Reply::Unsized(body) => {
            writer.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            writer.write_all(&body)
        }
        Reply::Raw(bytes) => writer.write_all(&bytes),
        Reply::Endless(head) => {
            writer.write_all(&head)?;
            let more = [b'a'; 4096];
            loop {
                writer.write_all(&more)?;
            }
        }
        Reply::Stall(head) => {
            writer.write_all(&head)?;
            // Until the client has had enough.
            reader.read_to_end(&mut Vec::new()).map(drop)
        }
    }
}
