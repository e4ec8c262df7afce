//! A mail server of somebody else's (aiosmtpd) that does what a file says, and somebody else's eyes for mails.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::certificates::Certificates;
use super::stage::Stage;
use super::{Missing, eventually, provided};

/// The queue of mails.
pub(crate) const MAILS: &str = "notifications";
const LOGIN: &str = "roadie:se:cret@x";

/// How a server is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// Without encryption.
    Plain,
    StartTls,
    Tls,
}

/// A running server. It ends with this process, however that ends.
#[derive(Debug)]
pub(crate) struct MailServer {
    child: Child,
    port: u16,
    folder: PathBuf,
    speaks: Speaks,
}

/// A mail as another parser reads it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Read {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Addresses without names.
    pub(crate) to: Vec<String>,
    pub(crate) defects: Vec<String>,
    pub(crate) parts: Vec<Part>,
    /// Octets of the longest line.
    pub(crate) longest: usize,
    /// Line feeds and carriage returns that stand alone.
    pub(crate) bare: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Part {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) charset: Option<String>,
    pub(crate) text: String,
}

impl Read {
    /// The only header of that name.
    pub(crate) fn header(&self, name: &str) -> &str {
        let named: Vec<_> = self.headers.iter().filter(|(each, _)| each == name).collect();
        let [(_, value)] = named[..] else { panic!("{name}: {named:?}") };
        value
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(each, _)| each == name)
    }
}

/// One with tests/smtp/requirements.txt.
fn python() -> Result<String, Missing> {
    provided("ROADIE_TEST_SMTP", "a mail server")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp").join(name)
}

impl MailServer {
    /// With a login, and where it speaks TLS, a certificate of the stage's private CA.
    pub(crate) fn start(stage: &Stage, speaks: Speaks) -> Result<Self, Missing> {
        let python = python()?;
        let folder = stage.folder(&format!("smtp-{}", uuid::Uuid::new_v4()));
        let mut command = Command::new(python);
        command.arg(script("server.py")).arg(&folder).args(["--login", LOGIN]);
        if speaks != Speaks::Plain {
            let certificates = Certificates::write(&folder);
            command.args(["--cert", &certificates.file("server.pem")]);
            command.args(["--key", &certificates.file("server.key")]);
        }
        if speaks == Speaks::Tls {
            command.arg("--tls");
        }
        let log = std::fs::File::create(folder.join("log")).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let said = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        let port = port.trim().parse().unwrap_or_else(|_| panic!("no mail server: {}", said()));
        Ok(Self { child, port, folder, speaks })
    }

    /// A stage that sends mails there.
    pub(crate) fn serve(&self, stage: Stage) -> Stage {
        let (scheme, ca) = match self.speaks {
            Speaks::Plain => ("smtp", String::new()),
            Speaks::StartTls => ("smtp", self.ca()),
            Speaks::Tls => ("smtps", self.ca()),
        };
        with_mail(stage)
            .set("mail.url", format!("{scheme}://roadie:se%3Acret%40x@localhost:{}", self.port))
            .set("mail.ca_file", ca)
            .set("mail.starttls", self.speaks != Speaks::Plain)
    }

    /// The CA that has signed its certificate.
    pub(crate) fn ca(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// What goes wrong from now on; see `tests/smtp/server.py`.
    pub(crate) fn faults(&self, faults: &Value) {
        let part = self.folder.join("faults.part");
        std::fs::write(&part, faults.to_string()).unwrap();
        std::fs::rename(part, self.folder.join("faults.json")).unwrap();
    }

    /// Waits until it holds a mail back, as it was told to.
    pub(crate) async fn holds(&self) {
        eventually("a mail is held back", async || {
            if self.folder.join("held").exists() { Ok(()) } else { Err("none".to_owned()) }
        })
        .await;
    }

    /// All that it has taken: recipient and message.
    pub(crate) fn taken(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.folder.join("mails").read_dir().unwrap();
        let files = files.map(|file| file.unwrap().path());
        let mails = files.filter(|file| file.extension().is_some_and(|ending| ending == "eml"));
        let taken = |file: PathBuf| {
            let bytes = std::fs::read(file).unwrap();
            let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
            let address = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let address = address.strip_prefix("X-Taken-For: ").unwrap().to_owned();
            (address, bytes[end + 2..].to_vec())
        };
        mails.map(taken).collect()
    }

    /// The only mail that it has taken for an address.
    pub(crate) fn only(&self, address: &str) -> Read {
        let taken: Vec<_> = self.taken().into_iter().filter(|(to, _)| to == address).collect();
        let [(_, bytes)] = &taken[..] else { panic!("{} mails for {address}", taken.len()) };
        read(bytes)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Python's parser makes of a mail.
pub(crate) fn read(mail: &[u8]) -> Read {
    let mut reader = Command::new(python().unwrap())
        .arg(script("read.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(mail).unwrap();
    let said = reader.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(mail));
    serde_json::from_slice(&said.stdout).unwrap()
}

/// Mails as tests want them: at any hour, and tried again at once.
pub(crate) fn with_mail(stage: Stage) -> Stage {
    stage
        .set("queues.notifications.slots", 8)
        .set("mail.from", "Concerts <mail@example.com>")
        .set("mail.app_url", "https://concerts.example.com")
        .set("mail.unsubscribe_url", "https://concerts.example.com/u/")
        .set("mail.unsubscribe_mailto", "leave@example.com")
        .set("mail.keys", "k1:0123456789abcdef0123456789abcdef")
        .set("mail.quiet_from", 0)
        .set("mail.quiet_to", 0)
        .set("mail.first_pause", "100ms")
        .set("mail.longest_pause", "1s")
        .set("budgets.smtp.rate", 0)
}

/// The payload of a mail.
pub(crate) fn mail(user: i64, template: &str, value: &str) -> Value {
    json!({ "userId": user, "template": template, "value": value })
}

/// A mail that goes out whatever its user has subscribed to.
pub(crate) fn plain(user: i64) -> Value {
    mail(user, "reconnect-needed", "drive-1")
}

/// Waits until a server was asked to take the user's mail.
pub(crate) async fn tried(stage: &Stage, user: i64) {
    let catalogue = stage.catalogue().await;
    eventually("it was tried", async || {
        let mails = catalogue.ledger(None, Some(user), 1).await.unwrap();
        if mails.iter().any(|mail| mail.attempts > 0) { Ok(()) } else { Err(format!("{mails:?}")) }
    })
    .await;
}

/// A user with an address who wants to hear of everything, as web tiers write it.
pub(crate) async fn recipient(stage: &Stage, user: i64, address: &str, name: &str, locale: &str) {
    let [address, name] = [address, name].map(|text| text.replace('\'', "''"));
    for sql in [
        format!(
            "INSERT INTO users (user_id, created_at) VALUES ({user}, 1) ON CONFLICT DO NOTHING"
        ),
        format!(
            "INSERT INTO mail_recipients (user_id, address, name, locale, tz) \
             VALUES ({user}, '{address}', '{name}', '{locale}', 'Europe/Vienna')"
        ),
        format!(
            "INSERT INTO mail_preferences (user_id, list, wanted, decided_at) \
             VALUES ({user}, 'milestones', 1, 1), ({user}, 'scans', 1, 1)"
        ),
    ] {
        stage.execute(&sql).await;
    }
}

/// A mail of the ledger in a state, as `state status`.
pub(crate) async fn standing(stage: &Stage, user: i64, wanted: &str) -> String {
    let catalogue = stage.catalogue().await;
    eventually(&format!("the mail of user {user} is {wanted}"), async || {
        let mails = catalogue.ledger(None, Some(user), 10).await.unwrap();
        let shown = mails.iter().map(|mail| {
            format!("{} {}", mail.state.as_str(), mail.status.as_deref().unwrap_or("-"))
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        if shown.starts_with(wanted) { Ok(shown) } else { Err(format!("{shown}: {mails:?}")) }
    })
    .await
}
