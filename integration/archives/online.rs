//! `verify --online` of a file from an address: whether it is still what was locked.

use serde_json::{Value, json};

use super::{SERVER, add};
use crate::support::{Home, HttpsFolder};

fn verify(https: &HttpsFolder, home: &Home, code: i32) -> (String, Value) {
    let text = https.run(home, &["verify", "--online"]);
    assert_eq!(text.code, Some(code), "{text:#?}");
    let ran = https.run(home, &["verify", "--online", "--json"]);
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["ok"], code == 0, "{found}");
    (text.stdout, found["servers"][0].clone())
}

fn codes(found: &Value) -> Vec<&str> {
    let problems = found["problems"].as_array().unwrap().iter();
    problems
        .map(|problem| problem["code"].as_str().unwrap())
        .collect()
}

#[test]
fn an_address_is_asked_whether_it_serves_the_same() {
    let test = "archives::online::an_address_is_asked_whether_it_serves_the_same";
    let home = Home::new();
    let Some(mut https) = HttpsFolder::new(test, &home) else {
        return;
    };
    let script = String::from_utf8(SERVER.to_vec()).unwrap();
    let script = script.replace("require(\"./answer.js\")()", "'right'");
    let source = https.publish("server", script.as_bytes());
    add(&https, &home, "server", &source, &[]);
    let lock = std::fs::read(home.lock()).unwrap();

    let (text, found) = verify(&https, &home, 0);
    assert!(text.contains("server: as locked"), "{text}");
    assert_eq!(found["online"], json!({"asked": true, "advice": []}));

    for other in [script.replace("right", "wrong"), format!("{script}//")] {
        https.publish("server", other.as_bytes());
        let (text, found) = verify(&https, &home, 1);
        assert_eq!(codes(&found), ["registry-changed"], "{text}");
        assert_eq!(found["online"]["asked"], true);
    }

    https.unpublish("server");
    let (text, found) = verify(&https, &home, 1);
    assert_eq!(codes(&found), ["unpublished"], "{text}");

    // The same again is fine again, so nothing was changed by asking.
    https.publish("server", script.as_bytes());
    verify(&https, &home, 0);

    // No answer is no yes, and no no.
    https.stop();
    let (_, found) = verify(&https, &home, 4);
    assert_eq!(codes(&found), [""; 0]);
    assert_eq!(found["online"]["asked"], false);
    home.succeed(["verify"]);
    assert_eq!(std::fs::read(home.lock()).unwrap(), lock);
}
