//! Follows one job to its end, with a progress bar on a terminal and lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use bullmq::{JobProgress, JobState};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{complain, say};
use crate::queue::{Queues, state_name};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Without a terminal: a line at most this often.
const LINE_EVERY: u32 = 15;

/// How a watched job ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) completed: bool,
    pub(super) value: Value,
}

/// Returns when the job is completed or failed.
pub(super) async fn until_end(queues: &Queues, queue: &str, id: &str) -> anyhow::Result<Ended> {
    let terminal = std::io::stderr().is_terminal();
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{bar:32} {pos}/{len} {elapsed} {wide_msg}")?);
    let mut looks = 0_u32;
    let mut shown = String::new();
    loop {
        let (job, state) = queues.job(queue, id).await?;
        let step = Step::of(job.progress(), state);
        // An empty bar, not a full one, while the total is not known.
        bar.set_length(step.total.max(1));
        bar.set_position(step.done);
        bar.set_message(step.text.clone());
        let line = format!("{} {}/{}", step.text, step.done, step.total);
        if !terminal && looks.is_multiple_of(LINE_EVERY) && line != shown {
            complain(&line);
            shown = line;
        }
        looks += 1;
        match state {
            JobState::Completed => {
                bar.finish_and_clear();
                let value = serde_json::from_str(job.returnvalue()).unwrap_or(Value::Null);
                return Ok(Ended { completed: true, value });
            }
            JobState::Failed => {
                bar.finish_and_clear();
                say(&format!("failed: {}", job.failed_reason()));
                return Ok(Ended { completed: false, value: Value::Null });
            }
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// One look at a job.
struct Step {
    done: u64,
    total: u64,
    text: String,
}

impl Step {
    fn of(progress: &JobProgress, state: JobState) -> Self {
        let value = match progress {
            JobProgress::Object(value) => value,
            JobProgress::Number(percent) => {
                let done = percent.clamp(0.0, 100.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "0 to 100"
                )]
                return Self { done: done as u64, total: 100, text: state_name(state).to_owned() };
            }
        };
        let number = |names: &[&str]| names.iter().find_map(|name| value.get(name)?.as_u64());
        let words = ["currentStatus", "currentFileName"]
            .iter()
            .filter_map(|name| value.get(name)?.as_str())
            .filter(|word| !word.is_empty());
        let text = words.collect::<Vec<_>>().join(": ");
        Self {
            done: number(&["currentPhoto", "step"]).unwrap_or(0),
            total: number(&["totalPhotos", "of"]).unwrap_or(0),
            text: if text.is_empty() { state_name(state).to_owned() } else { text },
        }
    }
}
