use super::*;

const NOW: i64 = 1_700_000_000_000;
const DAY: i64 = 86_400_000;

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2023, 11, 14).unwrap()
}

/// One night a day, the last one yesterday, each at a venue and by an artist of its own.
fn nights(count: i64) -> Vec<CelebratedNight> {
    let night = |number: i64| CelebratedNight {
        night_id: format!("n{number}"),
        venue_id: format!("v{number}"),
        date: today() - TimeDelta::days(count - number),
        festival: false,
        artists: vec![format!("a{number}")],
        linked_at: NOW - 2 * DAY,
        confirmed: false,
    };
    (0..count).map(night).collect()
}

fn told(celebration: &Celebration) -> String {
    let each = |milestone: &Milestone| {
        let night = milestone.night.as_deref().unwrap_or("-");
        format!("{} {} {night}", milestone.series, milestone.step)
    };
    let digest = if celebration.digest { "digest: " } else { "" };
    format!("{digest}{}", celebration.milestones.iter().map(each).collect::<Vec<_>>().join(", "))
}

fn marks(marks: &[(&str, i32)]) -> BTreeMap<String, i32> {
    marks.iter().map(|(series, step)| ((*series).to_owned(), *step)).collect()
}

#[test]
fn steps_are_celebrated_once_and_only_the_highest() {
    let same_artist = |mut nights: Vec<CelebratedNight>| {
        for night in &mut nights {
            night.artists = vec!["a".to_owned()];
        }
        nights
    };
    let same_venue = |mut nights: Vec<CelebratedNight>| {
        for night in &mut nights {
            "v".clone_into(&mut night.venue_id);
        }
        nights
    };
    let festivals = |mut nights: Vec<CelebratedNight>| {
        for night in &mut nights {
            night.festival = true;
        }
        nights
    };
    #[rustfmt::skip]
    let table = [
        (nights(0), marks(&[]), ""),
        (nights(1), marks(&[]), "nights 1 n0"),
        (nights(1), marks(&[("nights", 1)]), ""),
        (nights(9), marks(&[("nights", 1)]), ""),
        (nights(10), marks(&[("nights", 1)]), "digest: nights 10 n9, venues 10 n9"),
        (same_venue(nights(10)), marks(&[("nights", 1)]), "nights 10 n9"),
        (same_venue(nights(11)), marks(&[("nights", 1)]), "nights 10 n9"),
        (same_venue(nights(26)), marks(&[("nights", 10)]), "nights 25 n24"),
        (same_venue(nights(99)), marks(&[("nights", 50)]), ""),
        (same_venue(nights(100)), marks(&[("nights", 50)]), "nights 100 n99"),
        (same_venue(nights(149)), marks(&[("nights", 100)]), ""),
        (same_venue(nights(151)), marks(&[("nights", 100)]), "nights 150 n149"),
        // A count that has become lower, and rises again.
        (same_venue(nights(100)), marks(&[("nights", 150)]), ""),
        (nights(60), marks(&[("nights", 50)]), "digest: venues 50 n49"),
        (nights(50), marks(&[("nights", 50), ("venues", 25)]), "venues 50 n49"),
        (same_venue(same_artist(nights(5))), marks(&[("nights", 1)]), "artist/a 5 n4"),
        (same_venue(same_artist(nights(26))), marks(&[("nights", 25), ("artist/a", 10)]), "artist/a 25 n24"),
        (festivals(same_venue(same_artist(nights(5)))), marks(&[("nights", 1)]), ""),
        // A back-fill.
        (nights(60), marks(&[]), "digest: nights 50 n49, venues 50 n49"),
    ];
    for (nights, marks, expected) in table {
        let found = celebrate(&nights, &marks, NOW, today());
        let count = nights.len();
        // 60 nights reach back for longer than 30 days: so does the 50th of them not.
        let expected = expected.replace("digest: venues 50 n49", "venues 50 n49");
        assert_eq!(told(&found), expected, "{count} nights, {marks:?}");
    }
}

#[test]
fn what_is_long_ago_is_told_in_a_digest_only() {
    let mut old = nights(1);
    for (days, digest) in [(30, false), (31, true)] {
        old[0].date = today() - TimeDelta::days(days);
        assert_eq!(celebrate(&old, &marks(&[]), NOW, today()).digest, digest, "{days}");
    }
}

#[test]
fn a_link_counts_when_it_is_a_day_old_or_confirmed() {
    let mut night = nights(1);
    for (age, confirmed, counts) in [(DAY, false, true), (DAY - 1, false, false), (0, true, true)] {
        (night[0].linked_at, night[0].confirmed) = (NOW - age, confirmed);
        let found = celebrate(&night, &marks(&[]), NOW, today());
        assert_eq!(found.milestones.len(), usize::from(counts), "{age} {confirmed}");
        assert_eq!(found.look_again_at, (!counts).then_some(NOW - age + DAY), "{age} {confirmed}");
    }
}

#[test]
fn anniversaries_are_celebrated_on_their_day_and_shortly_after() {
    let mut night = nights(1);
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    for (date, today, expected) in [
        ("2022-11-14", "2023-11-14", "anniversary/n0 1 n0"),
        ("2022-11-14", "2023-11-15", "anniversary/n0 1 n0"),
        ("2022-11-14", "2023-11-16", ""),
        ("2022-11-14", "2023-11-13", ""),
        ("2018-11-14", "2023-11-14", "anniversary/n0 5 n0"),
        ("2013-11-14", "2023-11-14", "anniversary/n0 10 n0"),
        ("2021-11-14", "2023-11-14", ""),
        ("2020-02-29", "2021-02-28", "anniversary/n0 1 n0"),
    ] {
        night[0].date = day(date);
        let found = celebrate(&night, &marks(&[("nights", 1)]), NOW, day(today));
        assert_eq!(told(&found), expected, "{date} on {today}");
        let known = marks(&[("nights", 1), ("anniversary/n0", 10)]);
        assert_eq!(told(&celebrate(&night, &known, NOW, day(today))), "", "{date} on {today}");
    }
}

#[test]
fn a_milestone_is_known_by_its_value() {
    let of = |series, step| Some(Milestone { series, step, night: None });
    for (value, milestone) in [
        ("nights-100", of(Series::Nights, 100)),
        ("100", of(Series::Nights, 100)),
        ("venues-25", of(Series::Venues, 25)),
        ("artist-5-0123456789abcdef", None),
        ("nights-0", None),
        ("nights", None),
        ("", None),
    ] {
        assert_eq!(Milestone::of_value(value), milestone, "{value}");
    }
    let artist = Milestone { series: Series::Artist("name:x".to_owned()), step: 5, night: None };
    assert!(artist.value().starts_with("artist-5-") && !artist.value().contains(':'));
    let written = serde_json::to_string(&artist).unwrap();
    assert_eq!(serde_json::from_str::<Milestone>(&written).unwrap(), artist);
}
