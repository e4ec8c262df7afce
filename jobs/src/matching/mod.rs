//! From photos to the shows that they were taken at. Pure decisions: nothing here asks a server or
//! reads a clock.
//!
//! In the order in which photos pass through:
//!
//! 1. `shot` is what is known of a photo, `file_name` what its name tells;
//! 2. `instant` finds out when it was taken, with the time `zones` of places, and how sure that is;
//! 3. `session` groups what one camera took at one place in one go; `identity` keeps its name;
//! 4. `owner` is what is known of whose photos they are;
//! 5. `session_match` asks, through `lookups`, which shows there were on that night (`show`) and which
//!    places are around (`poi`);
//! 6. `score` says how well they fit, by distances (`globe`) and `names`;
//! 7. `decide` links, asks the owner, or does nothing, and `evidence` is what is kept of why.

mod decide;
mod evidence;
mod file_name;
mod globe;
mod identity;
mod instant;
mod lookups;
mod names;
mod owner;
mod poi;
mod score;
mod session;
mod session_match;
mod shot;
mod show;
mod zones;

#[cfg(test)]
mod tests;

pub(crate) use decide::{Candidate, Decision, Reason, Verdict};
pub(crate) use evidence::{ALGORITHM, CandidateEvidence, Evidence};
pub(crate) use globe::metres;
pub(crate) use identity::{Identity, identities};
#[cfg(test)]
pub(crate) use instant::Source;
pub(crate) use instant::{Moment, moments};
pub(crate) use lookups::Lookups;
pub(crate) use names::{Name, similarity};
pub(crate) use owner::Owner;
pub(crate) use poi::{ANY, KINDS, Kind, NEAR, Poi};
pub(crate) use score::Basis;
#[cfg(test)]
pub(crate) use score::Fit;
pub(crate) use session::{Centre, PAUSE, Placed, Session, sessions};
pub(crate) use session_match::{Matched, match_session, reach};
pub(crate) use shot::Shot;
#[cfg(test)]
pub(crate) use show::event_nights;
pub(crate) use show::{City, EventNight, Show, SongSet, Venue};
