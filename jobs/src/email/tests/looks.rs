//! How mails read.

use super::super::milestones::{Milestone, Series};
use super::super::{Facts, Template};
use super::*;
use crate::email;

const HOSTILE: &str = "<script>alert(1)</script> & \"Ärzte\"\r\nBcc: eve@example.net";

async fn mail(stage: &Stage, template: Template, facts: Facts) -> (String, String) {
    let cx = stage.inner.context("job", 1);
    email::ask(&cx, USER, template, "v", &facts).await.unwrap();
    let sent = stage.send(template.name(), "v").await.unwrap();
    assert_eq!(sent["outcome"], "sent", "{sent}");
    let text = stage.taken().pop().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.replace("\r\n ", " "), body.to_owned())
}

fn everything() -> Facts {
    let milestone =
        |series, step| Milestone { series, step, night: Some("club@2019-06-14".to_owned()) };
    Facts {
        milestones: vec![
            milestone(Series::Nights, 1),
            milestone(Series::Artist("a".to_owned()), 5),
            milestone(Series::Venues, 10),
            milestone(Series::Anniversary("club@2019-06-14".to_owned()), 1),
        ],
        more: 3,
        photos: Some(1_234),
        linked: Some(1_000),
        new_concerts: Some(1),
        unmatched: Some(234),
        format: Some("pdf".to_owned()),
        concerts: Some(12_345),
        bytes: Some(3_400_000),
        link: Some("https://objects.example.com/a?b=1&c=2".to_owned()),
        expires_at: Some(NOW),
        provider: Some("drive".to_owned()),
    }
}

async fn night(stage: &Stage, artist: &str) {
    let artist = artist.replace('\'', "''");
    for sql in [
        "INSERT INTO venues (venue_id, name, city, created_at, updated_at) VALUES ('club', '9:30 <Club>', 'Köln', 1, 1)".to_owned(),
        format!("INSERT INTO artists (artist_id, name, created_at, updated_at) VALUES ('a', '{artist}', 1, 1)"),
        "INSERT INTO event_nights (night_id, venue_id, local_date, festival, created_at) \
         VALUES ('club@2019-06-14', 'club', '2019-06-14', 0, 1)".to_owned(),
        "INSERT INTO setlists (setlist_id, night_id, artist_id, url, songs, created_at, updated_at) \
         VALUES ('s', 'club@2019-06-14', 'a', 'https://setlist.fm/s', 3, 1, 1)".to_owned(),
        format!("INSERT INTO photos (user_id, provider, file_id, name, source_rev, created_at, updated_at) \
                 VALUES ({USER}, 'folder', '1', 'x', '1', 1, 1)"),
        format!("INSERT INTO photo_links (user_id, provider, file_id, night_id, decided_by, linked_at) \
                 VALUES ({USER}, 'folder', '1', 'club@2019-06-14', 'user', 1)"),
    ] {
        stage.inner.execute(&sql).await;
    }
}

#[tokio::test]
async fn every_mail_can_be_made_in_every_language_with_everything_and_with_nothing() {
    for locale in ["en", "de-AT", "tlh"] {
        let stage = Stage::new().await;
        night(&stage, HOSTILE).await;
        stage.inner.execute(&format!("UPDATE mail_recipients SET locale = '{locale}'")).await;
        for template in Template::ALL {
            let (head, body) = mail(&stage, template, everything()).await;
            assert!(!head.contains("\nBcc") && !head.contains("\rBcc"), "{head}");
            let lang = if locale == "de-AT" { "de" } else { "en" };
            // Quoted-printable writes `=` as `=3D`; soft line ends may be anywhere.
            let body = body.replace("=\r\n", "");
            assert!(body.contains(&format!("<html lang=3D\"{lang}\">")), "{body}");
            let (_, html) = body.split_once("<!doctype html>").unwrap();
            assert!(!html.contains("<script>"), "{template:?}: {html}");
            let listed = head.contains("List-Unsubscribe: <https://example.com/u/k1.");
            assert_eq!(listed, !template.list().unasked(), "{template:?}: {head}");
            assert_eq!(head.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), listed);
            assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        }
        stage.inner.execute("DELETE FROM mails").await;
        for template in [Template::ScanFinished, Template::ExportReady, Template::ReconnectNeeded] {
            mail(&stage, template, Facts::default()).await;
        }
        stage.send("milestone", "nights-150").await.unwrap();
    }
}

#[tokio::test]
async fn a_milestone_is_told_in_the_words_of_its_language() {
    let stage = Stage::new().await;
    night(&stage, "Kraftwerk").await;
    stage.inner.execute("UPDATE mail_recipients SET locale = 'de', name = NULL").await;
    let (head, body) = mail(&stage, Template::Milestone, everything()).await;
    assert!(head.contains("Subject: Dein erstes Konzert: Kraftwerk"), "{head}");
    let body = body.replace("=\r\n", "");
    assert!(body.contains("14. Juni 2019, 9:30 <Club>, K=C3=B6ln: Kraftwerk"), "{body}");
    assert!(body.contains("9:30 &lt;Club&gt;"), "{body}");
}
