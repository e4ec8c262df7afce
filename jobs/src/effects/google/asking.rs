//! A question to Drive, asked until there is an answer or none is to be had.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::accounts::Access;
use super::drive::{Drive, Question};
use super::refusal::{DriveError, Word, word};
use crate::effects::Target;
use crate::effects::web::{Answer, Ask, Reply, Unanswered};

/// How often a question that failed is asked again.
const AGAIN: u32 = 5;
/// Upper bound of the pause before it is, which doubles each time.
const PAUSE: Duration = Duration::from_millis(250);
/// What Google asks for, or its budget, is waited for here; longer waits are for jobs that are postponed.
const SHORT: Duration = Duration::from_secs(3);

impl Drive {
    /// Asks until there is an answer, as long as that may help and takes no more than seconds.
    pub(super) async fn ask<T: Send>(
        &self,
        question: &Question,
        read: impl Fn(&Reply) -> Option<T> + Sync + Send,
    ) -> Result<T, DriveError> {
        let (mut failures, mut doubted, mut refused) = (0, false, None);
        let mut waited = Duration::ZERO;
        loop {
            let error = match self.attempt(question, &read, &mut refused).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = match &error {
                DriveError::Unanswered(
                    Unanswered::Resting { after, .. }
                    | Unanswered::Limited { after: Some(after), .. },
                ) if waited + *after <= SHORT => *after,
                DriveError::UserLimit { after: Some(after), .. } if waited + *after > SHORT => {
                    return Err(error);
                }
                error if error.passes() && failures < AGAIN => {
                    failures += 1;
                    let most = PAUSE * 2_u32.pow(failures - 1);
                    most.mul_f64(0.5 + fastrand::f64() / 2.0)
                }
                error if error.is_final() && !doubted => {
                    doubted = true;
                    Duration::ZERO
                }
                _ => return Err(error),
            };
            waited += pause;
            sleep(pause).await;
        }
    }

    /// Asks once, and once more with another token if Google turns the first one away.
    async fn attempt<T: Send>(
        &self,
        question: &Question,
        read: &(impl Fn(&Reply) -> Option<T> + Sync),
        refused: &mut Option<Arc<Access>>,
    ) -> Result<T, DriveError> {
        loop {
            let access = self.access(refused.as_deref()).await?;
            match self.once(question, &access, read).await? {
                Some(answer) => return Ok(answer),
                None if refused.is_none() => *refused = Some(access),
                None => return Err(DriveError::Unauthorized { user_id: self.user_id }),
            }
        }
    }

    async fn access(&self, refused: Option<&Access>) -> Result<Arc<Access>, DriveError> {
        let mut held = self.access.lock().await;
        let now = self.accounts.clock.now_ms();
        if let Some(access) = held.as_ref()
            && access.is_good(now)
            && refused.is_none_or(|refused| refused.token != access.token)
        {
            return Ok(Arc::clone(access));
        }
        let refused = refused.map(|access| access.token.as_str());
        let access = Arc::new(self.accounts.access(self.user_id, refused).await?);
        *held = Some(Arc::clone(&access));
        Ok(access)
    }

    /// None: the token was turned away.
    async fn once<T: Send>(
        &self,
        question: &Question,
        access: &Access,
        read: &(impl Fn(&Reply) -> Option<T> + Sync),
    ) -> Result<Option<T>, DriveError> {
        let service = Target::GoogleDrive;
        let mut headers = vec![("authorization", format!("Bearer {}", *access.token))];
        if let Some(range) = &question.range {
            headers.push(("range", format!("bytes={}-{}", range.start, range.end - 1)));
        }
        let ask = Ask { headers, ..Ask::get(service, question.url.clone()) };
        let mut found = None;
        let mut judge = |reply: &Reply| {
            let withheld = |reason| DriveError::Withheld { status: reply.status, reason };
            found = Some(match word(reply) {
                Word::Answer => {
                    let garbled = || Unanswered::Garbled {
                        service,
                        reason: "it has another shape".to_owned(),
                    };
                    Ok(Some(read(reply).ok_or_else(garbled)?))
                }
                Word::Token => Ok(None),
                Word::UserLimit(reason) => {
                    let (user_id, after) = (self.user_id, reply.retry_after);
                    Err(DriveError::UserLimit { user_id, reason, after })
                }
                Word::Withheld(reason) => Err(withheld(reason)),
                Word::PageToken => Err(DriveError::PageToken),
                Word::Nonsense(_) if question.paged && reply.status == 400 => {
                    Err(DriveError::PageToken)
                }
                Word::Nonsense(reason) => {
                    return Err(match reply.status {
                        403 => Unanswered::Refused { service, reason },
                        status => Unanswered::Rejected { service, status },
                    });
                }
                Word::Limit => {
                    let (status, after) = (reply.status, reply.retry_after);
                    return Err(Unanswered::Limited { service, status, after });
                }
                Word::Broken => {
                    let reason = format!("status {}", reply.status);
                    return Err(Unanswered::Failed { service, reason });
                }
            });
            Ok(Answer::Private)
        };
        self.accounts.fetch.fetch(&ask, &mut judge).await?;
        found.unwrap_or_else(|| {
            let reason = "no reply".to_owned();
            Err(Unanswered::Failed { service, reason }.into())
        })
    }
}
