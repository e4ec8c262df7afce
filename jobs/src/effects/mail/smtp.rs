//! To a mail server (RFC 5321), step by step: whether the content had gone out when something broke decides
//! whether a mail may be sent again.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::time::{Instant, timeout, timeout_at};

use super::reply::{Enhanced, Refusal, Stage};
use super::{Letter, Offer, Transport, Undelivered};

/// A connection that was idle for longer is not used again: servers hang up.
const IDLE: Duration = Duration::from_secs(20);
/// Mails over one connection; servers have limits of their own.
const MAILS: u32 = 100;
const NO_ANSWER: &str = "no answer in time";

/// Where a mail server is, and how it is talked to.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Its name, which its certificate has to have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// What we call ourselves.
    pub hello: String,
    /// User and password, if it asks for them.
    pub login: Option<(String, String)>,
    /// Certificates to trust (PEM) instead of the usual ones.
    pub ca: Option<Vec<u8>>,
    /// The longest time until it waits for the content.
    pub timeout: Duration,
    /// The longest time from then on until it says that it has it.
    pub answer_timeout: Duration,
    /// Connections that are kept for the next mail.
    pub idle: usize,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// From its beginning on (RFC 8314, section 3).
    Tls,
    /// After STARTTLS, without which nothing is sent (RFC 3207).
    StartTls,
    /// Not at all.
    None,
}

impl fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpSettings").field("host", &self.host).finish_non_exhaustive()
    }
}

/// A mail server, and connections to it.
#[derive(Clone)]
pub struct Smtp(Arc<Server>);

struct Server {
    settings: SmtpSettings,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    idle: Mutex<Vec<Line>>,
}

/// An open connection, between two mails.
struct Line {
    connection: AsyncSmtpConnection,
    mails: u32,
    since: Instant,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Smtp").field(&self.0.settings).finish()
    }
}

impl Smtp {
    /// Nobody is asked yet.
    ///
    /// # Errors
    /// The certificates are none.
    pub fn new(settings: SmtpSettings) -> anyhow::Result<Self> {
        let mut tls = TlsParameters::builder(settings.host.clone());
        if let Some(pem) = &settings.ca {
            tls = tls.certificate_store(CertificateStore::None);
            tls = tls.add_root_certificate(Certificate::from_pem(pem)?);
        }
        let login = settings.login.clone();
        let credentials = login.map(|(user, password)| Credentials::new(user, password));
        Ok(Self(Arc::new(Server {
            tls: tls.build_rustls()?,
            credentials,
            settings,
            idle: Mutex::default(),
        })))
    }

    /// Whether it lets us in: connection, encryption, login. No mail is sent.
    ///
    /// # Errors
    /// Why not.
    pub async fn greet(&self) -> Result<(), Undelivered> {
        let greeted = async {
            // How it takes leave does not matter.
            let _ = self.0.connect().await?.quit().await;
            Ok(())
        };
        let greeted = timeout(self.0.settings.timeout, greeted).await;
        greeted.unwrap_or_else(|_| Err(Undelivered::Unreachable(NO_ANSWER.to_owned())))
    }
}

#[async_trait]
impl Transport for Smtp {
    async fn offer(&self, letter: &Letter) -> Result<Box<dyn Offer>, Undelivered> {
        let deadline = Instant::now() + self.0.settings.timeout;
        let line = timeout_at(deadline, self.0.introduced(letter)).await;
        let line = line.map_err(|_| Undelivered::Unreachable(NO_ANSWER.to_owned()))??;
        let line = timeout_at(deadline, self.0.ask(line, letter)).await;
        let line = line.map_err(|_| Undelivered::BrokenOff(NO_ANSWER.to_owned()))??;
        let (server, bytes) = (Arc::clone(&self.0), letter.bytes.clone());
        Ok(Box::new(Waiting { server, line, bytes }))
    }
}

impl Server {
    /// Up to where the server has taken the sender. What was kept of an earlier mail may be gone by now.
    async fn introduced(&self, letter: &Letter) -> Result<Line, Undelivered> {
        while let Some(line) = self.kept() {
            match self.introduce(line, letter).await {
                Err(
                    Undelivered::Unreachable(_)
                    | Undelivered::Refused(Refusal { stage: Stage::Sender, code: 421, .. }),
                ) => {}
                answer => return answer,
            }
        }
        let line = Line { connection: self.connect().await?, mails: 0, since: Instant::now() };
        self.introduce(line, letter).await
    }

    fn kept(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|line| line.since.elapsed() < IDLE);
        idle.pop()
    }

    fn keep(&self, line: Line) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.settings.idle && line.mails < MAILS {
            idle.push(Line { since: Instant::now(), ..line });
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Undelivered> {
        let SmtpSettings { host, port, encryption, hello, .. } = &self.settings;
        let hello = ClientId::Domain(hello.clone());
        let tls = (*encryption == Encryption::Tls).then(|| self.tls.clone());
        let server = (host.as_str(), *port);
        let connected = AsyncSmtpConnection::connect_tokio1(server, None, &hello, tls, None).await;
        let mut connection = connected.map_err(at(Stage::Greeting))?;
        if *encryption == Encryption::StartTls {
            if !connection.can_starttls() {
                let told = "it offers no STARTTLS (mail.starttls)";
                return Err(Undelivered::Misconfigured(told.to_owned()));
            }
            let encrypted = connection.starttls(self.tls.clone(), &hello).await;
            encrypted.map_err(at(Stage::Greeting))?;
        }
        if let Some(credentials) = &self.credentials {
            let known = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&known, credentials).await.map_err(at(Stage::Login))?;
        }
        Ok(connection)
    }

    async fn introduce(&self, mut line: Line, letter: &Letter) -> Result<Line, Undelivered> {
        let connection = &mut line.connection;
        let mut options = Vec::new();
        let addresses: [&str; 2] = [letter.from.as_ref(), letter.to.as_ref()];
        if addresses.iter().any(|address| !address.is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                self.keep(line);
                return Err(Undelivered::AddressNotTaken);
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        let mail = Mail::new(Some(letter.from.clone()), options);
        connection.command(mail).await.map_err(at(Stage::Sender))?;
        Ok(line)
    }

    /// Up to where the server waits for the content.
    async fn ask(&self, mut line: Line, letter: &Letter) -> Result<Line, Undelivered> {
        let connection = &mut line.connection;
        let recipient = Rcpt::new(letter.to.clone(), Vec::new());
        if let Err(error) = connection.command(recipient).await.map_err(at(Stage::Recipient)) {
            let error = broken_off(error);
            // Only this mail was turned away.
            if matches!(error, Undelivered::Refused(Refusal { code, .. }) if code != 421)
                && connection.command(Rset).await.is_ok()
            {
                self.keep(line);
            }
            return Err(error);
        }
        let waits = connection.command(Data).await.map_err(at(Stage::Data));
        waits.map_err(broken_off)?;
        Ok(line)
    }
}

/// What breaks once the server has taken the sender may be about this mail's recipient alone.
fn broken_off(error: Undelivered) -> Undelivered {
    match error {
        Undelivered::Unreachable(why) => Undelivered::BrokenOff(why),
        error => error,
    }
}

/// A server that waits for the content of a mail.
struct Waiting {
    server: Arc<Server>,
    line: Line,
    bytes: Vec<u8>,
}

#[async_trait]
impl Offer for Waiting {
    async fn hand_over(self: Box<Self>) -> Result<String, Undelivered> {
        let Self { server, mut line, bytes } = *self;
        // Set when all of the content was written, and the line that ends it comes next.
        let complete = AtomicBool::new(false);
        let end = std::iter::from_fn(|| {
            complete.store(true, Ordering::Relaxed);
            None
        });
        let parts = std::iter::once(bytes.as_slice()).chain(end);
        let limit = server.settings.answer_timeout;
        let answer = timeout(limit, line.connection.message_iter(parts)).await;
        let error = match answer {
            Ok(Ok(reply)) => {
                line.mails += 1;
                server.keep(line);
                let text = reply.message().next().and_then(Enhanced::of);
                let code = reply.code().to_string();
                return Ok(text.map_or(code.clone(), |enhanced| format!("{code} {enhanced}")));
            }
            Ok(Err(error)) => at(Stage::Content)(error),
            Err(_) => Undelivered::Unreachable(NO_ANSWER.to_owned()),
        };
        Err(match error {
            // Nor is an answer that means nothing one.
            Undelivered::Unreachable(why) | Undelivered::Misconfigured(why)
                if complete.load(Ordering::Relaxed) =>
            {
                Undelivered::Unanswered(why)
            }
            error => broken_off(error),
        })
    }
}

/// What went wrong, without what the server has written: that may hold an address.
fn at(stage: Stage) -> impl Fn(Error) -> Undelivered {
    move |error| {
        if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            let enhanced = Enhanced::of(&text);
            return Undelivered::Refused(Refusal { stage, code: code.into(), enhanced });
        }
        if error.is_client() {
            // It offers no way to log in that we know.
            let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            return Undelivered::Misconfigured(why);
        }
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(cause) = cause.downcast_ref::<io::Error>() {
                return match cause.kind() {
                    // rustls' own: certificates, versions, or no TLS at all.
                    io::ErrorKind::InvalidData if stage == Stage::Greeting => {
                        Undelivered::Misconfigured(format!("TLS: {cause}"))
                    }
                    _ => Undelivered::Unreachable(cause.to_string()),
                };
            }
            source = cause.source();
        }
        let response = "it hung up, or what it says is no SMTP";
        let connection = "it could not be found, or reached";
        let why = if error.is_response() { response } else { connection };
        Undelivered::Unreachable(why.to_owned())
    }
}
