//! What is read from a sidecar, and what is refused.

use crate::photos::takeout::{Sidecar, SidecarError, parse};

fn with_time(timestamp: &str) -> Result<Sidecar, SidecarError> {
    parse(format!(r#"{{"photoTakenTime": {{"timestamp": {timestamp}}}}}"#).as_bytes())
}

fn with_places(first: &str, second: &str) -> Option<(f64, f64)> {
    let json =
        format!(r#"{{"photoTakenTime": {{}}, "geoData": {first}, "geoDataExif": {second}}}"#);
    parse(json.as_bytes()).unwrap().place
}

#[test]
fn a_whole_sidecar_is_read() {
    let sidecar = parse(
        br#"{"title": "gig.jpg", "description": "", "imageViews": "2",
             "creationTime": {"timestamp": "1700009999", "formatted": "?"},
             "photoTakenTime": {"timestamp": "1700000000", "formatted": "14 nov. 2023, 22:13:20 UTC"},
             "geoData": {"latitude": 47.25, "longitude": -122.5, "altitude": 3.0},
             "people": [{"name": "somebody"}], "url": "https://photos.example/1"}"#,
    );
    let sidecar = sidecar.unwrap();
    assert_eq!(sidecar.taken_at.unwrap().timestamp(), 1_700_000_000);
    assert_eq!(sidecar.place, Some((47.25, -122.5)));
    assert_eq!(sidecar.title.as_deref(), Some("gig.jpg"));
}

#[test]
fn times() {
    let seconds = |timestamp| {
        with_time(timestamp).map(|sidecar| sidecar.taken_at.map(|taken| taken.timestamp()))
    };
    assert_eq!(seconds(r#""1700000000""#), Ok(Some(1_700_000_000)));
    assert_eq!(seconds("1700000000"), Ok(Some(1_700_000_000)));
    assert_eq!(seconds(r#""-86400""#), Ok(Some(-86_400)), "before 1970");
    for none in [r#""0""#, "0", "null"] {
        assert_eq!(seconds(none), Ok(None), "{none}");
    }
    for bad in [r#""""#, r#""14 nov. 2023""#, r#""9223372036854775807""#, r#""1e9""#] {
        assert_eq!(seconds(bad), Err(SidecarError::Time), "{bad}");
    }
    for bad in ["true", "[]", "1.5", "9223372036854775808"] {
        assert!(matches!(seconds(bad), Err(SidecarError::Unexpected { .. })), "{bad}");
    }
    assert_eq!(parse(br#"{"photoTakenTime": {}}"#).unwrap().taken_at, None);
}

#[test]
fn places() {
    let (here, there) =
        (r#"{"latitude": 1.5, "longitude": 2.5}"#, r#"{"latitude": -3.5, "longitude": 179.5}"#);
    assert_eq!(with_places(here, there), Some((1.5, 2.5)));
    let nowhere = [
        "null",
        "{}",
        r#"{"latitude": 0.0, "longitude": 0.0}"#,
        r#"{"latitude": 0, "longitude": -0.0}"#,
        r#"{"latitude": 1.5}"#,
        r#"{"latitude": 90.1, "longitude": 0}"#,
        r#"{"latitude": 1, "longitude": -180.5}"#,
        r#"{"latitude": null, "longitude": 3}"#,
    ];
    for first in nowhere {
        assert_eq!(with_places(first, there), Some((-3.5, 179.5)), "{first}");
        assert_eq!(with_places(first, first), None, "{first}");
    }
    assert_eq!(with_places(r#"{"latitude": 0.0, "longitude": 9.0}"#, there), Some((0.0, 9.0)));
}

#[test]
fn other_files_are_not_sidecars() {
    let others = [
        r#"{"title": "Summer", "access": "", "date": {"timestamp": "0"}}"#,
        r#"{"albumData": {"title": "Summer"}}"#,
        "{}",
        r#"{"photoTakenTime": null}"#,
    ];
    for other in others {
        assert_eq!(parse(other.as_bytes()), Err(SidecarError::NotAPhoto), "{other}");
    }
}

#[test]
fn hostile_bytes_are_refused_with_a_sentence() {
    let deep = |open: &str, close: &str| {
        format!(r#"{{"photoTakenTime": {}1{}}}"#, open.repeat(50_000), close.repeat(50_000))
    };
    let ignored_deep =
        format!(r#"{{"x": {}{}, "photoTakenTime": {{}}}}"#, "[".repeat(300_000), "]");
    let in_time = format!(r#"{{"photoTakenTime": {{"timestamp": {}"#, "[".repeat(300_000));
    let hostile: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"not JSON".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"\xff\xfe{\x00}".to_vec(),
        b"{\"title\": \"\xff\", \"photoTakenTime\": {}}".to_vec(),
        br#"{"title": 5, "photoTakenTime": {}}"#.to_vec(),
        br#"{"photoTakenTime": "now"}"#.to_vec(),
        br#"{"photoTakenTime": {}, "photoTakenTime": {}}"#.to_vec(),
        br#"{"photoTakenTime": {}, "geoData": {"latitude": "47", "longitude": 1}}"#.to_vec(),
        br#"{"photoTakenTime": {}, "geoData": {"latitude": 1e999, "longitude": 1}}"#.to_vec(),
        br#"{"photoTakenTime": {}} {}"#.to_vec(),
        deep("[", "]").into_bytes(),
        deep(r#"{"timestamp": "#, "}").into_bytes(),
        ignored_deep.into_bytes(),
        in_time.into_bytes(),
        vec![b' '; 1024 * 1024 + 1],
    ];
    for bytes in hostile {
        let sentence = parse(&bytes).unwrap_err().to_string();
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert!(sentence.starts_with("the ") && sentence.len() < 90, "{start}: {sentence}");
    }
    let marked = "\u{feff}{\"photoTakenTime\": {}}";
    assert!(parse(marked.as_bytes()).is_ok(), "a byte order mark is no harm");
}
