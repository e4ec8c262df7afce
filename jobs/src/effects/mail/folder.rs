//! Mails as files, for development: `{user}/{time}-{message id}.eml` below a folder.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use chrono::DateTime;

use super::{Letter, Offer, Transport, Undelivered};

/// A folder that takes every mail.
#[derive(Clone, Debug)]
pub struct MailFolder {
    root: PathBuf,
}

/// The folder could not be written, or emptied.
#[derive(Debug, thiserror::Error)]
#[error("{what} in the mail folder {folder}")]
pub struct FolderError {
    what: &'static str,
    folder: String,
    #[source]
    source: std::io::Error,
}

impl MailFolder {
    /// Made when the first mail comes.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn failed(&self, what: &'static str) -> impl Fn(std::io::Error) -> FolderError + '_ {
        move |source| FolderError { what, folder: self.root.display().to_string(), source }
    }

    fn of(&self, user_id: i64) -> PathBuf {
        self.root.join(user_id.to_string())
    }

    fn write(&self, letter: &Letter) -> Result<(), FolderError> {
        let folder = self.of(letter.user_id);
        std::fs::create_dir_all(&folder).map_err(self.failed("make a folder"))?;
        let at = DateTime::from_timestamp_millis(letter.at).unwrap_or_default();
        let id = letter.message_id.trim_matches(['<', '>']);
        let name = format!("{}-{id}.eml", at.format("%Y%m%dT%H%M%S%3f"));
        let file = tempfile::NamedTempFile::new_in(&folder);
        let file = file.map_err(self.failed("make a file"))?;
        std::fs::write(file.path(), &letter.bytes).map_err(self.failed("write a mail"))?;
        let kept = file.persist(folder.join(name));
        kept.map_err(|error| self.failed("keep a mail")(error.error))?;
        Ok(())
    }

    fn count(&self, user_id: i64) -> Result<u64, FolderError> {
        match self.of(user_id).read_dir() {
            Ok(files) => {
                let mails = files.filter_map(Result::ok).filter(|file| is_mail(&file.path()));
                Ok(mails.count() as u64)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(self.failed("look for mails")(error)),
        }
    }

    fn remove(&self, user_id: i64) -> Result<(), FolderError> {
        match std::fs::remove_dir_all(self.of(user_id)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(self.failed("remove mails")),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, FolderError> + Send + 'static,
    ) -> Result<T, FolderError> {
        let folder = self.clone();
        let worked = tokio::task::spawn_blocking(move || work(&folder)).await;
        worked.unwrap_or_else(|error| Err(self.failed("work")(error.into())))
    }
}

fn is_mail(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "eml")
}

#[async_trait]
impl Transport for MailFolder {
    async fn offer(&self, letter: &Letter) -> Result<Box<dyn Offer>, Undelivered> {
        Ok(Box::new(File { folder: self.clone(), letter: letter.clone() }))
    }

    async fn kept(&self, user_id: i64) -> Result<u64, FolderError> {
        self.blocking(move |folder| folder.count(user_id)).await
    }

    async fn forget(&self, user_id: i64) -> Result<(), FolderError> {
        self.blocking(move |folder| folder.remove(user_id)).await
    }
}

struct File {
    folder: MailFolder,
    letter: Letter,
}

#[async_trait]
impl Offer for File {
    async fn hand_over(self: Box<Self>) -> Result<String, Undelivered> {
        let Self { folder, letter } = *self;
        let written = folder.blocking(move |folder| folder.write(&letter)).await;
        // A file is there as a whole or not at all.
        let failed =
            |error: FolderError| Undelivered::Unreachable(format!("{error}: {}", error.source));
        written.map(|()| "written".to_owned()).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(user_id: i64, id: &str) -> Letter {
        Letter {
            user_id,
            message_id: format!("<m.{id}@example.com>"),
            at: 1_700_000_000_123,
            from: "mail@example.com".parse().unwrap(),
            to: "ann@example.org".parse().unwrap(),
            bytes: b"Subject: x\r\n\r\ny".to_vec(),
        }
    }

    #[tokio::test]
    async fn mails_are_files_of_their_users_which_can_be_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let folder = MailFolder::new(root.path().join("mail"));
        assert_eq!(folder.kept(7).await.unwrap(), 0);
        folder.forget(7).await.unwrap();
        for (user, id) in [(7, "a"), (7, "b"), (8, "a")] {
            let offer = folder.offer(&letter(user, id)).await.unwrap();
            offer.hand_over().await.unwrap();
        }
        let name = "mail/7/20231114T221320123-m.a@example.com.eml";
        assert_eq!(std::fs::read(root.path().join(name)).unwrap(), b"Subject: x\r\n\r\ny");
        assert_eq!(folder.kept(7).await.unwrap(), 2);
        folder.forget(7).await.unwrap();
        let left: Vec<_> = root.path().join("mail").read_dir().unwrap().collect();
        assert_eq!(left.len(), 1);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_keeps_the_mail_waiting() {
        let root = tempfile::NamedTempFile::new().unwrap();
        let folder = MailFolder::new(root.path().to_path_buf());
        let offer = folder.offer(&letter(7, "a")).await.unwrap();
        let error = offer.hand_over().await.unwrap_err();
        assert!(matches!(error, Undelivered::Unreachable(_)), "{error}");
    }
}
