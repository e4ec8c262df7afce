//! Payloads as web tiers send them. The fixtures are frozen: added, never edited, because jobs that
//! were enqueued by an older web tier must still be understood.

use std::path::PathBuf;

#[test]
fn every_kind_has_a_frozen_payload_that_it_understands() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wire");
    for entry in roadie_jobs::registry().entries() {
        let file = folder.join(format!("{}.json", entry.kind));
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|e| panic!("kind {} needs {}: {e}", entry.kind, file.display()));
        let payload = serde_json::from_str(&text).expect("a fixture is JSON");
        entry.check(&payload).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }
}
