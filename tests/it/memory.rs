//! However many pictures come at once, no more memory is taken than there may be.

use serde_json::json;

use super::support::http::{get, sample};
use super::support::process::Process;
use super::support::stage::{Stage, user};

const IMAGES: &str = "image-optimization";
const PICTURES: u32 = 20;
/// About 40 MB each while it is decoded; on the disk a few kilobytes.
const SIDE: u32 = 2_450;
const MB: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_pictures_at_once_stay_within_the_budget() {
    let stage = need!(Stage::new());
    let folder = stage.folder("photos");
    let picture = image::RgbImage::from_pixel(SIDE, SIDE, image::Rgb([30, 100, 200]));
    let first = folder.join("0.png");
    picture.save(&first).unwrap();
    for number in 1..PICTURES {
        std::fs::copy(&first, folder.join(format!("{number}.png"))).unwrap();
    }
    let stage = stage
        .set("folders.roots", folder.display())
        .set("queues.image-optimization.slots", PICTURES)
        .set("worker.slots", PICTURES + 10)
        // Far more at once than the memory allows.
        .set("worker.cpu_slots", 16)
        .set("worker.memory_budget", "100MB")
        .set("images.widths", "32")
        .set("images.formats", "jpeg");
    let process = Process::serving(&stage).await;
    let user = user();
    let id = stage
        .add("photo-processing", "scan-folder", json!({ "userId": user, "path": folder }))
        .await;
    stage.completed("photo-processing", &id).await;
    let photos = stage.catalogue().await.photos(user, None, 100).await.unwrap();
    let payloads = photos.iter().map(|photo| json!({ "userId": user, "photoId": photo.photo_id }));
    let ids = stage.add_many(IMAGES, "optimize-photo", payloads).await;
    assert_eq!(ids.len(), PICTURES as usize);
    for id in &ids {
        stage.completed(IMAGES, id).await;
    }
    let (_, scrape) = get(process.http(), "/metrics").await;
    let memory =
        |state| sample(&scrape, &format!("roadie_memory_budget_bytes{{state=\"{state}\"}}"));
    assert_eq!([memory("used"), memory("waiting")], [Some(0.0), Some(0.0)]);
    let lost = sample(
        &scrape,
        "roadie_jobs_recovered_total{queue=\"image-optimization\",reason=\"lease_expired\"}",
    );
    assert_eq!(lost, Some(0.0), "leases are renewed whatever the load");
    // All at once they would take 800 MB.
    assert!(peak(process.pid()) < 300 * MB, "{} MB at the peak", peak(process.pid()) / MB);
    // What tests/bench/memory.sh measures: it took its own place with this.
    let environment = std::fs::read(format!("/proc/{}/environ", process.pid())).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    assert!(environment.contains("MIMALLOC_ARENA_MAX_OBJECT_SIZE=16384"), "{environment}");
    process.kill().await;
}

/// Most memory that a process has ever had.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}
