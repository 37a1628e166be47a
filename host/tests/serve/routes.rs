//! What is at which address, and what is refused there.

use serde_json::{Value, json};

use super::client::{Answer, JSON};
use super::server::{SMALL, Server};

#[test]
fn every_address_answers() {
    let server = Server::small(&["--sessions", "1"]);
    assert_eq!(server.report["model"], SMALL);
    assert!(server.report["bytes_per_session"].as_u64().unwrap() > 1000);
    assert_eq!(server.get("/health").good(), json!({"status": "ok"}));
    let models = server.get("/v1/models").good();
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!(SMALL)));

    // what is written is read back; names of special tokens are their ids, and only alone
    let text = "Ankara'nın başkent <s> oluşu 😀";
    let tokens = server.post("/tokenize", &json!({"prompt": text, "add_special_tokens": false})).good();
    assert_eq!(tokens["count"], tokens["tokens"].as_array().unwrap().len());
    let back = server.post("/detokenize", &json!({"tokens": tokens["tokens"], "model": SMALL})).good();
    assert_eq!(back, json!({"prompt": text}));
    let with_begin = server.post("/tokenize", &json!({"prompt": text, "add_special_tokens": true})).good();
    assert_eq!(with_begin["tokens"][0], server.ids("<s>")[0]);
    assert_eq!(with_begin["tokens"].as_array().unwrap()[1..], tokens["tokens"].as_array().unwrap()[..]);
    let info = server.get("/tokenizer_info").good();
    for (name, special) in [("bos_token", "<s>"), ("eos_token", "</s>"), ("pad_token", "<pad>")] {
        assert_eq!(info[name], special);
        assert_eq!(server.ids(special).as_array().unwrap().len(), 1);
    }

    // the page needs nothing from elsewhere
    for (path, kind) in [("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")] {
        let answer = server.get(path);
        assert!(answer.head.header("content-type").unwrap().starts_with(kind), "{path}");
        assert!(answer.head.header("content-security-policy").unwrap().contains("default-src 'none'"));
        let text = answer.text().replace("http://www.w3.org/2000/svg", "");
        assert!(text.len() > 500 && !text.contains("http:") && !text.contains("https:"), "{path}");
    }
    let mut client = server.client();
    client.send("HEAD", "/", &[], b"");
    assert_eq!(client.head().unwrap().status, 200);

    server.complete(&json!({"prompt": "a", "max_tokens": 3})).good();
    let metrics = server.get("/metrics");
    assert!(metrics.head.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(metrics.text().ends_with("# EOF\n"), "{}", metrics.text());
    for (name, value) in [
        ("ebt_requests_total{route=\"/v1/completions\",status=\"200\"}", 1.0),
        ("ebt_request_seconds_count{route=\"/v1/completions\"}", 1.0),
        ("ebt_tokens_total{kind=\"completion\"}", 3.0),
        ("ebt_sessions", 1.0),
        ("ebt_sessions_busy", 0.0),
        ("ebt_queue", 0.0),
    ] {
        assert_eq!(server.metric(name), value, "{name}: {}", metrics.text());
    }
    assert!(server.metric("ebt_tokens_total{kind=\"prompt\"}") >= 1.0);

    let refusals: [(&str, &str, u16, &str); 4] = [
        ("GET", "/nothing", 404, "nothing at this address"),
        ("POST", "/v1/chat/completions", 404, "nothing at this address"),
        ("GET", "/v1/completions", 405, "does not know the method GET"),
        ("DELETE", "/", 405, "does not know the method DELETE"),
    ];
    for (method, path, status, words) in refusals {
        let mut client = server.client();
        client.send(method, path, &[], b"");
        let refusal = client.answer().unwrap().refusal();
        assert!(refusal.0 == status && refusal.2.contains(words), "{method} {path}: {refusal:?}");
    }
    assert_eq!(server.metric("ebt_requests_total{route=\"other\",status=\"404\"}"), 2.0);
}

#[test]
fn what_would_be_answered_otherwise_than_asked_is_refused_with_its_field() {
    let server =
        Server::small(&["--sessions", "1", "--most-tokens", "100", "--most-prompt", "50", "--most-think", "8"]);
    let many = "a ".repeat(200);
    let cases: Vec<(Value, Option<&str>, &str)> = vec![
        (json!([]), None, "it is a list"),
        (json!({}), Some("prompt"), "is missing"),
        (json!({"prompt": []}), Some("prompt"), "is an empty list"),
        (json!({"prompt": 5}), Some("prompt"), "not a number"),
        (json!({"prompt": [1, "a"]}), Some("prompt"), "strings or lists of token ids"),
        (json!({"prompt": [["a"]]}), Some("prompt"), "whole numbers as ids"),
        (json!({"prompt": [300]}), Some("prompt"), "has the id 300, and the vocabulary has 265 tokens"),
        (json!({"prompt": [-1]}), Some("prompt"), "whole numbers"),
        (json!({"prompt": many}), Some("prompt"), "at most 50 are read: `ebt serve --most-prompt N`"),
        (json!({"prompt": "a", "max_tokens": 101}), Some("max_tokens"), "must be a whole number from 0 to 100"),
        (json!({"prompt": "a", "max_tokens": "5"}), Some("max_tokens"), "must be a number, not a string"),
        (json!({"prompt": "a", "temperature": -1}), Some("temperature"), "must be a finite number from 0 on"),
        (json!({"prompt": "a", "temperature": 1e300}), Some("temperature"), "must be a finite number"),
        (json!({"prompt": "a", "top_p": 0}), Some("top_p"), "must be above 0"),
        (json!({"prompt": "a", "top_p": 1.5}), Some("top_p"), "must be a number from 0 to 1"),
        (json!({"prompt": "a", "seed": 1.5}), Some("seed"), "must be a whole number"),
        (json!({"prompt": "a", "n": 0}), Some("n"), "from 1 to 64"),
        (json!({"prompt": ["a", "b"], "n": 33}), Some("n"), "must be at most 64"),
        (json!({"prompt": "a", "logprobs": 21}), Some("logprobs"), "from 0 to 20"),
        (json!({"prompt": "a", "logprobs": true}), Some("logprobs"), "must be a number"),
        (json!({"prompt": "a", "stop": [""]}), Some("stop"), "from 1 to 256 bytes"),
        (json!({"prompt": "a", "stop": [1]}), Some("stop"), "a string or a list of strings"),
        (json!({"prompt": "a", "stop": vec!["a"; 17]}), Some("stop"), "at most 16"),
        (json!({"prompt": "a", "stream": 1}), Some("stream"), "must be true or false"),
        (json!({"prompt": "a", "stream_options": {}}), Some("stream_options"), "without `stream`"),
        (json!({"prompt": "a", "stream": true, "stream_options": {"x": 1}}), Some("stream_options.x"), "is not known"),
        (json!({"prompt": "a", "best_of": 2}), Some("best_of"), "must be 1"),
        (json!({"prompt": "a", "suffix": "b"}), Some("suffix"), "is not supported"),
        (json!({"prompt": "a", "logit_bias": {"5": 1}}), Some("logit_bias"), "is not supported"),
        (json!({"prompt": "a", "presence_penalty": 0.5}), Some("presence_penalty"), "must be 0"),
        (json!({"prompt": "a", "frequency_penalty": -0.5}), Some("frequency_penalty"), "must be 0"),
        (json!({"prompt": "a", "tools": []}), Some("tools"), "is not known here"),
        (json!({"prompt": "a", "ebt": 1}), Some("ebt"), "must be an object"),
        (
            json!({"prompt": "a", "ebt": {"think": 9}}),
            Some("ebt.think"),
            "must be at most 8: `ebt serve --most-think N`",
        ),
        (json!({"prompt": "a", "ebt": {"candidates": 5}}), Some("ebt.candidates"), "must be at most 4"),
        (json!({"prompt": "a", "ebt": {"step_size": "x"}}), Some("ebt.step_size"), "must be model, a number, armijo"),
        (json!({"prompt": "a", "ebt": {"rule": "x"}}), Some("ebt.rule"), "must be one of: probability, mirror, logit"),
        (json!({"prompt": "a", "ebt": {"noise": "loud"}}), Some("ebt.noise"), "must be none, langevin:S"),
        (json!({"prompt": "a", "ebt": {"thinks": 1}}), Some("ebt.thinks"), "is not known here"),
        (json!({"prompt": "a", "ebt": {"step_size": "armijo", "noise": "mala:1"}}), Some("ebt"), "cannot be run"),
    ];
    for (body, param, words) in cases {
        let refusal = server.complete(&body).refusal();
        assert!(refusal.0 == 400 && refusal.1.as_deref() == param && refusal.2.contains(words), "{body}: {refusal:?}");
    }
    let refusal = server.complete(&json!({"prompt": "a", "model": "gpt-4"})).refusal();
    assert_eq!(refusal, (404, Some("model".into()), "`model` `gpt-4` is not served here; the model is `small`".into()));
    for (path, body, param) in [
        ("/tokenize", json!({}), "prompt"),
        ("/tokenize", json!({"prompt": [1]}), "prompt"),
        ("/tokenize", json!({"prompt": "a", "x": 1}), "x"),
        ("/detokenize", json!({"tokens": "a"}), "tokens"),
        ("/detokenize", json!({"tokens": [1e9]}), "tokens"),
        ("/detokenize", json!({"tokens": [99999]}), "tokens"),
    ] {
        let refusal = server.post(path, &body).refusal();
        assert_eq!((refusal.0, refusal.1.as_deref()), (400, Some(param)), "{path} {body}: {refusal:?}");
    }
    // what asks for nothing is no reason
    let nothing = json!({
        "prompt": "a", "max_tokens": 1, "best_of": 1, "suffix": null, "logit_bias": {}, "presence_penalty": 0, "user": "u", "x": null,
        "frequency_penalty": 0.0, "model": SMALL, "stream_options": null, "ebt": null, "stop": null,
    });
    server.complete(&nothing).good();
}

#[test]
fn bodies_and_heads_are_bounded() {
    let server = Server::small(&["--sessions", "1"]);
    let answer = |headers: &[(&str, &str)], body: &[u8]| -> Option<Answer> {
        let mut client = server.client();
        client.send("POST", "/v1/completions", headers, body);
        client.answer()
    };
    let large = json!({"prompt": "a".repeat(1 << 20)}).to_string();
    // a server that answers before it has read all may be heard or not
    if let Some(answer) = answer(&JSON, large.as_bytes()) {
        assert_eq!(answer.refusal().0, 413);
    }
    let mut client = server.client();
    client.raw(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n");
    assert_eq!(client.answer().unwrap().refusal().0, 413);
    assert_eq!(answer(&[("Content-Type", "text/plain")], b"{\"prompt\": \"a\"}").unwrap().refusal().0, 415);
    assert_eq!(answer(&[], b"{\"prompt\": \"a\"}").unwrap().refusal().0, 415);
    assert!(answer(&JSON, b"{\"prompt\": ").unwrap().refusal().2.contains("no JSON object: EOF"));
    assert!(answer(&JSON, b"{\"prompt\": \"\xff\"}").unwrap().refusal().2.contains("no JSON object"));
    assert!(answer(&JSON, "[".repeat(100_000).as_bytes()).unwrap().refusal().2.contains("recursion limit"));
    let long = "x".repeat(20_000);
    let lines: Vec<(String, &str)> = (0..100).map(|i| (format!("X-{i}"), "y")).collect();
    let many: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for headers in [&[("X-Long", long.as_str())][..], &many] {
        assert_eq!(answer(headers, b"").unwrap().head.status, 431);
    }
    assert_eq!(server.get("/health").head.status, 200);
}
