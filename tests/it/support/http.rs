//! Enough HTTP to look at a daemon and to use its API.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use super::eventually;

/// Status and body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = Call::get(path).send(address).await;
    (answer.status, answer.body)
}

/// Waits until a process says that it is ready: a busy machine may answer one of its probes late. Answers what it says.
pub(crate) async fn ready(address: SocketAddr) -> String {
    eventually("the process is ready", async || match get(address, "/readyz").await {
        (200, body) => Ok(body),
        other => Err(format!("{other:?}")),
    })
    .await
}

/// Waits until the value of a sample fits: what has happened is counted a moment later.
pub(crate) async fn counted(address: SocketAddr, name: &str, fits: impl Fn(Option<f64>) -> bool) {
    eventually(name, async || {
        let (_, scrape) = get(address, "/metrics").await;
        let value = sample(&scrape, name);
        if fits(value) { Ok(()) } else { Err(format!("{value:?}")) }
    })
    .await;
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Call {
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Jobs for a queue.
    pub(crate) fn post(queue: &str, body: &Value) -> Self {
        Self::new("POST", &format!("/api/v1/queues/{queue}/jobs")).json(body.to_string())
    }

    pub(crate) fn json(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }.with("Content-Type", "application/json")
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Sets a header; it replaces an earlier one of its name.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// HTTP/1.0, so that the answer ends with the connection.
    async fn open(&self, address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut headers = self.clone();
        if !headers.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            headers = headers.with("Host", address.to_string());
        }
        if !self.body.is_empty() {
            headers = headers.with("Content-Length", self.body.len().to_string());
        }
        let lines = headers.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let head = [format!("{} {} HTTP/1.0\r\n", self.method, self.path)].into_iter();
        let head: Vec<String> = head.chain(lines).chain(["\r\n".to_owned()]).collect();
        stream.write_all(head.concat().as_bytes()).await.unwrap();
        // A server that has heard enough may close.
        let _ = stream.write_all(&self.body).await;
        stream
    }

    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        self.try_send(address)
            .await
            .unwrap_or_else(|| panic!("no answer to {} {}", self.method, self.path))
    }

    /// None where the server ends before it answers.
    pub(crate) async fn try_send(&self, address: SocketAddr) -> Option<Answer> {
        let mut stream = self.open(address).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some(Answer { status: status(head), head: head.to_owned(), body: body.to_owned() })
    }
}

/// Server-sent events, as they come.
#[derive(Debug)]
pub(crate) struct Events {
    lines: Lines<BufReader<TcpStream>>,
    /// The id of the last event.
    pub(crate) last_id: Option<String>,
}

/// One event: its name and its data.
pub(crate) type Sent = (String, Value);

impl Call {
    /// Follows a job.
    pub(crate) fn events(queue: &str, id: &str) -> Self {
        Self::get(&format!("/api/v1/queues/{queue}/jobs/{id}/events"))
    }

    /// Opens a stream of events.
    pub(crate) async fn stream(&self, address: SocketAddr) -> Events {
        let mut lines = BufReader::new(self.open(address).await).lines();
        let head = lines.next_line().await.unwrap().unwrap();
        assert_eq!(status(&head), 200, "{head}");
        let mut kind = None;
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
            kind = kind.or_else(|| line.strip_prefix("content-type: ").map(str::to_owned));
        }
        assert_eq!(kind.as_deref(), Some("text/event-stream"));
        Events { lines, last_id: None }
    }
}

impl Events {
    /// The next event; none when the server has ended the stream.
    pub(crate) async fn next(&mut self) -> Option<Sent> {
        tokio::time::timeout(super::SOON, self.read()).await.expect("an event should have come")
    }

    async fn read(&mut self) -> Option<Sent> {
        let (mut name, mut data) = (String::new(), String::new());
        while let Ok(Some(line)) = self.lines.next_line().await {
            match line.split_once(": ") {
                Some(("event", text)) => text.clone_into(&mut name),
                Some(("data", text)) => text.clone_into(&mut data),
                Some(("id", text)) => self.last_id = Some(text.to_owned()),
                None if line.is_empty() && !data.is_empty() => {
                    return Some((name, serde_json::from_str(&data).unwrap()));
                }
                // A comment, and its end.
                _ => {}
            }
        }
        None
    }

    /// All events until the end.
    pub(crate) async fn rest(mut self) -> Vec<Sent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The id of the job that was added.
    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// A problem of this status; answers its document.
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], status);
        for member in ["type", "title", "detail", "instance"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{document}");
        }
        document
    }
}

/// The value of one sample of a scrape, named with its labels as they are written.
pub(crate) fn sample(scrape: &str, name: &str) -> Option<f64> {
    scrape
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map(|value| value.parse().unwrap())
}
