//! Many clients, clients that leave, and clients that do not read.

use std::thread;

use serde_json::{Value, json};

use super::client::Client;
use super::server::Server;

const BUSY: &str = "ebt_sessions_busy";
const LEFT: &str = "ebt_requests_total{route=\"/v1/completions\",status=\"499\"}";

/// A request that takes longer than any test.
fn endless(stream: bool) -> Value {
    let most = 1_000_000;
    json!({"prompt": "Ankara", "max_tokens": most, "n": 64, "temperature": 0, "stream": stream, "ebt": {"think": 32}})
}

/// Asks for an endless stream and reads the beginning of it.
fn begin(server: &Server) -> Client {
    let mut client = server.client();
    client.ask(&endless(true));
    assert_eq!(client.head().unwrap().status, 200);
    client.line().unwrap();
    assert!(client.line().unwrap().starts_with("data: {"));
    client
}

#[test]
fn fifty_clients_at_once_get_what_one_gets() {
    let server = Server::small(&["--sessions", "2", "--queue", "50"]);
    let request =
        |seed: usize| json!({"prompt": "İstanbul", "max_tokens": 20, "seed": seed % 5, "stream": seed % 2 == 1});
    let alone: Vec<String> = (0..10).map(|seed| read(&server, &request(seed))).collect();
    let tokens = "ebt_tokens_total{kind=\"completion\"}";
    let of_one = server.metric(tokens);
    thread::scope(|scope| {
        for i in 0..50 {
            let (server, alone, request) = (&server, &alone, &request);
            scope.spawn(move || assert_eq!(read(server, &request(i)), alone[i % 10]));
        }
    });
    assert_eq!(server.metric("ebt_requests_total{route=\"/v1/completions\",status=\"200\"}"), 60.0);
    assert_eq!((server.metric(tokens), of_one > 100.0), (6.0 * of_one, true));
}

/// The text of an answer, whole or in pieces.
fn read(server: &Server, request: &Value) -> String {
    let answer = server.complete(request);
    let events = if request["stream"] == true { answer.events() } else { vec![answer.good()] };
    events.iter().map(|event| event["choices"][0]["text"].as_str().unwrap()).collect()
}

#[test]
fn clients_that_leave_free_their_sessions_and_the_queue_is_bounded() {
    let server = Server::small(&["--sessions", "2", "--queue", "1", "--most-tokens", "1000000"]);
    let first = begin(&server);
    // one that waits for the whole answer leaves, too
    let mut second = server.client();
    second.ask(&endless(false));
    server.until(BUSY, |busy| busy == 2.0);
    let mut third = server.client();
    third.ask(&endless(true));
    server.until("ebt_queue", |queue| queue == 1.0);
    let refused = server.complete(&json!({"prompt": "a"}));
    assert_eq!(refused.head.header("retry-after"), Some("1"));
    let refusal = refused.refusal();
    assert!(refusal.0 == 503 && refusal.2 == "all sessions are busy, and 1 requests wait already", "{refusal:?}");
    // who left while waiting makes room
    drop(third);
    server.until(LEFT, |left| left == 1.0);
    let mut fourth = server.client();
    fourth.ask(&json!({"prompt": "a", "max_tokens": 1}));
    drop(first);
    assert_eq!(fourth.answer().unwrap().head.status, 200);
    drop(second);
    server.until(BUSY, |busy| busy == 0.0);
    server.until(LEFT, |left| left == 3.0);
    assert_eq!(server.metric("ebt_queue"), 0.0);
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let server = Server::small(&["--sessions", "1", "--most-tokens", "1000000", "--write-timeout", "1"]);
    let mut slow = server.client();
    let mut request = endless(true);
    (request["ebt"], request["logprobs"]) = (json!({"certificate": true}), json!(20));
    slow.ask(&request);
    server.until(BUSY, |busy| busy == 1.0);
    // what the systems of both sides keep is full, and then it takes the time
    server.until(BUSY, |busy| busy == 0.0);
    assert_eq!(server.metric(LEFT), 1.0);
    assert!(slow.answer().is_none(), "what was sent is not the whole answer");
    server.complete(&json!({"prompt": "a", "max_tokens": 1})).good();
}

#[test]
fn a_request_that_takes_too_long_is_told() {
    let server = Server::small(&["--sessions", "1", "--most-tokens", "1000000", "--timeout", "1"]);
    let refusal = server.complete(&endless(false)).refusal();
    assert!(refusal.0 == 504 && refusal.2.contains("took longer than 1 s"), "{refusal:?}");
    // a stream has begun: its last event says it, and is not the end of a whole answer
    let mut client = server.client();
    client.ask(&endless(true));
    let answer = client.answer().unwrap();
    let last = answer.text().trim_end().rsplit("\n\n").next().unwrap();
    let last: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((answer.head.status, &last["error"]["code"]), (200, &json!("timeout")));
    server.until(BUSY, |busy| busy == 0.0);
}
