//! From text to lines of glyphs.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use cosmic_text::fontdb::{ID, Weight};
use cosmic_text::{Align, Attrs, Buffer, Family, FontSystem, LayoutGlyph, Metrics, Shaping, Wrap};
use krilla::Data;
use krilla::text::{Font, GlyphId, KrillaGlyph};

use super::fonts::{self, FAMILY, Fallbacks};

/// From baseline to baseline, in sizes of the font.
const LEADING: f32 = 1.35;

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Style {
    /// In points.
    pub(super) size: f32,
    pub(super) bold: bool,
    /// Grey, from 0 (black) to 255, or blue for links.
    pub(super) colour: (u8, u8, u8),
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What its glyphs are about.
    text: Arc<str>,
    runs: Vec<Run>,
    pub(super) style: Style,
    /// From its top to that of the next one, in points.
    pub(super) height: f32,
    /// From its top to the baseline, in points.
    pub(super) baseline: f32,
    /// Where it begins and ends, in points.
    pub(super) span: Range<f32>,
}

/// Glyphs of one font.
#[derive(Clone, Debug)]
struct Run {
    font: Font,
    x: f32,
    glyphs: Vec<KrillaGlyph>,
}

/// Sets text in whatever script, with the fonts that there are.
pub(super) struct Typesetter {
    system: FontSystem,
    buffer: Buffer,
    fonts: HashMap<(ID, Weight), Option<Font>>,
    /// Characters that no font has.
    missing: u64,
}

/// Font files are mapped, not copied.
struct FontData(Arc<cosmic_text::Font>);

impl AsRef<[u8]> for FontData {
    fn as_ref(&self) -> &[u8] {
        self.0.data()
    }
}

impl Typesetter {
    /// `language` decides between the forms of Chinese characters.
    pub(super) fn new(folders: &[PathBuf], language: &str) -> Self {
        let fonts = fonts::database(folders);
        let system =
            FontSystem::new_with_locale_and_db_and_fallback(language.to_owned(), fonts, Fallbacks);
        let mut buffer = Buffer::new_empty(Metrics::new(10.0, 10.0 * LEADING));
        buffer.set_wrap(Wrap::WordOrGlyph);
        Self { system, buffer, fonts: HashMap::new(), missing: 0 }
    }

    /// Characters so far that no font has, and for which a box stands.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    /// Lines of at most so many points.
    pub(super) fn lines(&mut self, text: &str, style: Style, width: f32) -> Vec<Line> {
        let weight = if style.bold { Weight::BOLD } else { Weight::NORMAL };
        let attrs = Attrs::new().family(Family::Name(FAMILY)).weight(weight);
        self.buffer.set_metrics_and_size(
            Metrics::new(style.size, style.size * LEADING),
            Some(width),
            None,
        );
        // Also names from right to left stand where their entry does.
        self.buffer.set_text(&plain(text), &attrs, Shaping::Advanced, Some(Align::Left));
        self.buffer.shape_until_scroll(&mut self.system, false);
        let mut lines = Vec::new();
        for run in self.buffer.layout_runs() {
            let text: Arc<str> = run.text.into();
            let mut line = Line {
                runs: Vec::new(),
                style,
                height: run.line_height,
                baseline: run.line_y - run.line_top,
                span: f32::MAX..0.0,
                text,
            };
            // From left to right; where text goes the other way, so do they.
            let mut glyphs: Vec<&LayoutGlyph> = run.glyphs.iter().collect();
            glyphs.sort_by(|a, b| a.x.total_cmp(&b.x));
            for (at, glyph) in glyphs.iter().enumerate() {
                // Up to the next one: marks stand where their letter does.
                let next = glyphs.get(at + 1).map_or(glyph.x + glyph.w, |next| next.x);
                self.missing += u64::from(glyph.glyph_id == 0);
                line.span.start = line.span.start.min(glyph.x);
                line.span.end = line.span.end.max(glyph.x + glyph.w);
                let key = (glyph.font_id, glyph.font_weight);
                let system = &mut self.system;
                let font = self.fonts.entry(key).or_insert_with(|| font(system, key));
                let Some(font) = font else { continue };
                match line.runs.last_mut() {
                    Some(run) if run.font == *font => run.glyphs.push(placed(glyph, next)),
                    _ => line.runs.push(Run {
                        font: font.clone(),
                        x: glyph.x,
                        glyphs: vec![placed(glyph, next)],
                    }),
                }
            }
            lines.push(line);
        }
        lines
    }
}

fn font(system: &mut FontSystem, (id, weight): (ID, Weight)) -> Option<Font> {
    let index = system.db().face(id)?.index;
    let data: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(FontData(system.get_font(id, weight)?));
    Font::new(Data::from(data), index)
}

fn placed(glyph: &LayoutGlyph, next: f32) -> KrillaGlyph {
    KrillaGlyph::new(
        GlyphId::new(u32::from(glyph.glyph_id)),
        (next - glyph.x) / glyph.font_size,
        glyph.x_offset,
        glyph.y_offset,
        0.0,
        glyph.start..glyph.end,
        None,
    )
}

impl Line {
    /// Draws it with its top left corner there.
    pub(super) fn draw(&self, surface: &mut krilla::surface::Surface<'_>, x: f32, y: f32) {
        let (red, green, blue) = self.style.colour;
        surface.set_fill(Some(krilla::paint::Fill {
            paint: krilla::color::rgb::Color::new(red, green, blue).into(),
            ..krilla::paint::Fill::default()
        }));
        for run in &self.runs {
            let start = krilla::geom::Point::from_xy(x + run.x, y + self.baseline);
            let font = run.font.clone();
            surface.draw_glyphs(start, &run.glyphs, font, &self.text, self.style.size, false);
        }
    }
}

/// Text as it may be set: one paragraph, that cannot turn around what stands beside it.
fn plain(text: &str) -> String {
    let shown = |c: char| !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    let blank =
        |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    text.chars().filter(|&c| shown(c)).map(blank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { size: 10.0, bold: false, colour: (0, 0, 0) };

    #[test]
    fn what_no_font_has_is_counted_and_nothing_else() {
        for (text, missing) in [
            ("Motörhead, Ψαραντώνης, Аквариум, فيروز, שלום", 0),
            ("🎸", 0),
            // Nobody has private characters.
            ("a\u{e999}b", 1),
            ("", 0),
            ("\u{202e}\u{200b}", 0),
        ] {
            let mut typesetter = Typesetter::new(&[], "en");
            typesetter.lines(text, STYLE, 400.0);
            assert_eq!(typesetter.missing(), missing, "{text}");
        }
    }

    #[test]
    fn long_text_is_broken_within_its_width() {
        let mut typesetter = Typesetter::new(&[], "en");
        for text in ["x".repeat(10_000), "word ".repeat(2_000), "فيروز ".repeat(500)] {
            let lines = typesetter.lines(&text, STYLE, 400.0);
            assert!(lines.len() > 10, "{}", lines.len());
            assert!(lines.iter().all(|line| line.span.start >= 0.0 && line.span.end <= 401.0));
            for run in lines.iter().flat_map(|line| &line.runs) {
                let advance: f32 = run.glyphs.iter().map(|glyph| glyph.x_advance).sum();
                assert!(run.x >= 0.0 && run.x + advance * STYLE.size <= 401.0, "{}", run.x);
            }
        }
        assert_eq!(typesetter.lines("a\nb\r\nc\u{2028}d", STYLE, 400.0).len(), 1);
    }
}
