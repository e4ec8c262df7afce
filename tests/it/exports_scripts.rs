//! With the fonts that the manual names, a PDF has names of all scripts, and other programs find them in it.

use serde_json::json;

use super::exports::{exported, file, poppler, serving};
use super::support::history::{HOSTILE, concerts};
use super::support::provided;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

#[tokio::test]
async fn names_of_all_scripts_are_set_in_fonts_that_have_them() {
    let fonts = need!(provided("ROADIE_TEST_FONTS", "fonts of all scripts"));
    let stage = serving(need!(Stage::new()).set("exports.fonts", fonts));
    let user = user();
    concerts(&stage, user, 1).await;
    let worker = Worker::start(&stage).await;
    let ask = json!({ "exportId": "e-1", "userId": user, "format": "pdf" });
    let (answer, _) = exported(&stage, ask).await;
    assert_eq!(answer["missingCharacters"], 0, "{answer}");
    let path = file(&stage, &answer);
    let path = path.to_str().unwrap();
    let text = need!(poppler("pdftotext", &["-enc", "UTF-8", path, "-"]));
    // From that with many people on, no name has what is left out or turned round.
    for name in &HOSTILE[8..] {
        assert!(text.contains(name), "{name} in {text}");
    }
    let fonts = poppler("pdffonts", &[path]).unwrap();
    for script in ["CJKjp", "CJKkr", "Thai", "Devanagari"] {
        let font = fonts.lines().find(|font| font.contains(&format!("+NotoSans{script}")));
        // Embedded, a subset, and known in Unicode.
        assert!(font.is_some_and(|font| font.contains("yes yes yes")), "{script} in {fonts}");
    }
    worker.stop().await;
}
