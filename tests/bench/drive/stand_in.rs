//! A Google Drive on this machine, for `tests/bench/drive.sh`: one user, whose account is connected in a
//! catalogue, with photos of which one in ten does not tell when it was taken. Serves until its input ends.
//!
//! Arguments: photos, milliseconds that each answer takes, the catalogue's address, a key as in `tokens.keys`.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use roadie::stand_in::drive::{DriveStandIn, DriveWorld, NewFile};
use roadie_jobs::effects::catalogue::{Catalogue, CatalogueOptions, Provider};
use roadie_jobs::effects::{Column, TokenKeys};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

const USER: i64 = 7;
const FOLDERS: usize = 40;
/// One in so many photos has to be looked into.
const UNTOLD: usize = 10;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the script reads it")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [photos, latency, database, key] = &arguments[..] else {
        anyhow::bail!("photos, latency, database and key are needed");
    };
    let photos: usize = photos.parse()?;
    let drive = DriveStandIn::start().await?;
    let folder = tempfile::tempdir()?;
    roadie_jobs::samples::write(folder.path(), 40)?;
    let head = Bytes::from(a_jpeg(folder.path()).context("no sample photo")?);
    let token = drive.world(|world| {
        fill(world, photos, &head);
        world.connect(USER)
    });
    drive.set_latency(Duration::from_millis(latency.parse()?));

    let options = CatalogueOptions { url: database.clone(), ..CatalogueOptions::default() };
    let catalogue = Catalogue::connect(options).await?;
    catalogue.migrate().await?;
    let keys = TokenKeys::new(vec![key.parse()?]);
    let column = Column { user_id: USER, provider: Provider::Drive, name: "refresh_token" };
    let sealed = keys.seal(column, &token)?;
    catalogue.connect_account(USER, Provider::Drive, &sealed, 1).await?;
    catalogue.close().await;
    println!(
        "{}",
        json!({ "drive": drive.drive_url(), "tokens": drive.token_url(), "refresh": token })
    );

    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    println!("{}", json!({ "calls": drive.calls(), "mostAtOnce": drive.most_at_once() }));
    Ok(())
}

fn fill(world: &mut DriveWorld, photos: usize, head: &Bytes) {
    let folders: Vec<String> = (0..FOLDERS)
        .map(|number| {
            world.make(NewFile::folder(&format!("show {number}"), &DriveWorld::root(USER)))
        })
        .collect();
    for number in 0..photos {
        let name = format!("IMG_{number:05}.jpg");
        let untold = number % UNTOLD == 0;
        let content = if untold { head.clone() } else { Bytes::from(number.to_string()) };
        let mut told = json!({ "width": 4_032, "height": 3_024, "rotation": 0 });
        if !untold {
            let (hour, minute, second) = (number / 3_600 % 24, number / 60 % 60, number % 60);
            told["time"] = json!(format!("2019:07:20 {hour:02}:{minute:02}:{second:02}"));
            told["location"] = json!({ "latitude": 52.314, "longitude": 4.937 });
        }
        let file = NewFile::of(&name, &folders[number % FOLDERS], "image/jpeg", content);
        world.make(file.telling(told));
    }
}

/// Any with the camera's notes.
fn a_jpeg(folder: &std::path::Path) -> Option<Vec<u8>> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let found = if path.is_dir() {
            a_jpeg(&path)
        } else {
            let bytes = std::fs::read(&path).ok()?;
            (bytes.starts_with(&[0xFF, 0xD8]) && bytes.windows(4).any(|four| four == b"Exif"))
                .then_some(bytes)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}
