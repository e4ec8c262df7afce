//! From lines to pages.

use std::io;
use std::path::PathBuf;

use krilla::action::{Action, LinkAction};
use krilla::annotation::{Annotation, LinkAnnotation, Target};
use krilla::destination::XyzDestination;
use krilla::geom::{Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::{Document, SerializeSettings};

use super::Typeset;
use super::typesetter::{Line, Style, Typesetter};

/// A4, in points (ISO 216: 210 × 297 mm).
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
const MARGIN: f32 = 56.0;
const MEASURE: f32 = WIDTH - 2.0 * MARGIN;
/// Where the last line ends.
const FOOT: f32 = HEIGHT - MARGIN;
/// A section does not begin in less than this.
const ROOM_FOR_SECTION: f32 = 160.0;
/// How high pictures are, and what is between them.
const PICTURE: f32 = 84.0;
const GAP: f32 = 5.0;
const NUMBER: Style = Style { size: 8.0, bold: false, colour: (130, 130, 130) };

/// A document that is filled from front to back.
pub(super) struct Book {
    document: Document,
    typesetter: Typesetter,
    outline: Outline,
    /// The page that is filled: lines with their tops.
    lines: Vec<(f32, Line)>,
    links: Vec<(Rect, String)>,
    /// With their left tops.
    pictures: Vec<(Point, Size, Image)>,
    y: f32,
    /// Pages that are complete.
    pages: u64,
}

impl Book {
    pub(super) fn new(title: &str, language: &str, fonts: &[PathBuf]) -> Self {
        let settings = SerializeSettings { enable_tagging: false, ..SerializeSettings::default() };
        let mut document = Document::new_with(settings);
        document.set_metadata(
            Metadata::new()
                .title(title.to_owned())
                .language(language.to_owned())
                .creator("Roadie".to_owned()),
        );
        Self {
            document,
            typesetter: Typesetter::new(fonts, language),
            outline: Outline::new(),
            lines: Vec::new(),
            links: Vec::new(),
            pictures: Vec::new(),
            y: MARGIN,
            pages: 0,
        }
    }

    /// Leaves so many points free, but not at the head of a page.
    pub(super) fn space(&mut self, points: f32) {
        if self.y > MARGIN || self.pages == 0 {
            self.y += points;
        }
    }

    /// Goes on with a new page where there is less room than this.
    pub(super) fn keep(&mut self, points: f32) {
        if self.y + points > FOOT {
            self.page();
        }
    }

    /// A paragraph.
    pub(super) fn text(&mut self, text: &str, style: Style) {
        for line in self.typesetter.lines(text, style, MEASURE) {
            self.line(line);
        }
    }

    /// A paragraph that leads to an address.
    pub(super) fn link(&mut self, text: &str, style: Style, url: &str) {
        for line in self.typesetter.lines(text, style, MEASURE) {
            let (span, height) = (line.span.clone(), line.height);
            self.line(line);
            let (left, right) = (MARGIN + span.start, MARGIN + span.end);
            if let Some(area) = Rect::from_ltrb(left, self.y - height, right, self.y) {
                self.links.push((area, url.to_owned()));
            }
        }
    }

    /// JPEGs in a row, as far as there is room; what is none is left out.
    pub(super) fn pictures(&mut self, jpegs: Vec<Vec<u8>>) {
        let mut x = MARGIN;
        let mut row = Vec::new();
        for jpeg in jpegs {
            let Ok(image) = Image::from_jpeg(jpeg.into(), true) else { continue };
            let (width, height) = image.size();
            #[expect(clippy::cast_precision_loss, reason = "pictures have some thousand pixels")]
            let wide = (PICTURE * width as f32 / height.max(1) as f32).min(MEASURE);
            let Some(size) = Size::from_wh(wide, PICTURE) else { continue };
            if x + wide > WIDTH - MARGIN {
                break;
            }
            row.push((x, size, image));
            x += wide + GAP;
        }
        if row.is_empty() {
            return;
        }
        self.keep(PICTURE + 2.0 * GAP);
        self.y += GAP;
        let y = self.y;
        self.pictures
            .extend(row.into_iter().map(|(x, size, image)| (Point::from_xy(x, y), size, image)));
        self.y += PICTURE + GAP;
    }

    fn line(&mut self, line: Line) {
        self.keep(line.height);
        let y = self.y;
        self.y += line.height;
        self.lines.push((y, line));
    }

    /// A heading that readers can jump to.
    pub(super) fn section(&mut self, title: &str, style: Style) {
        self.keep(ROOM_FOR_SECTION);
        self.space(18.0);
        let page = usize::try_from(self.pages).unwrap_or(usize::MAX);
        let place = XyzDestination::new(page, Point::from_xy(MARGIN, self.y));
        self.outline.push_child(OutlineNode::new(title.to_owned(), place));
        self.text(title, style);
    }

    /// Ends the page.
    pub(super) fn page(&mut self) {
        let number = self.typesetter.lines(&(self.pages + 1).to_string(), NUMBER, MEASURE);
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).unwrap_or_default();
        let mut page = self.document.start_page_with(settings);
        let mut surface = page.surface();
        for (y, line) in self.lines.drain(..) {
            line.draw(&mut surface, MARGIN, y);
        }
        for (place, size, image) in self.pictures.drain(..) {
            surface.push_transform(&Transform::from_translate(place.x, place.y));
            surface.draw_image(image, size);
            surface.pop();
        }
        // The cover has none.
        for line in number.iter().filter(|_| self.pages > 0) {
            line.draw(&mut surface, (WIDTH - line.span.end) / 2.0, FOOT + 14.0);
        }
        surface.finish();
        for (area, url) in self.links.drain(..) {
            let target = Target::Action(Action::Link(LinkAction::new(url)));
            page.add_annotation(Annotation::new_link(LinkAnnotation::new(area, target), None));
        }
        page.finish();
        self.pages += 1;
        self.y = MARGIN;
    }

    /// The document as a whole.
    pub(super) fn finish(mut self) -> io::Result<(Vec<u8>, Typeset)> {
        if !self.lines.is_empty() || !self.pictures.is_empty() {
            self.page();
        }
        self.document.set_outline(self.outline);
        let typeset = Typeset { pages: self.pages, missing: self.typesetter.missing() };
        let pdf = self.document.finish();
        let pdf = pdf.map_err(|error| io::Error::other(format!("typeset the PDF: {error:?}")))?;
        Ok((pdf, typeset))
    }
}
