//! Mails reach a mail server of somebody else's as RFC 5322, 2047 and 8058 want them, each once.

use serde_json::json;

use super::support::history::{HOSTILE, concerts};
use super::support::http::Call;
use super::support::process::run;
use super::support::s3::S3Server;
use super::support::smtp::{
    MAILS, MailServer, Speaks, mail, plain, read, recipient, standing, with_mail,
};
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_what_another_parser_reads() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::StartTls));
    let stage = server.serve(stage);
    let worker = Worker::start(&stage).await;
    let said = run(&stage, &["check"]).await;
    assert!(said.out.contains("ok     mail"), "{said:?}");
    let endless = "Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrikantin";
    let names = ["梶浦由記 & Kalafina 🎸", endless, "Ann\r\nBcc: eve@example.net", "Ann"];
    for (at, name) in names.into_iter().enumerate() {
        let user = user();
        let address = format!("reader-{at}@example.org");
        recipient(&stage, user, &address, name, "de-AT").await;
        for value in ["nights-100", "nights-100"] {
            let id = stage.add(MAILS, "send-email", mail(user, "milestone", value)).await;
            let told = stage.returned(MAILS, &id).await;
            assert_eq!(told["outcome"], "sent", "{told}");
            assert_eq!(told["status"], "250 2.0.0");
        }
        let read = server.only(&address);
        assert_eq!(read.defects, Vec::<String>::new());
        assert_eq!(read.kind, "multipart/alternative");
        let kinds: Vec<_> = read.parts.iter().map(|part| part.kind.as_str()).collect();
        assert_eq!(kinds, ["text/plain", "text/html"]);
        assert!(read.parts.iter().all(|part| part.charset.as_deref() == Some("utf-8")));
        assert!((read.longest, read.bare) <= (998, 0), "{} {}", read.longest, read.bare);
        assert_eq!(read.header("Subject"), "Dein 100. Konzert");
        assert_eq!(read.header("From"), "Concerts <mail@example.com>");
        assert!(!read.has("Bcc"), "{:?}", read.headers);
        let shown = name.replace("\r\n", " ");
        assert!(read.header("To").contains(&shown.replace(['&'], "&")), "{:?}", read.headers);
        assert!(read.header("To").ends_with(&format!("<{address}>")), "{:?}", read.headers);
        assert!(read.parts[0].text.contains(&format!("Hallo {shown},")), "{}", read.parts[0].text);
        assert!(read.parts[1].text.contains(&format!("Hallo {},", shown.replace('&', "&amp;"))));
        let id = read.header("Message-ID");
        assert!(id.starts_with("<m.") && id.ends_with("@example.com>") && id.len() == 48, "{id}");
        assert_eq!(read.header("Auto-Submitted"), "auto-generated");
        assert_eq!(read.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
        chrono::DateTime::parse_from_rfc2822(read.header("Date")).unwrap();
        let list = read.header("List-Unsubscribe");
        let (url, mailto) = list.split_once(", ").unwrap();
        let token = url.strip_prefix("<https://concerts.example.com/u/").unwrap();
        let token = token.strip_suffix('>').unwrap();
        assert_eq!(mailto, format!("<mailto:leave@example.com?subject={token}>"));
        // One click, as the web tier hands it on.
        let said = run(&stage, &["mail", "unsubscribe", token]).await;
        assert_eq!(said.code, 0, "{said:?}");
        let id = stage.add(MAILS, "send-email", mail(user, "milestone", "nights-150")).await;
        assert_eq!(stage.returned(MAILS, &id).await["outcome"], "unwanted");
        // What is needed comes all the same, and cannot be unsubscribed from.
        let id = stage.add(MAILS, "send-email", plain(user)).await;
        assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent");
        let needed = server
            .taken()
            .into_iter()
            .rfind(|(to, mail)| *to == address && String::from_utf8_lossy(mail).contains("Google"));
        assert!(!super::support::smtp::read(&needed.unwrap().1).has("List-Unsubscribe"));
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_and_send_again_what_nobody_knows_of() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Plain));
    let stage = server.serve(stage);
    let worker = Worker::start(&stage).await;
    let one = user();
    let address = "cut@example.org";
    recipient(&stage, one, address, "Ann", "en").await;
    let id = stage.add(MAILS, "send-email", plain(one)).await;
    assert_eq!(stage.returned(MAILS, &id).await["outcome"], "unknown");
    let said = run(&stage, &["mail"]).await;
    assert!(said.out.contains("reconnect-needed") && said.out.contains("unknown"), "{said:?}");
    let said = run(&stage, &["mail", "list", "--state", "unknown"]).await;
    assert!(said.out.contains("drive-1") && !said.out.contains('@'), "{said:?}");
    // Its owner has moved.
    stage.execute("UPDATE mail_recipients SET address = 'new@example.org'").await;
    let again = [one.to_string(), "reconnect-needed".to_owned(), "drive-1".to_owned()];
    let again = ["mail", "resend", &again[0], &again[1], &again[2]];
    let said = run(&stage, &again).await;
    assert_eq!(said.code, 0, "{said:?}");
    standing(&stage, one, "sent 250 2.0.0").await;
    assert_eq!(
        server.only(address).header("Message-ID"),
        server.only("new@example.org").header("Message-ID")
    );
    let said = run(&stage, &again).await;
    assert!(said.code == 1 && said.err.contains("was sent"), "{said:?}");
    // A provider tells of a complaint.
    let said = run(&stage, &["mail", "suppress", "New@Example.org", "--reason", "complaint"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let id = stage.add(MAILS, "send-email", mail(one, "export-ready", "e1")).await;
    let told = stage.returned(MAILS, &id).await;
    assert_eq!(
        (&told["outcome"], &told["reason"]),
        (&json!("suppressed"), &json!("the address gets no mail: complaint"))
    );
    assert_eq!(run(&stage, &["mail", "allow", "new@example.org"]).await.code, 0);
    let id = stage.add(MAILS, "send-email", mail(one, "export-ready", "e1")).await;
    assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_can_be_files_and_what_cannot_be_meant_is_a_fault() {
    let stage = with_mail(need!(Stage::new()));
    let folder = stage.folder("mails");
    let stage = stage.set("mail.folder", folder.display());
    let worker = Worker::start(&stage).await;
    let one = user();
    recipient(&stage, one, "ann@example.org", "Ann", "en").await;
    let id = stage.add(MAILS, "send-email", mail(one, "milestone", "nights-1")).await;
    assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent");
    let files: Vec<_> = folder.join(one.to_string()).read_dir().unwrap().collect();
    let [Ok(file)] = &files[..] else { panic!("{files:?}") };
    if std::env::var_os("ROADIE_TEST_SMTP").is_some() {
        let read = read(&std::fs::read(file.path()).unwrap());
        assert_eq!(read.header("Subject"), "Your first concert");
    }
    worker.stop().await;
    let wrong = need!(Stage::new())
        .set("mail.url", "smtp://mail.example.com")
        .set("mail.starttls", false)
        .set("mail.from", "nobody");
    let said = run(&wrong, &["check"]).await;
    assert_eq!(said.code, 64, "{said:?}");
    for fault in ["mail.from", "mail.keys", "mail.unsubscribe_url", "mail.allow_plaintext"] {
        assert!(said.err.contains(fault), "{fault}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_makes_another_mail_of_it() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Plain));
    let stage = server.serve(stage);
    let worker = Worker::start(&stage).await;
    let endless = "Παραντώνης, ".repeat(25);
    let more = [
        "Eve\" <eve@example.net>, \"Ann",
        "Ann\u{0085}Bcc: eve@example.net\u{2028}\r\n\r\n<p>",
        "{{ link }}{% include \"layout.html\" %}</p><script>alert(1)</script>",
        "=?utf-8?q?Eve?= <eve@example.net>",
        endless.trim(),
        " \t ",
    ];
    let mut asked = Vec::new();
    for name in HOSTILE.into_iter().chain(more) {
        let one = user();
        recipient(&stage, one, &format!("u{one}@example.org"), name, "en").await;
        asked.push((one, name, stage.add(MAILS, "send-email", plain(one)).await));
    }
    for (user, name, id) in asked {
        assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent", "{name:?}");
        let address = format!("u{user}@example.org");
        let read = server.only(&address);
        assert_eq!((&read.defects, &read.to), (&vec![], &vec![address.clone()]), "{name:?}");
        let headers: Vec<_> = read.headers.iter().map(|(name, _)| name.as_str()).collect();
        #[rustfmt::skip]
        assert_eq!(
            headers,
            ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"],
            "{name:?}"
        );
        assert!(read.longest <= 998 && read.bare == 0 && read.parts.len() == 2, "{name:?}");
        // On one line, and not for ever.
        let name = name.replace(['\u{202e}', '\u{2066}'], "");
        let words = name.split(|c: char| c.is_whitespace() || c.is_control());
        let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let kept: String = line.chars().take(149).collect();
        let shown = read.header("To");
        assert!(kept.is_empty() || shown.replace('\\', "").contains(&kept), "{name:?}: {shown}");
        let html = &read.parts[1].text;
        assert!(!html.contains("<script") && html.matches("<p ").count() == 3, "{html}");
        assert!(!read.parts[0].text.contains("\n\n<p>"), "{}", read.parts[0].text);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_of_all_letters_get_mail_where_the_server_takes_them() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Plain));
    let stage = server.serve(stage).set("mail.idle_connections", 0);
    let worker = Worker::start(&stage).await;
    for (ascii, address, expected) in [
        (false, "jürgen@bücher.example", Some("jürgen@xn--bcher-kva.example")),
        (false, "用户@例え.テスト", Some("用户@xn--r8jz45g.xn--zckzah")),
        (false, "\"ann of @ the rain\"@example.org", Some("\"ann of @ the rain\"@example.org")),
        (false, "o'ann+nights=1@example.org", Some("o'ann+nights=1@example.org")),
        (true, "ann@bücher.example", Some("ann@xn--bcher-kva.example")),
        (true, "jürgen@example.org", None),
    ] {
        server.faults(&json!({ "ascii": ascii }));
        let one = user();
        recipient(&stage, one, address, "Ann", "en").await;
        let id = stage.add(MAILS, "send-email", plain(one)).await;
        let told = stage.returned(MAILS, &id).await;
        let Some(expected) = expected else {
            assert_eq!(told["outcome"], "failed", "{told}");
            assert!(told["reason"].as_str().unwrap().contains("SMTPUTF8"), "{told}");
            continue;
        };
        assert_eq!(told["outcome"], "sent", "{address}: {told}");
        let read = server.only(expected);
        assert_eq!((&read.defects, &read.to), (&vec![], &vec![expected.to_owned()]), "{address}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mail_about_an_export_holds_a_link_to_its_file_and_to_nothing_else() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Plain));
    let objects = S3Server::start(&stage).await;
    objects.bucket("exports");
    let stage = objects.on(server.serve(stage)).set("queues.exports.slots", 1);
    let worker = Worker::start(&stage).await;
    let one = user();
    concerts(&stage, one, 3).await;
    recipient(&stage, one, "ann@example.org", "Ann", "de").await;
    let ask = json!({ "exportId": "e-1", "userId": one, "format": "csv" });
    let id = stage.add("exports", "export-history", ask).await;
    let answer = stage.returned("exports", &id).await;
    standing(&stage, one, "sent").await;
    let read = server.only("ann@example.org");
    assert_eq!(read.header("Subject"), "Deine Konzertgeschichte ist fertig (CSV)");
    let text = &read.parts[0].text;
    let link = text.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let html = read.parts[1].text.replace("&amp;", "&").replace("&#x2f;", "/");
    assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
    // As long as the file is there: seven days, less what it took to make it.
    let (_, lasts) = link.split_once("X-Amz-Expires=").unwrap();
    let lasts: u32 = lasts.split('&').next().unwrap().parse().unwrap();
    assert!((600_000..=604_800).contains(&lasts), "{link}");
    assert!(text.contains("Der Link gilt bis "), "{text}");
    let (address, path) = link["http://".len()..].split_once('/').unwrap();
    let address = address.parse().unwrap();
    let fetched = Call::get(&format!("/{path}")).send(address).await;
    assert_eq!(fetched.status, 200);
    assert_eq!(answer["bytes"], fetched.body.len());
    let other = format!("/{path}").replace("e-1.csv", "e-2.csv");
    assert_eq!(Call::get(&other).send(address).await.status, 403);
    worker.stop().await;
}
