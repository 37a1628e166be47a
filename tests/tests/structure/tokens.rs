//! Rust text as tokens, as far as imports need it.

/// The number of tokens before the one that closes the bracket at the beginning.
pub fn group(tokens: &[&str]) -> usize {
    let mut depth = 0;
    let closes = |token: &&str| {
        depth += opening(token);
        depth == 0
    };
    tokens.iter().position(closes).unwrap_or(tokens.len())
}

/// By how much a token changes the depth of brackets.
pub fn opening(token: &str) -> i32 {
    i32::from(matches!(token, "{" | "(" | "[")) - i32::from(matches!(token, "}" | ")" | "]"))
}

/// Leaves out items under a `cfg` that names `test`, and visibilities in brackets, whose paths are no uses.
pub fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let attribute = |at: usize| {
            tokens[at..].starts_with(&["#", "["]).then(|| &tokens[at + 2..=at + 1 + group(&tokens[at + 1..])])
        };
        match attribute(at) {
            Some(inner) if inner[0] == "cfg" && inner.contains(&"test") && !inner.contains(&"not") => {
                at += 2 + inner.len();
                while !matches!(tokens.get(at), None | Some(&(";" | "{"))) {
                    at += if opening(tokens[at]) > 0 { group(&tokens[at..]) } else { 0 } + 1;
                }
                at += 1 + if tokens.get(at) == Some(&"{") { group(&tokens[at..]) } else { 0 };
            }
            _ if tokens[at] == "pub" && tokens.get(at + 1) == Some(&"(") => {
                out.push("pub");
                at += 2 + group(&tokens[at + 1..]);
            }
            _ => {
                out.push(tokens[at]);
                at += 1;
            }
        }
    }
    out
}

/// Names, `::` and single characters of Rust text, without comments and literals.
pub fn tokens(text: &str) -> Vec<&str> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let until =
            |end: &str| rest[first.len_utf8()..].find(end).map_or(rest.len(), |at| at + first.len_utf8() + end.len());
        let raw = rest.trim_start_matches(['b', 'c']).strip_prefix('r').map(|hashes| hashes.trim_start_matches('#'));
        let length = if let Some(string) = raw.filter(|string| string.starts_with('"')) {
            let prefix = &rest[..rest.len() - string.len()];
            let hashes = "#".repeat(prefix.matches('#').count());
            string[1..].find(&format!("\"{hashes}")).map_or(rest.len(), |end| prefix.len() + end + 2 + hashes.len())
        } else if rest.starts_with("//") {
            until("\n")
        } else if rest.starts_with("/*") {
            until("*/")
        } else if first == '"' || rest.starts_with("'\\") {
            let mut escaped = false;
            let closes = |c: char| {
                let closes = !escaped && c == first;
                escaped = c == '\\' && !escaped;
                closes
            };
            rest[1..].find(closes).map_or(rest.len(), |at| at + 2)
        } else if first == '\'' {
            // a literal of one character, or a lifetime
            let literal = rest.char_indices().nth(2).filter(|&(_, c)| c == '\'');
            literal.map_or_else(|| 1 + name_length(&rest[1..]), |(at, _)| at + 1)
        } else {
            let name = name_length(rest);
            let length = if rest.starts_with("::") { 2 } else { name.max(first.len_utf8()) };
            out.extend(Some(&rest[..length]).filter(|token| !token.trim().is_empty()));
            length
        };
        rest = &rest[length..];
    }
    out
}

/// Whether a token is a name or a keyword.
pub fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}
