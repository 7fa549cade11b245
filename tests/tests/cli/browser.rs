//! The pages for people in a browser: every picture is drawn and nothing is asked from anywhere else.

use super::fixture::{Fixture, train};
use burn_rsmamba_tests::fixtures::skip;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// Chromium by one of its names, where it is installed.
fn browser() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let asked = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    })
}

/// What a browser makes of a page: a script at its end writes it into the title.
fn opened(browser: &str, page: &Path) -> Value {
    const SCRIPT: &str = "<script>onload = () => {
        const count = (all, keep) => [...all].filter(keep).length;
        document.title = JSON.stringify({
            images: document.images.length,
            broken: count(document.images, image => !(image.complete && image.naturalWidth)),
            curves: count(document.querySelectorAll('polyline'), line => line.getBBox().width > 0),
            elsewhere: count(performance.getEntriesByType('resource'), entry => !entry.name.startsWith('data:')),
            words: document.body.innerText.split(/\\s+/).length,
        });
    }</script></body>";
    let text = fs::read_to_string(page).expect("a page");
    let probed = page.with_extension("probed.html");
    assert_eq!(text.matches("</body>").count(), 1);
    fs::write(&probed, text.replace("</body>", SCRIPT)).expect("written");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", page.with_extension("profile").display()))
        .arg(format!("file://{}", probed.display()))
        .output()
        .expect("the browser starts");
    let dom = String::from_utf8_lossy(&output.stdout);
    let title = dom.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let (title, _) = title.unwrap_or_else(|| panic!("no title in {dom}"));
    serde_json::from_str(title).unwrap_or_else(|error| panic!("{error}: {title}"))
}

#[test]
fn pages_are_whole_in_a_browser() {
    let Some(browser) = browser() else {
        skip("no Chromium, pages are not opened");
        return;
    };
    let fixture = Fixture::new();
    let data = fixture.change("cd");
    fixture.json(&train("cd", data.to_str().expect("text"), "run", &["--epochs", "2"]));
    let seen = opened(browser, &fixture.path("run/report.html"));
    let number = |key: &str| seen[key].as_u64().expect("a number");
    assert!(number("images") >= 2 && number("curves") >= 2 && number("words") > 100, "{seen}");
    assert_eq!((number("broken"), number("elsewhere")), (0, 0), "{seen}");

    let folder = |name: &str| fixture.path("cd/test").join(name).to_str().expect("text").to_owned();
    let (before, after, labels) = (folder("A"), folder("B"), folder("label"));
    let inputs = ["predict", "--model", "run", "--input", &before, "--input2", &after, "--labels", &labels];
    let ran = fixture.run(&[&inputs[..], &["--out", "maps", "--html"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let seen = opened(browser, &fixture.path("maps/index.html"));
    let number = |key: &str| seen[key].as_u64().expect("a number");
    assert!(number("images") >= 4 && number("words") > 20, "{seen}");
    assert_eq!((number("broken"), number("elsewhere")), (0, 0), "{seen}");
}
