//! Files made for the tests, byte by byte, and the real ones of the photo collection.

mod build;
mod camera;
mod colours;
mod containers;
mod decodes;
mod draw;
mod fuzz;
mod hostile;
mod manifest;
mod variants;
mod walks;

use super::head::{MAX_BYTES, MAX_READS};
use super::{Flaw, Head, Limits, Probe, Refusal, Step, Walk, probe};

/// Probes a file as a caller would, range by range, and checks that it asks for little.
fn look(file: &[u8], name: &str) -> Result<Probe, Refusal> {
    let mut head = Head::new(file.len() as u64);
    let mut total = 0;
    for _ in 0..=MAX_READS {
        let range = match probe(&head, name, Limits::default()) {
            Step::Need(range) => range,
            Step::Picture(picture) => return Ok(*picture),
            Step::Refused(refusal) => return Err(refusal),
        };
        assert!(range.start < range.end && range.end <= file.len() as u64, "{name}: {range:?}");
        total += range.end - range.start;
        let bytes = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        head.insert(range.start, file[bytes].to_vec());
    }
    assert!(total <= MAX_BYTES, "{name}: {total} bytes");
    panic!("{name}: more than {MAX_READS} reads");
}

/// What headers and walk together find wrong, in words.
fn wrong(file: &[u8], name: &str) -> Vec<String> {
    match look(file, name) {
        Err(refusal) => vec![refusal.to_string()],
        Ok(mut picture) => {
            picture.walked(walk(file, picture.format, 4096));
            picture.flaws.iter().map(Flaw::to_string).collect()
        }
    }
}

fn walk(file: &[u8], format: super::Format, step: usize) -> Option<Flaw> {
    let mut walk = Walk::new(format);
    file.chunks(step).for_each(|chunk| walk.feed(chunk));
    walk.finish()
}
