//! Exports: the concerts of a user as a file.
//!
//! - `export_history`: the kind; `making`: its steps;
//! - `history`: nights as files tell of them, on their way from the catalogue through a spool file;
//! - `scratch`: the files on their way;
//! - `csv`, `json`, `pdf`: the formats, each from nights to bytes and nothing else.

mod csv;
mod export_history;
mod history;
mod json;
mod making;
mod pdf;
mod scratch;

pub(crate) use export_history::ExportHistory;
