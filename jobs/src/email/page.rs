//! Subject, text and HTML of a mail, from templates that are compiled in.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior};
use serde::Serialize;

use super::template::Template;
use super::words::Language;

macro_rules! templates {
    ($($shared:literal),+; $($name:literal),+ $(,)?) => {
        &[
            $(($shared, include_str!(concat!("templates/", $shared))),)+
            $(
                (concat!("en/", $name), include_str!(concat!("templates/en/", $name))),
                (concat!("de/", $name), include_str!(concat!("templates/de/", $name))),
            )+
        ]
    };
}

/// What all languages share; and of each mail: `.txt`, whose first line is the subject, and `.html`.
const TEMPLATES: &[(&str, &str)] = templates!(
    "layout.html",
    "button.html",
    "counts.html",
    "milestones.html",
    "night.html";
    "headline.txt",
    "footer.txt",
    "footer.html",
    "milestone.txt",
    "milestone.html",
    "milestone-digest.txt",
    "milestone-digest.html",
    "scan-finished.txt",
    "scan-finished.html",
    "export-ready.txt",
    "export-ready.html",
    "reconnect-needed.txt",
    "reconnect-needed.html",
);

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    // What is escaped goes by the ending: `.html`.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual marks"));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).expect("tests render each of them");
    }
    environment
});

/// A mail as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// What templates are filled in with. Texts are of others, dates and numbers in words.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Filling {
    pub(super) lang: &'static str,
    pub(super) app_name: String,
    pub(super) app_url: String,
    /// Whom it greets; empty: nobody by name.
    pub(super) name: String,
    /// What ends the subscription; empty: nothing does.
    pub(super) unsubscribe_url: String,
    pub(super) milestones: Vec<ToldMilestone>,
    pub(super) more: usize,
    pub(super) photos: String,
    pub(super) linked: String,
    pub(super) new_concerts: String,
    pub(super) unmatched: String,
    pub(super) format: String,
    pub(super) concerts: String,
    pub(super) size: String,
    pub(super) link: String,
    pub(super) expires: String,
    pub(super) provider: String,
}

/// A milestone in words.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ToldMilestone {
    /// `nights`, `venues`, `artist` or `anniversary`.
    pub(super) kind: &'static str,
    pub(super) step: i32,
    pub(super) ordinal: String,
    /// The artist, or whom the night is of.
    pub(super) artist: String,
    pub(super) artists: String,
    pub(super) venue: String,
    pub(super) date: String,
    /// All of it in one line.
    pub(super) headline: String,
}

/// Fills a template in.
pub(super) fn page(
    template: Template,
    language: Language,
    mut filling: Filling,
) -> Result<Page, Error> {
    let (lang, name) = (language.tag(), template.name());
    filling.lang = lang;
    for milestone in &mut filling.milestones {
        let headline = ENVIRONMENT.get_template(&format!("{lang}/headline.txt"))?;
        headline.render(Serde(&*milestone))?.trim().clone_into(&mut milestone.headline);
    }
    let render = |ending| {
        ENVIRONMENT.get_template(&format!("{lang}/{name}.{ending}"))?.render(Serde(&filling))
    };
    let text = render("txt")?;
    let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
    Ok(Page {
        subject: subject.trim().to_owned(),
        text: format!("{}\n", text.trim()),
        html: render("html")?,
    })
}
