//! What is said of settings that no mail could be sent with.

use crate::config::Sources;

fn faults(flags: &[(&str, &str)]) -> String {
    let fine = [
        ("mail.url", "smtps://mail.example.com"),
        ("mail.from", "Concerts <mail@example.com>"),
        ("mail.unsubscribe_url", "https://example.com/u/"),
        ("mail.keys", "k1:0123456789abcdef0123456789abcdef"),
    ];
    let flags =
        fine.iter().chain(flags).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let sources = Sources { file: None, environment: [].into(), flags: flags.collect() };
    sources.load().err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn each_fault_is_named_with_the_way_out() {
    assert_eq!(faults(&[]), "");
    for (key, value, told) in [
        ("mail.url", "smtp://mail.example.com:465", "write smtps://mail.example.com"),
        ("mail.url", "smtp://mail.example.com:587", ""),
        ("mail.url", "smtp://me:p%40ss@[::1]:2525", ""),
        ("mail.url", "mail.example.com", "is not smtp://host:port"),
        ("mail.url", "smtp://mail.example.com:0", "is not smtp://host:port"),
        ("mail.url", "smtp://me:hunter2@mail.example.com/x", "is not smtp://host:port"),
        ("mail.from", "Concerts", "mail.from: `Concerts` is not an address such as"),
        ("mail.from", "Concerts <mail@bücher.example>", ""),
        ("mail.folder", "mails", "mail.url and mail.folder are both set"),
        ("mail.unsubscribe_url", "http://example.com/u/", "must begin with https://"),
        ("mail.unsubscribe_mailto", "stop@bücher.example", "is not an address in ASCII"),
        ("mail.unsubscribe_mailto", "Stop <stop@example.com>", "is not an address in ASCII"),
        ("mail.keys", "", "mail.keys is empty"),
        ("mail.keys", "k1:short", "number 1 is not name:secret"),
        ("mail.quiet_to", "24", "mail.quiet_to is 24"),
        ("mail.first_pause", "0s", "mail.first_pause must not be 0"),
        ("mail.answer_timeout", "12m", "together are longer than 12m"),
    ] {
        let faults = faults(&[(key, value)]);
        assert!(
            faults.contains(told) && faults.is_empty() == told.is_empty(),
            "{key} {value}: {faults}"
        );
        assert!(!faults.contains("hunter2"), "{faults}");
    }
    let open = faults(&[("mail.url", "smtp://mail.example.com"), ("mail.starttls", "false")]);
    assert!(open.contains("mail.allow_plaintext = true"), "{open}");
    let here = [("mail.url", "smtp://127.0.0.1:25"), ("mail.starttls", "false")];
    assert_eq!(faults(&here), "");
}
