//! An object store of somebody else's (moto) that keeps versions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use aws_sdk_s3::Client;
use serde_json::json;

use super::s3::{at, client_of};
use super::stage::Stage;
use super::{Missing, provided};

/// A running store. It ends with this process, however that ends.
pub(crate) struct VersionedStore {
    child: Child,
    says: BufReader<ChildStdout>,
    address: SocketAddr,
    pub(crate) client: Client,
}

/// What there is below a prefix.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) versions: usize,
    pub(crate) markers: usize,
    pub(crate) uploads: usize,
}

impl VersionedStore {
    pub(crate) fn start(buckets: &[&str]) -> Result<Self, Missing> {
        // A Python with tests/s3/requirements.txt.
        let python = provided("ROADIE_TEST_S3", "an object store with versions")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/s3/server.py");
        let mut command = Command::new(python);
        command.arg(script).args(buckets).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        says.read_line(&mut port).unwrap();
        let address = format!("127.0.0.1:{}", port.trim()).parse().unwrap();
        Ok(Self { child, says, address, client: client_of(address) })
    }

    /// A stage whose object store this is.
    pub(crate) fn on(&self, stage: Stage) -> Stage {
        at(self.address, stage)
    }

    /// Makes objects that were removed, each a version and a marker, and uploads that were never completed.
    pub(crate) fn fill(&mut self, bucket: &str, prefix: &str, removed: usize, uploads: usize) {
        let order =
            json!({ "bucket": bucket, "prefix": prefix, "removed": removed, "uploads": uploads });
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
        let mut done = String::new();
        self.says.read_line(&mut done).unwrap();
        assert_eq!(done, "filled\n");
    }

    /// At most a page of each.
    pub(crate) async fn kept(&self, bucket: &str, prefix: &str) -> Kept {
        let versions = self.client.list_object_versions().bucket(bucket).prefix(prefix);
        let versions = versions.send().await.unwrap();
        let uploads = self.client.list_multipart_uploads().bucket(bucket).prefix(prefix);
        let uploads = uploads.send().await.unwrap();
        Kept {
            versions: versions.versions().len(),
            markers: versions.delete_markers().len(),
            uploads: uploads.uploads().len(),
        }
    }
}

impl Drop for VersionedStore {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
