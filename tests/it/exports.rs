//! All concerts of a user become a file that others read as it is meant, for some days.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::support::history::{HOSTILE, PICTURE, concerts, starred};
use super::support::postgres::Database;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;
use super::support::{Missing, provided};

const QUEUE: &str = "exports";
const NIGHTS: u32 = 300;

pub(crate) fn serving(stage: Stage) -> Stage {
    stage.set("queues.exports.slots", 2)
}

/// The file of an export, and what its job has answered.
pub(crate) async fn exported(stage: &Stage, payload: Value) -> (Value, Vec<u8>) {
    let id = stage.add(QUEUE, "export-history", payload).await;
    let answer = stage.returned(QUEUE, &id).await;
    let file = std::fs::read(file(stage, &answer)).unwrap();
    assert_eq!(answer["bytes"], file.len());
    (answer, file)
}

/// Where the embedded store has it.
pub(crate) fn file(stage: &Stage, answer: &Value) -> PathBuf {
    let [bucket, key] = ["bucket", "key"].map(|name| answer[name].as_str().unwrap());
    stage.config().data.dir.join("objects").join(bucket).join(key)
}

on_both_databases!(all_concerts_are_in_every_format);

async fn all_concerts_are_in_every_format(stage: Stage) {
    let stage = serving(stage);
    let user = user();
    concerts(&stage, user, NIGHTS).await;
    let worker = Worker::start(&stage).await;
    let ask = |id: &str, format: &str| json!({ "exportId": id, "userId": user, "format": format });
    let (answer, json) = exported(&stage, ask("e-json", "json")).await;
    let all = u64::from(NIGHTS) + HOSTILE.len() as u64;
    assert_eq!(answer["rows"], all + u64::from(NIGHTS), "{answer}");
    assert_eq!(answer["key"], format!("exports/{user}/e-json.json"));
    // The folder serves nobody.
    assert_eq!((&answer["url"], &answer["urlExpiresAt"]), (&Value::Null, &Value::Null));
    let told: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(told["totals"]["nights"], all);
    let nights = told["nights"].as_array().unwrap();
    assert!(nights.is_sorted_by_key(|night| night["date"].as_str().unwrap()));
    for (night, name) in nights[NIGHTS as usize..].iter().zip(HOSTILE) {
        assert_eq!(night["venue"], name);
        assert_eq!(night["shows"][0]["sets"][0]["songs"][0], name);
        assert_eq!(night["link"], "confirmed");
    }
    assert_eq!(nights[0]["shows"][0]["artist"], "Artist 1");
    assert_eq!(nights[0]["shows"][1]["artist"], "Opener 1");
    assert_eq!(nights[0]["link"], "automatic");
    let (_, csv) = exported(&stage, ask("e-csv", "csv")).await;
    let text = String::from_utf8(csv.clone()).unwrap();
    for what in [&json, &csv] {
        let text = String::from_utf8_lossy(what);
        assert!(!text.contains("12.34") && !text.contains("98.76"), "coordinates");
    }
    assert!(text.contains("\"'=LOVE\"") && !text.contains("\"=") && !text.contains("\"@"));

    // Equal input, equal bytes; and an export that is there is not made again.
    let (_, again) = exported(&stage, ask("e-csv-2", "csv")).await;
    assert_eq!(again, csv);
    let path = file(&stage, &answer);
    let made = std::fs::metadata(&path).unwrap().modified().unwrap();
    let (repeated, _) = exported(&stage, ask("e-json", "json")).await;
    assert_eq!(repeated["sha256"], answer["sha256"]);
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), made);
    std::fs::remove_file(&path).unwrap();
    let (_, restored) = exported(&stage, ask("e-json", "json")).await;
    assert_eq!(restored, json);

    // In another format it would be another file.
    let id = stage.add(QUEUE, "export-history", ask("e-json", "csv")).await;
    let job = stage.failed(QUEUE, &id).await;
    assert!(job.failed_reason().contains("asked for as json before"), "{}", job.failed_reason());

    // Nobody else's are in it.
    let ask = json!({ "exportId": "e-json", "userId": user + 1_000_000, "format": "json" });
    let (answer, _) = exported(&stage, ask).await;
    assert_eq!(answer["rows"], 0);
    worker.stop().await;
}

/// Another reader than ours.
fn python(script: &str, file: &Path) -> Result<Value, Missing> {
    let output = Command::new("python3").arg("-c").arg(script).arg(file).output();
    let output = output.map_err(|error| Missing {
        what: "Python",
        why: format!("python3 cannot be run: {error}"),
    })?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

const READ_CSV: &str = "
import csv, json, sys
with open(sys.argv[1], newline='', encoding='utf-8-sig') as file:
    json.dump(list(csv.DictReader(file, strict=True)), sys.stdout)
";

#[tokio::test]
async fn pythons_csv_reads_what_json_says() {
    let stage = serving(need!(Stage::new()));
    let user = user();
    concerts(&stage, user, NIGHTS).await;
    let worker = Worker::start(&stage).await;
    let ask = |format: &str| json!({ "exportId": format!("e-{format}"), "userId": user, "format": format, "bom": true });
    let (answer, csv) = exported(&stage, ask("csv")).await;
    assert!(csv.starts_with(b"\xef\xbb\xbf"));
    let rows = need!(python(READ_CSV, &file(&stage, &answer)));
    let rows = rows.as_array().unwrap();
    let (_, told) = exported(&stage, ask("json")).await;
    let told: Value = serde_json::from_slice(&told).unwrap();
    let mut row = rows.iter();
    for night in told["nights"].as_array().unwrap() {
        for show in night["shows"].as_array().unwrap() {
            let row = row.next().unwrap();
            assert_eq!(row["date"], night["date"]);
            for (cell, told) in [
                ("artist", &show["artist"]),
                ("venue", &night["venue"]),
                ("city", &night["city"]),
                ("source", &show["setlist"]),
            ] {
                let plain = told.as_str().unwrap().replace(|c: char| c.is_control(), " ");
                let cell = row[cell].as_str().unwrap();
                assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), plain);
            }
            assert_eq!(row["songs"].as_str().unwrap(), show["songs"].to_string());
        }
    }
    assert_eq!(row.next(), None);
    worker.stop().await;
}

/// Reads a PDF with one of poppler's programs.
pub(crate) fn poppler(program: &str, arguments: &[&str]) -> Result<String, Missing> {
    let folder = provided("ROADIE_TEST_POPPLER", "poppler")?;
    let output = Command::new(Path::new(&folder).join(program)).args(arguments).output();
    let output = output.map_err(|error| Missing { what: "poppler", why: error.to_string() })?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn poppler_finds_every_row_of_a_pdf() {
    let stage = serving(need!(Stage::new()));
    // Whatever fonts this machine has.
    let none = stage.folder("fonts");
    let stage = stage.set("exports.fonts", none.display());
    let user = user();
    concerts(&stage, user, NIGHTS).await;
    let picture = starred(&stage, user).await;
    let object = stage.config().data.dir.join("objects/images").join(PICTURE);
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(object, picture).unwrap();
    let worker = Worker::start(&stage).await;
    let ask = |id: &str| json!({ "exportId": id, "userId": user, "format": "pdf", "locale": "de", "tz": "Asia/Tokyo" });
    let (answer, pdf) = exported(&stage, ask("e-1")).await;
    assert_eq!(exported(&stage, ask("e-2")).await.1, pdf, "equal input, equal bytes");
    let path = file(&stage, &answer);
    let path = path.to_str().unwrap();
    let text = need!(poppler("pdftotext", &["-enc", "UTF-8", path, "-"]));
    let text: Vec<&str> = text.split_whitespace().collect();
    let text = text.join(" ");
    for number in 1..=NIGHTS {
        for row in [
            format!("Venue {number} "),
            format!("Artist {number} "),
            format!("Opener {number} "),
            format!("Song 12 of night {number} "),
        ] {
            assert!(text.contains(&row), "{row}");
        }
    }
    for name in ["=LOVE", "Motörhead", "Ψαραντώνης", "Аквариум", "Donnerstag, 3. Januar 2030"]
    {
        assert!(text.contains(name), "{name}");
    }
    let fonts = poppler("pdffonts", &[path]).unwrap();
    let fonts: Vec<&str> = fonts.lines().skip(2).collect();
    assert!(fonts.len() >= 2, "{fonts:?}");
    for font in fonts {
        assert!(font.contains("+DejaVu") || font.contains("+NotoEmoji"), "{font}");
        // Embedded, a subset, and known in Unicode.
        assert!(font.contains("yes yes yes"), "{font}");
    }
    let links = poppler("pdfinfo", &["-url", path]).unwrap();
    assert!(links.contains(&format!("https://www.setlist.fm/setlist/{NIGHTS}.html")), "{links}");
    let about = poppler("pdfinfo", &[path]).unwrap();
    assert!(about.contains("Konzertchronik") && !about.contains("CreationDate"), "{about}");
    let pictures = poppler("pdfimages", &["-list", path]).unwrap();
    assert!(pictures.contains(" jpeg "), "{pictures}");
    worker.stop().await;
}

/// Nothing of a table becomes a formula, and nothing of it is lost.
#[tokio::test]
async fn libreoffice_keeps_a_table_as_it_is() {
    let stage = serving(need!(Stage::new()));
    let office = need!(provided("ROADIE_TEST_SOFFICE", "LibreOffice"));
    let user = user();
    concerts(&stage, user, 10).await;
    let worker = Worker::start(&stage).await;
    let ask = json!({ "exportId": "e-1", "userId": user, "format": "csv" });
    let (answer, _) = exported(&stage, ask).await;
    let (table, out) = (file(&stage, &answer), stage.folder("office"));
    // Commas, quotes, UTF-8, from the first row on; no column is anything but text.
    let text = "44,34,76,1,,0,true,false,false";
    let convert = |to: &str| {
        let home = format!("-env:UserInstallation=file://{}", stage.folder("home").display());
        let done = Command::new(&office)
            .args([&home, "--headless", &format!("--infilter=Text - txt - csv (StarCalc):{text}")])
            .args(["--convert-to", to, "--outdir"])
            .arg(&out)
            .arg(&table)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    convert("csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true,true,false");
    let before = python(READ_CSV, &table).unwrap();
    let after = python(READ_CSV, &out.join("e-1.csv")).unwrap();
    assert_eq!(after, before);
    convert("fods");
    let sheet = std::fs::read_to_string(out.join("e-1.fods")).unwrap();
    assert!(sheet.contains("=LOVE") && !sheet.contains("table:formula"), "a formula");
    worker.stop().await;
}

/// What a user is given depends on the concerts, and not on where they are kept.
#[tokio::test]
async fn equal_input_gives_equal_bytes_on_both_databases() {
    let user = user();
    let mut files = Vec::new();
    for database in [None, Some(need!(Database::create().await))] {
        let stage = serving(need!(Stage::new()));
        let fonts = stage.folder("fonts");
        let stage = stage.set("exports.fonts", fonts.display());
        let stage = match database {
            Some(database) => stage.with_database(database),
            None => stage,
        };
        concerts(&stage, user, NIGHTS).await;
        let worker = Worker::start(&stage).await;
        let mut all = Vec::new();
        for format in ["csv", "json", "pdf"] {
            let ask = json!({ "exportId": format, "userId": user, "format": format });
            all.push(exported(&stage, ask).await.1);
        }
        files.push(all);
        worker.stop().await;
    }
    assert!(files[0] == files[1], "they differ");
}
