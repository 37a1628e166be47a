//! How a server starts and ends, and who may ask it.

use std::net::TcpListener;

use serde_json::json;

use super::client::JSON;
use super::server::Server;
use super::support::program::fails;

#[test]
fn a_key_is_asked_for_where_there_is_one() {
    let server = Server::sample(&["--sessions", "1", "--api-key-env", "EBT_TEST_KEY"], &[("EBT_TEST_KEY", "sır")]);
    let ask = |path: &str, key: Option<&str>| {
        let mut client = server.client();
        let body = json!({"prompt": "a", "max_tokens": 1}).to_string();
        let key = key.map(|key| ("Authorization", key));
        let headers: Vec<(&str, &str)> = JSON.into_iter().chain(key).collect();
        let method = if path == "/v1/completions" || path == "/tokenize" { "POST" } else { "GET" };
        client.send(method, path, &headers, if method == "POST" { body.as_bytes() } else { b"" });
        client.answer().unwrap()
    };
    for path in ["/v1/completions", "/v1/models", "/metrics", "/tokenize", "/tokenizer_info", "/nothing"] {
        let without = ask(path, None);
        assert_eq!(without.head.header("www-authenticate"), Some("Bearer"));
        let refusal = without.refusal();
        assert!(refusal.0 == 401 && refusal.2.contains("a key is needed"), "{path}: {refusal:?}");
        for wrong in ["Bearer sir", "Bearer sı", "Bearer sırr", "sır", "Basic sır", "Bearer "] {
            let refusal = ask(path, Some(wrong)).refusal();
            assert_eq!((refusal.0, refusal.2.as_str()), (401, "the key is wrong"), "{path} {wrong}");
        }
    }
    for path in ["/v1/completions", "/v1/models", "/metrics", "/tokenizer_info"] {
        assert_eq!(ask(path, Some("Bearer sır")).head.status, 200, "{path}");
    }
    for path in ["/", "/page.js", "/health"] {
        assert_eq!(ask(path, None).head.status, 200, "{path}");
    }
}

#[test]
fn what_cannot_be_served_is_refused_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    let sudoku = folder.path().join("sudoku.ebp");
    std::fs::write(&sudoku, ebt_fixtures::SUDOKU_MODEL).unwrap();
    let thinks = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/formats/f32-3.ebp");
    let cases: [(&[&str], &str); 7] = [
        (&["--bind", &address], "the port is in use by another program"),
        (&["--bind", "203.0.113.7:80"], "--bind 203.0.113.7:80: "),
        (&["--api-key-env", "EBT_NO_SUCH_KEY"], "--api-key-env EBT_NO_SUCH_KEY: there is no such variable"),
        (&["--model", "no-such-model"], "no-such-model"),
        (&["--model", sudoku.to_str().unwrap()], "it continues no text"),
        (&["--page", empty], "there is no index.html in it"),
        (&["--most-think", "1", "--model", thinks], "f32-3.ebp takes 2 steps by itself"),
    ];
    for (arguments, words) in cases {
        let bind = if arguments[0] == "--bind" { vec![] } else { vec!["--bind", "127.0.0.1:0"] };
        let message = fails(&[&["serve"][..], &bind, arguments].concat(), 1);
        assert!(message.contains(words), "{arguments:?}: {message}");
    }
    for wrong in [["--bind", "8080"], ["--sessions", "0"], ["--queue", "-1"], ["--timeout", "0"]] {
        assert!(fails(&[&["serve"][..], &wrong].concat(), 2).contains(wrong[0]));
    }
}

#[test]
fn a_page_of_ones_own_is_shown_in_place_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "benim").unwrap();
    let server = Server::small(&["--sessions", "1", "--page", folder.path().to_str().unwrap()]);
    assert_eq!(server.get("/").text(), "benim");
    assert_eq!((server.get("/page.js").head.status, server.get("/..%2findex.html").head.status), (404, 404));
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_end_finishes_what_runs() {
    for signal in ["TERM", "INT"] {
        let server = Server::small(&["--sessions", "1", "--bind", "0.0.0.0:0", "--grace", "3600"]);
        let (mut running, idle) = (server.client(), server.client());
        running.ask(
            &json!({"prompt": "Ankara", "max_tokens": 1000, "stream": true, "temperature": 0, "ebt": {"think": 32}}),
        );
        let first = (running.head().unwrap(), running.line().unwrap(), running.line().unwrap());
        assert!(first.0.status == 200 && first.2.starts_with("data: {"));
        server.signal(signal);
        let mut rest = Vec::new();
        while let Some(line) = running.line() {
            rest.push(line);
        }
        assert!(rest.iter().any(|line| line == "data: [DONE]"), "{rest:?}");
        drop(idle);
        let address = server.address;
        let (status, told) = server.end();
        assert_eq!(status.code(), Some(0), "{told}");
        assert!(told.contains("1 session of ") && told.contains("ending: ") && !told.contains("broken off"), "{told}");
        assert!(told.contains("warning: other machines can reach this address, and no key is asked for"), "{told}");
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}

#[cfg(unix)]
#[test]
fn what_runs_too_long_after_that_is_broken_off() {
    let server = Server::small(&["--sessions", "1", "--most-tokens", "1000000", "--grace", "0"]);
    let mut running = server.client();
    running.ask(&json!({"prompt": "Ankara", "max_tokens": 1_000_000, "n": 64, "temperature": 0, "ebt": {"think": 32}}));
    server.until("ebt_sessions_busy", |busy| busy == 1.0);
    server.signal("TERM");
    let refusal = running.answer().unwrap().refusal();
    assert!(refusal.0 == 503 && refusal.2.contains("the server ends"), "{refusal:?}");
    let (status, told) = server.end();
    assert!(status.code() == Some(0) && told.contains("were broken off"), "{told}");
}
