//! Which photos of a user are duplicates of each other.
//!
//! - `library`: the photos that are looked at, and the links between them; `shelf`: all of a user;
//! - `index`: fingerprints within a distance, among millions;
//! - `likeness`: what makes two photos copies of one;
//! - `groups`: which of them are put together; `best`: which one is kept;
//! - `proposals`: what that changes in the catalogue.

mod best;
mod groups;
pub(crate) mod index;
mod library;
mod likeness;
#[cfg(test)]
mod numbers;
mod proposals;
mod shelf;
#[cfg(test)]
mod tests;

use library::Library;
use proposals::proposals;

use crate::effects::catalogue::{Catalogue, CatalogueError, Proposals};

/// What a run came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// So many photos were compared with all others for the first time, and this is proposed now.
    Proposed(usize, Proposals),
    /// Somebody decided about a group meanwhile, so nothing was changed.
    Overtaken,
}

/// Compares the new photos of a user, or all of them, and proposes what follows. `now` is in Unix
/// milliseconds.
pub(super) async fn run(
    catalogue: &Catalogue,
    user_id: i64,
    all: bool,
    now: i64,
) -> Result<Outcome, CatalogueError> {
    let library = Library::read(catalogue, user_id, all).await?;
    let (library, proposals) = blocking(move || {
        let groups = library.groups();
        let proposals = proposals(&library.photos, &groups, &library.known, &now.to_string());
        (library, proposals)
    })
    .await;
    if !catalogue.propose(user_id, &proposals, now).await? {
        return Ok(Outcome::Overtaken);
    }
    // Only now: after a run that ended before this, they are compared again.
    let new = library.photos.iter().filter(|photo| !photo.compared);
    let new = new.map(|photo| (&photo.key, photo.content.hash.as_str()));
    let compared = new.clone().count();
    catalogue.compared(user_id, new, now).await?;
    Ok(Outcome::Proposed(compared, proposals))
}

/// Computes where it may take its time.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // As if it had panicked here; nobody cancels it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
