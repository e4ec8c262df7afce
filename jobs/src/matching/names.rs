//! How alike two names of venues are.
//!
//! Words that many venues share (`theatre`, `club`) and the words of the city say little, the others
//! decide. One typing error in a word is forgiven, `RFK` stands for `Robert F. Kennedy`, and `Wolftrap`
//! is `Wolf Trap`. Names confirm a place; they never find one: an Orpheum Theatre is in every city, and
//! a renamed venue is not found by its name at all (aliases and coordinates are for those).

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Words that say nothing.
const EMPTY: [&str; 18] = [
    "a", "the", "at", "of", "and", "in", "on", "de", "la", "le", "les", "el", "der", "die", "das",
    "du", "am", "im",
];

/// Words that say what kind of place it is, as folded by [`word`].
const KINDS: [&str; 70] = [
    "theater",
    "club",
    "nightclub",
    "hall",
    "arena",
    "stadium",
    "center",
    "pavilion",
    "amphitheater",
    "auditorium",
    "ballroom",
    "room",
    "bar",
    "pub",
    "lounge",
    "cafe",
    "stage",
    "park",
    "garden",
    "gardens",
    "field",
    "hotel",
    "casino",
    "live",
    "concert",
    "concerts",
    "music",
    "venue",
    "house",
    "coliseum",
    "forum",
    "palace",
    "opera",
    "winery",
    "mainstage",
    "festival",
    "grounds",
    "racetrack",
    "museum",
    "church",
    "school",
    "university",
    "synagogue",
    "event",
    "events",
    "historic",
    "grand",
    "old",
    "new",
    "halle",
    "arts",
    "restaurant",
    "tavern",
    "saloon",
    "inn",
    "fairgrounds",
    "raceway",
    "speedway",
    "dome",
    "bowl",
    "library",
    "gallery",
    "cinema",
    "studio",
    "studios",
    "teatro",
    "sala",
    "salle",
    "estadio",
    "stadion",
];

/// Spellings of one word.
const SPELLINGS: [(&str, &str); 18] = [
    ("theatre", "theater"),
    ("theaters", "theater"),
    ("amphitheatre", "amphitheater"),
    ("amphi", "amphitheater"),
    ("centre", "center"),
    ("pavillion", "pavilion"),
    ("colosseum", "coliseum"),
    ("saint", "st"),
    ("sainte", "ste"),
    ("mount", "mt"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
];

/// What a word counts.
const SPECIFIC: f64 = 1.0;
const KIND: f64 = 0.3;
const CITY: f64 = 0.2;

/// A name that consists of kinds of place and the city only (`The Theatre`) is at most so like another
/// one, unless they are equal: too little to link by.
const ONLY_KINDS: f64 = 0.45;
/// One name is wholly part of the other: `Black Cat`, `The Black Cat Mainstage`.
const PART: f64 = 0.82;
/// Both have words of their own: `Hollywood Palladium`, `Hollywood Live`.
const OWN_WORDS: f64 = 0.7;
/// Both name a kind of place, and not the same: `Shrine Auditorium`, `Shrine Exposition Hall`.
const OWN_KINDS: f64 = 0.9;

/// The words of a name, made comparable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    text: String,
    /// It says what kind of place it is.
    kind: bool,
}

impl Name {
    pub(crate) fn new(text: &str) -> Self {
        let all = words(text);
        let mut full: Vec<&String> = Vec::with_capacity(all.len());
        for word in &all {
            if !EMPTY.contains(&word.as_str()) && !full.contains(&word) {
                full.push(word);
            }
        }
        let kept = if full.is_empty() { all.iter().collect() } else { full };
        let word =
            |text: &String| Word { text: text.clone(), kind: KINDS.contains(&text.as_str()) };
        Self { words: kept.into_iter().map(word).collect() }
    }

    /// What a name can be looked up by: its words that say more than a kind of place or the city, and all
    /// of it as one word. Names that are alike nearly always share one of them.
    pub(crate) fn handles(&self, city: &Self) -> BTreeSet<String> {
        let says_little = |word: &&Word| word.kind || city.words.contains(word);
        let specific = self.words.iter().filter(|word| !says_little(word));
        let whole: String = self.words.iter().map(|word| word.text.as_str()).collect();
        let handles = specific.map(|word| word.text.clone()).chain([whole]);
        handles.filter(|handle| !handle.is_empty()).collect()
    }
}

/// One word of two names that are compared.
struct Compared {
    weight: f64,
    kind: bool,
    /// The other name has it too.
    shared: bool,
}

/// From 0 to 1. `city` is where the second venue is.
pub(crate) fn similarity(a: &Name, b: &Name, city: &Name) -> f64 {
    let (a, b) = (as_written(&a.words, &b.words), as_written(&b.words, &a.words));
    if a == b {
        return if a.is_empty() { 0.0 } else { 1.0 };
    }
    let compared = |words: &[&Word], other: &[&Word]| -> Vec<Compared> {
        let compared = words.iter().map(|word| Compared {
            weight: if word.kind {
                KIND
            } else if city.words.iter().any(|part| part.text == word.text) {
                CITY
            } else {
                SPECIFIC
            },
            kind: word.kind,
            shared: other.iter().any(|theirs| alike(&word.text, &theirs.text)),
        });
        compared.collect()
    };
    let (a, b) = (compared(&a, &b), compared(&b, &a));
    let total = |words: &[Compared]| words.iter().map(|word| word.weight).sum::<f64>();
    let (in_a, in_b) = (total(&a), total(&b));
    let in_smaller = in_a.min(in_b);
    let shared = a.iter().filter(|word| word.shared).map(|word| word.weight).sum::<f64>();
    if in_smaller <= 0.0 || !a.iter().any(|word| word.shared && word.weight >= SPECIFIC) {
        return (shared / in_a.max(in_b).max(f64::MIN_POSITIVE)).min(ONLY_KINDS);
    }
    let both_have = |of_its_own: fn(&Compared) -> bool| {
        [&a, &b].iter().all(|words| words.iter().any(|word| !word.shared && of_its_own(word)))
    };
    let mut alike = shared / (in_a + in_b) + (shared / in_smaller).min(1.0) / 2.0;
    if both_have(|word| word.weight >= SPECIFIC) {
        alike *= OWN_WORDS;
    }
    if both_have(|word| word.kind) {
        alike *= OWN_KINDS;
    }
    if [&a, &b].iter().any(|words| words.iter().all(|word| word.shared)) {
        alike = alike.max(PART);
    }
    alike.min(1.0)
}

/// The words of `text` in lower case, without accents and punctuation.
fn words(text: &str) -> Vec<String> {
    let plain: String = text
        .nfkd()
        .filter(|letter| !is_combining_mark(*letter) && !matches!(letter, '\'' | '’' | '`'))
        .flat_map(char::to_lowercase)
        .collect();
    let plain = plain.replace('&', " and ");
    let mut words: Vec<String> = Vec::new();
    // Letters that stand alone belong together: `L.A.`, `U. S.`
    let mut initials = String::new();
    for piece in plain.split(|letter: char| !letter.is_alphanumeric()) {
        match piece.chars().count() {
            0 => {}
            1 if piece.chars().all(char::is_alphabetic) => initials.push_str(piece),
            _ => {
                flush(&mut initials, &mut words);
                words.push(word(piece));
            }
        }
        if piece.is_empty() && initials.chars().count() > 1 {
            flush(&mut initials, &mut words);
        }
    }
    flush(&mut initials, &mut words);
    words
}

fn flush(initials: &mut String, words: &mut Vec<String>) {
    if !initials.is_empty() {
        words.push(std::mem::take(initials));
    }
}

fn word(piece: &str) -> String {
    let spelling = SPELLINGS.iter().find(|(from, _)| *from == piece);
    spelling.map_or(piece, |(_, to)| to).to_owned()
}

/// Words of one name with those joined or shortened that the other name writes so: `wolf trap` as
/// `wolftrap`, `robert f kennedy` as `rfk`.
fn as_written<'a>(words: &'a [Word], other: &'a [Word]) -> Vec<&'a Word> {
    let mut written = Vec::with_capacity(words.len());
    let mut rest = words;
    while let Some((first, after)) = rest.split_first() {
        let joined = after.first().and_then(|second| {
            other.iter().find(|word| {
                let end = word.text.strip_prefix(first.text.as_str());
                end.is_some_and(|end| end == second.text)
            })
        });
        if let Some(joined) = joined {
            written.push(joined);
            rest = &after[1..];
            continue;
        }
        if let Some(short) = other.iter().find(|word| initials_of(rest, &word.text)) {
            written.push(short);
            rest = &rest[short.text.len()..];
            continue;
        }
        written.push(first);
        rest = after;
    }
    written
}

/// Whether `short` is the first letters of as many of the words, three at least.
fn initials_of(words: &[Word], short: &str) -> bool {
    (3..=words.len()).contains(&short.len())
        && short.is_ascii()
        && short.chars().zip(words).all(|(letter, word)| word.text.starts_with(letter))
}

/// Equal but for one typing error in a word of five letters or more.
fn alike(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.len() < 5 || long.len() - short.len() > 1 || short.bytes().any(|b| b.is_ascii_digit())
    {
        return false;
    }
    let (short, long) = (short.as_bytes(), long.as_bytes());
    let same_start = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let same_end = short.iter().rev().zip(long.iter().rev()).take_while(|(a, b)| a == b).count();
    let differ = long.len().saturating_sub(same_start + same_end);
    differ <= 1
        // Two neighbours have changed places.
        || (differ == 2
            && short.len() == long.len()
            && short[same_start] == long[same_start + 1]
            && short[same_start + 1] == long[same_start])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike_in(a: &str, b: &str, city: &str) -> f64 {
        similarity(&Name::new(a), &Name::new(b), &Name::new(city))
    }

    #[test]
    fn one_venue_written_in_two_ways() {
        let pairs = [
            ("The Black Cat", "Black Cat", "Washington"),
            ("The Black Cat", "The Black Cat Mainstage", "Washington"),
            ("Showbox at the Market", "The Showbox", "Seattle"),
            ("William Randolph Hearst Greek Theatre", "Greek Theatre", "Berkeley"),
            ("Chateau Ste Michelle", "Chateau Ste. Michelle Winery", "Woodinville"),
            ("Knots Berry Farm", "Knott's Berry Farm", "Buena Park"),
            ("Pier 6 Pavillion", "Pier Six Concert Pavilion", "Baltimore"),
            ("Wolftrap", "Filene Center at Wolf Trap", "Vienna"),
            ("RFK Stadium", "Robert F. Kennedy Memorial Stadium", "Washington"),
            ("YouTube Theatre", "YouTube Theater", "Inglewood"),
            ("House of Blues Anaheim", "House of Blues", "Anaheim"),
            ("L'Olympia", "Olympia", "Paris"),
            ("Тэатр", "тэатр", ""),
        ];
        for (a, b, city) in pairs {
            let (there, back) = (alike_in(a, b, city), alike_in(b, a, city));
            assert!(there >= 0.7 && back >= 0.7, "{a} | {b}: {there:.2} {back:.2}");
        }
    }

    /// A hall on the grounds of another one: worth a question, not a link.
    #[test]
    fn parts_of_a_site_are_somewhat_alike() {
        let alike = alike_in("TD Pavilion at the Mann", "Mann Center", "Philadelphia");
        assert!((0.5..0.8).contains(&alike), "{alike:.2}");
    }

    #[test]
    fn two_venues_with_a_word_in_common() {
        let pairs = [
            ("DNA Lounge", "Mann Center Lounge", "San Francisco"),
            ("9:30 Club", "Model Railway Club", "Washington"),
            ("The Anthem", "The Theatre", "Washington"),
            ("Hollywood Palladium", "Hollywood Live", "Los Angeles"),
            ("MGM Music Hall at Fenway", "Fenway Park", "Boston"),
            ("Rams Head Live! Baltimore", "Rams Head On Stage", "Annapolis"),
            ("Shrine Auditorium", "Shrine Exposition Hall", "Los Angeles"),
            ("Paradise", "Las Vegas", "Las Vegas"),
            ("", "", ""),
        ];
        for (a, b, city) in pairs {
            let alike = alike_in(a, b, city);
            assert!(alike < 0.8, "{a} | {b}: {alike:.2}");
        }
    }
}
