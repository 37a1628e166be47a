//! What completions say: the tokens of `ebt generate`, whole or as a stream, up to a stop string.

use serde_json::{Value, json};

use super::server::Server;
use super::support::program::succeeds;

/// The text of the only choice.
fn text(answer: &Value) -> String {
    assert_eq!(answer["choices"].as_array().unwrap().len(), 1);
    answer["choices"][0]["text"].as_str().unwrap().to_owned()
}

#[test]
fn tokens_energies_and_probabilities_are_those_of_generate_to_the_bit() {
    let server = Server::sample(&["--sessions", "2"], &[]);
    let prompt = "Turkiye'nin bas\u{327}kenti\r\n";
    let cases: [(&[&str], Value); 3] = [
        (&[], json!({})),
        (
            &["--think", "5", "--step-size", "armijo", "--candidates", "3", "--choose", "drop", "--top-k", "40"],
            json!({"think": 5, "step_size": "armijo", "candidates": 3, "choose": "drop", "top_k": 40}),
        ),
        (
            &["--think", "1", "--noise", "mala:0.01", "--rule", "mirror", "--min-p", "0.01"],
            json!({"think": 1, "noise": "mala:0.01", "rule": "mirror", "min_p": 0.01}),
        ),
    ];
    for (flags, mut ebt) in cases {
        ebt["certificate"] = json!(true);
        let request = json!({
            "prompt": prompt, "max_tokens": 6, "temperature": 0.8, "top_p": 0.95, "seed": 7, "n": 2, "ebt": ebt, "model": "sample",
        });
        let choices = server.complete(&request).good()["choices"].take();
        for (k, seed) in ["7", "8"].into_iter().enumerate() {
            let usual = ["generate", "--prompt", prompt, "--tokens", "6", "--temperature", "0.8", "--top-p", "0.95"];
            let command = [&usual[..], &["--seed", seed, "--certificate", "-"], flags].concat();
            let generated: Value = serde_json::from_str(&succeeds(&command)).unwrap();
            assert_eq!(choices[k]["ebt"]["tokens"], generated["tokens"], "{flags:?}");
            assert_eq!(choices[k]["text"], generated["text"], "{flags:?}");
            assert_eq!(choices[k]["index"], k);
        }
    }
}

#[test]
fn a_stream_says_the_same_in_pieces() {
    let server = Server::small(&["--sessions", "2"]);
    let mut request = json!({
        "prompt": ["İstanbul", "köy", ""], "n": 2, "max_tokens": 30, "logprobs": 2, "echo": true, "seed": 3, "stop": ["a", "ş"],
        "ebt": {"certificate": true},
    });
    let whole = server.complete(&request).good();
    assert_eq!(whole["object"], "text_completion");
    assert_eq!(whole["choices"].as_array().unwrap().len(), 6);
    request["stream"] = json!(true);
    request["stream_options"] = json!({"include_usage": true});
    let mut events = server.complete(&request).events();
    let last = events.pop().unwrap();
    assert_eq!((&last["usage"], &last["choices"]), (&whole["usage"], &json!([])));
    let mut choices = vec![
        json!({"text": "", "ebt": {"tokens": []}, "logprobs": {
        "tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}});
        6
    ];
    for event in &events {
        assert_eq!((&event["id"], &event["usage"]), (&events[0]["id"], &Value::Null));
        let piece = &event["choices"][0];
        let choice = &mut choices[piece["index"].as_u64().unwrap() as usize];
        assert!(choice.get("finish_reason").is_none(), "nothing comes after the end");
        choice["text"] = json!(choice["text"].as_str().unwrap().to_owned() + piece["text"].as_str().unwrap());
        for (of, name) in [
            ("ebt", "tokens"),
            ("logprobs", "tokens"),
            ("logprobs", "token_logprobs"),
            ("logprobs", "top_logprobs"),
            ("logprobs", "text_offset"),
        ] {
            let more = piece[of][name].as_array().unwrap().clone();
            choice[of][name].as_array_mut().unwrap().extend(more);
        }
        if !piece["finish_reason"].is_null() {
            choice["finish_reason"] = piece["finish_reason"].clone();
            choice["index"] = piece["index"].clone();
        }
    }
    assert_eq!(json!(choices), whole["choices"]);
    assert!(events.len() > 20, "{} events", events.len());
    // without the option there is no usage
    request.as_object_mut().unwrap().remove("stream_options");
    assert!(server.complete(&request).events().iter().all(|event| event.get("usage").is_none()));
}

#[test]
fn prompts_of_all_forms_are_the_same_prompt() {
    let server = Server::small(&["--sessions", "2"]);
    let complete = |prompt: Value| server.complete(&json!({"prompt": prompt, "max_tokens": 5, "seed": 1})).good();
    let [a, b] = ["Ankara'nın", "köyleri"].map(|text| (json!(text), server.ids(text)));
    let (first, second) = (text(&complete(a.0.clone())), text(&complete(b.0.clone())));
    assert_eq!(text(&complete(a.1.clone())), first);
    for prompts in [json!([a.0, b.0]), json!([a.1, b.1]), json!([a.0, b.1])] {
        let answer = complete(prompts);
        assert_eq!((&answer["choices"][0]["text"], &answer["choices"][1]["text"]), (&json!(first), &json!(second)));
    }
    let usage = complete(a.1.clone())["usage"].take();
    let count = a.1.as_array().unwrap().len();
    assert_eq!(usage, json!({"prompt_tokens": count, "completion_tokens": 5, "total_tokens": count + 5}));
    // the text begins where it is said to begin
    for special in ["<s>", "</s>"] {
        let ids: Vec<Value> =
            server.ids(special).as_array().unwrap().iter().chain(a.1.as_array().unwrap()).cloned().collect();
        assert_eq!(text(&complete(json!(ids))), first);
    }
    // nothing is a prompt, too, and no token is an answer
    assert!(!text(&complete(json!(""))).is_empty());
    let none = server.complete(&json!({"prompt": "Ankara", "max_tokens": 0, "echo": true})).good();
    assert_eq!((text(&none).as_str(), &none["choices"][0]["finish_reason"]), ("Ankara", &json!("length")));
}

#[test]
fn a_text_ends_before_its_first_stop_string_wherever_its_tokens_end() {
    let server = Server::sample(&["--sessions", "2"], &[]);
    let request = |stop: Value, stream: bool| json!({"prompt": "Ankara", "max_tokens": 16, "seed": 5, "stop": stop, "stream": stream});
    let all = text(&server.complete(&request(Value::Null, false)).good());
    let characters: Vec<char> = all.chars().collect();
    assert!(characters.len() > 20, "{all}");
    let mut found = 0;
    for at in (0..characters.len() - 3).step_by(5) {
        let stop: String = characters[at..at + 3].iter().collect();
        if stop.contains('\u{fffd}') {
            continue;
        }
        found += 1;
        let expected = &all[..all.find(&stop).unwrap()];
        let answer = server.complete(&request(json!(["zzzzzz", stop]), false)).good();
        assert_eq!((text(&answer).as_str(), &answer["choices"][0]["finish_reason"]), (expected, &json!("stop")));
        let events = server.complete(&request(json!(stop), true)).events();
        let pieces: String = events.iter().map(text).collect();
        assert_eq!(
            (pieces.as_str(), &events.last().unwrap()["choices"][0]["finish_reason"]),
            (expected, &json!("stop"))
        );
    }
    assert!(found > 3, "{all:?}");
    let answer = server.complete(&request(json!("zzzzzz"), false)).good();
    assert_eq!((text(&answer), &answer["choices"][0]["finish_reason"]), (all, &json!("length")));
}
