//! What no client should send.

use serde_json::{Value, json};

use super::client::{Client, JSON};
use super::server::Server;

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.below(256) as u8).collect()
    }

    /// A body that is nearly right: bytes changed, the end missing, a field with another value or another name.
    fn body(&mut self) -> Vec<u8> {
        let mut request = json!({
            "prompt": ["a", [20, 21]], "max_tokens": 2, "temperature": 0.5, "top_p": 0.9, "seed": 3, "n": 1, "stop": ["x"],
            "stream": false, "logprobs": 1, "echo": true, "ebt": {"think": 1, "candidates": 2, "step_size": "armijo"},
        });
        let names: Vec<String> = request.as_object().unwrap().keys().cloned().collect();
        let name = &names[self.below(names.len())];
        let values = [
            json!(null),
            json!(-1),
            json!(1e308),
            json!(u64::MAX),
            json!(""),
            json!([]),
            json!([[]]),
            json!({}),
            json!("\u{0}"),
            json!([null]),
            json!([1, [2]]),
            json!(true),
            json!({"think": {}}),
            json!("😀".repeat(99)),
            json!([4_000_000_000_u64]),
        ];
        match self.below(4) {
            0 => request[name] = values[self.below(values.len())].clone(),
            1 => {
                let value = request[name].take();
                request[&format!("{name}{}", self.below(9))] = value;
            }
            _ => {}
        }
        let mut bytes = request.to_string().into_bytes();
        match self.below(3) {
            0 => bytes.truncate(self.below(bytes.len())),
            1 => {
                for _ in 0..1 + self.below(4) {
                    let at = self.below(bytes.len());
                    bytes[at] = self.below(256) as u8;
                }
            }
            _ => {}
        }
        bytes
    }
}

#[test]
fn ten_thousand_malformed_requests_are_answered_in_constant_memory() {
    let server = Server::small(&["--sessions", "1", "--most-tokens", "4"]);
    let (mut random, mut client, mut refused) = (Random(1), server.client(), 0);
    #[cfg(target_os = "linux")]
    let mut before = 0;
    for number in 0..10_000 {
        if number % 16 == 0 {
            // no HTTP at all: the answer, if there is one, is the last
            let mut other = server.client();
            other.raw(&random.bytes(300));
            other.end();
            let _ = other.answer();
        }
        let path = ["/v1/completions", "/v1/completions", "/tokenize", "/detokenize"][random.below(4)];
        let body = random.body();
        let sent = client.send("POST", path, &JSON, &body);
        let shown = || format!("{number} {path} {}", String::from_utf8_lossy(&body));
        let answer = client.answer().filter(|_| sent).unwrap_or_else(|| panic!("no answer: {}", shown()));
        match answer.head.status {
            200 if answer.head.header("content-type") == Some("text/event-stream") => drop(answer.events()),
            200 => drop(answer.good()),
            400 => {
                assert!(!answer.refusal().2.is_empty());
                refused += 1;
            }
            other => panic!("{other}: {}: {}", answer.text(), shown()),
        }
        if answer.head.header("connection") == Some("close") {
            client = Client::new(server.address);
        }
        #[cfg(target_os = "linux")]
        if number == 2000 {
            before = server.kilobytes("VmRSS");
        }
    }
    assert!(refused > 5000, "{refused}");
    #[cfg(target_os = "linux")]
    {
        let after = server.kilobytes("VmRSS");
        assert!(after < before + 4096, "{before} kB became {after} kB");
    }
    let last: Value = server.complete(&json!({"prompt": "a", "max_tokens": 1})).good();
    assert_eq!(last["usage"]["completion_tokens"], 1);
}
