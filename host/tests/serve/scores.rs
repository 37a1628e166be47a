//! Log probabilities, of what is generated and of what is given.

use serde_json::{Value, json};

use super::server::Server;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// What must hold of the log probabilities of any choice.
fn check(choice: &Value) {
    let scores = &choice["logprobs"];
    let text: Vec<char> = choice["text"].as_str().unwrap().chars().collect();
    let tokens = scores["tokens"].as_array().unwrap();
    for (i, token) in tokens.iter().enumerate() {
        let (token, own) = (token.as_str().unwrap(), &scores["token_logprobs"][i]);
        if let Some(own) = own.as_f64() {
            assert!(own <= 0.0);
            let top = scores["top_logprobs"][i].as_object().unwrap();
            assert_eq!(top[token].as_f64(), Some(own));
            assert!(top.values().map(|x| x.as_f64().unwrap().exp()).sum::<f64>() < 1.0 + 1e-9);
        }
        let offset = scores["text_offset"][i].as_u64().unwrap() as usize;
        let there: String = text[offset..].iter().take(token.chars().count()).collect();
        assert!(
            token.starts_with("bytes:") || there == token || there.contains('\u{fffd}'),
            "{token} at {offset}: {there}"
        );
    }
}

#[test]
fn what_was_generated_has_the_same_log_probabilities_when_it_is_given() {
    let server = Server::sample(&["--sessions", "2"], &[]);
    let prompt = "Türkiye'nin";
    let request =
        json!({"prompt": prompt, "max_tokens": 6, "temperature": 0, "logprobs": 3, "ebt": {"certificate": true}});
    let generated = server.complete(&request).good()["choices"][0].take();
    check(&generated);
    for i in 0..6 {
        let own = &generated["logprobs"]["token_logprobs"][i];
        let top = generated["logprobs"]["top_logprobs"][i].as_object().unwrap();
        assert_eq!(top.len(), 3);
        assert!(top.values().all(|other| other.as_f64() <= own.as_f64()), "the most probable token was taken");
    }
    let given = server.ids(prompt);
    let new: Vec<Value> =
        generated["ebt"]["tokens"].as_array().unwrap().iter().map(|token| token["id"].clone()).collect();
    let all: Vec<Value> = given.as_array().unwrap().iter().chain(&new).cloned().collect();
    let echoed = json!({"prompt": all, "max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": true});
    let echoed = server.complete(&echoed).good()["choices"][0].take();
    check(&echoed);
    let count = given.as_array().unwrap().len();
    let scores = numbers(&echoed["logprobs"]["token_logprobs"]);
    assert_eq!(scores.len(), count + 7);
    assert_eq!(scores[count..count + 6], numbers(&generated["logprobs"]["token_logprobs"]));
    assert!(echoed["text"].as_str().unwrap().starts_with(&format!("{prompt}{}", generated["text"].as_str().unwrap())));
    // how tokens are drawn changes nothing
    let again =
        json!({"prompt": all, "max_tokens": 0, "temperature": 2, "top_p": 0.1, "logprobs": 1, "echo": true, "seed": 9});
    let again = server.complete(&again).good()["choices"][0].take();
    assert_eq!(numbers(&again["logprobs"]["token_logprobs"]), scores[..count + 6]);
}

#[test]
fn every_token_stands_where_its_offset_says() {
    let server = Server::small(&["--sessions", "1"]);
    for (prompt, logprobs) in [("", 1), ("İstanbul'un köyleri 😀", 5), ("ışık", 20)] {
        let request = json!({"prompt": prompt, "max_tokens": 40, "logprobs": logprobs, "echo": true, "seed": logprobs});
        let choice = server.complete(&request).good()["choices"][0].take();
        check(&choice);
        assert!(choice["text"].as_str().unwrap().starts_with(prompt));
    }
    // a delimiter in front was given, and nothing comes before it
    let ids = server.ids("</s>");
    let answer = server.complete(&json!({"prompt": ids, "max_tokens": 1, "logprobs": 1, "echo": true})).good();
    let scores = &answer["choices"][0]["logprobs"];
    assert_eq!((&scores["tokens"][0], &scores["token_logprobs"][0]), (&json!("</s>"), &Value::Null));
    assert_eq!((scores["tokens"].as_array().unwrap().len(), &answer["usage"]["prompt_tokens"]), (2, &json!(1)));
    // none are listed beside the token itself
    let answer = server.complete(&json!({"prompt": "a", "max_tokens": 2, "logprobs": 0})).good();
    let scores = &answer["choices"][0]["logprobs"];
    assert_eq!((scores["token_logprobs"].as_array().unwrap().len(), &scores["top_logprobs"]), (2, &Value::Null));
    let answer = server.complete(&json!({"prompt": "a", "max_tokens": 2})).good();
    assert_eq!(answer["choices"][0]["logprobs"], Value::Null);
}
