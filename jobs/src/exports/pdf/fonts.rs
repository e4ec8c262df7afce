//! Which fonts there are.

use std::path::{Path, PathBuf};

use cosmic_text::fontdb::Database;
use cosmic_text::{Fallback, PlatformFallback};
use unicode_script::Script;

/// What most text is set in; built in.
pub(super) const FAMILY: &str = "DejaVu Sans";
/// Folders within folders; deeper ones are left out.
const DEEPEST: usize = 8;
const ENDINGS: [&str; 4] = ["ttf", "otf", "ttc", "otc"];

/// The fonts that are built in, then those of the folders in the order of their paths. What cannot be read is
/// left out: it is no reason to fail an export.
pub(super) fn database(folders: &[PathBuf]) -> Database {
    let mut fonts = Database::new();
    for font in
        [dejavu::sans::regular(), dejavu::sans::bold(), epaint_default_fonts::NOTO_EMOJI_REGULAR]
    {
        fonts.load_font_data(font.to_vec());
    }
    let mut files = Vec::new();
    for folder in folders {
        find(folder, DEEPEST, &mut files);
    }
    // In the order of the folders, a file system's own order is by chance.
    for file in files {
        if let Err(error) = fonts.load_font_file(&file) {
            tracing::debug!(%error, file = %file.display(), "not a font");
        }
    }
    fonts
}

fn find(folder: &Path, deep: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort_unstable();
    for path in entries {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() {
            if deep > 0 {
                find(&path, deep - 1, files);
            }
        } else if ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) {
            files.push(path);
        }
    }
}

/// Fonts for scripts, as Noto calls them, and for what is in no script.
#[derive(Debug)]
pub(super) struct Fallbacks;

impl Fallback for Fallbacks {
    fn common_fallback(&self) -> &[&'static str] {
        &[FAMILY, "Noto Sans", "Noto Color Emoji", "Noto Emoji", "Noto Sans Symbols2"]
    }

    fn forbidden_fallback(&self) -> &[&'static str] {
        &[]
    }

    fn script_fallback(&self, script: Script, locale: &str) -> &[&'static str] {
        PlatformFallback.script_fallback(script, locale)
    }
}
