//! Files on their way to the object store. They have no name, so a crash leaves nothing of them behind.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use anyhow::Error;
use sha2::{Digest as _, Sha256};

use crate::job::JobError;

/// A file that is written, counted and hashed.
pub(super) struct Scratch {
    out: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

/// A file that is complete.
#[derive(Debug)]
pub(super) struct Written {
    file: File,
    pub(super) bytes: u64,
    /// In hexadecimal.
    pub(super) sha256: String,
}

impl Scratch {
    pub(super) fn new() -> io::Result<Self> {
        let out = BufWriter::with_capacity(256 * 1024, tempfile::tempfile()?);
        Ok(Self { out, hash: Sha256::new(), bytes: 0 })
    }

    pub(super) fn finish(self) -> io::Result<Written> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Written { file, bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) })
    }
}

impl Write for Scratch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Written {
    /// By which it can be opened in this process, from its beginning, as long as it lives.
    pub(super) fn path(&self) -> PathBuf {
        format!("/dev/fd/{}", self.file.as_raw_fd()).into()
    }
}

/// What becomes of a job whose scratch file fails it.
pub(super) fn scratch_error(error: io::Error) -> JobError {
    let folder = std::env::temp_dir();
    JobError::retry(Error::new(error).context(format!(
        "write a file in {} (TMPDIR names another folder); has it room?",
        folder.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_hashed() {
        let mut scratch = Scratch::new().unwrap();
        scratch.write_all(b"a").unwrap();
        scratch.write_all(b"bc").unwrap();
        let written = scratch.finish().unwrap();
        for _ in 0..2 {
            assert_eq!(std::fs::read(written.path()).unwrap(), b"abc");
        }
        assert_eq!(written.bytes, 3);
        // FIPS 180-2, appendix B.1.
        assert!(written.sha256.starts_with("ba7816bf8f01cfea"), "{}", written.sha256);
    }
}
