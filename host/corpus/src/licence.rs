//! Licences of sources, as given on the command line.

use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// A licence for the sources that a pattern means.
#[derive(Clone, Debug)]
pub struct Licence {
    pattern: Option<glob::Pattern>,
    text: String,
}

impl Licence {
    /// The licence of all sources.
    pub fn of_all(text: &str) -> Self {
        Self { pattern: None, text: text.to_owned() }
    }

    /// The licence of one source.
    pub fn of_source(source: &str, text: &str) -> Self {
        let pattern = glob::Pattern::new(&glob::Pattern::escape(source)).ok();
        Self { pattern, text: text.to_owned() }
    }

    /// Whether it is that of all sources.
    pub fn is_of_all(&self) -> bool {
        self.pattern.is_none()
    }
}

impl FromStr for Licence {
    type Err = anyhow::Error;

    /// `TEXT` for all sources, or `SOURCE=TEXT`, where `SOURCE` may be a pattern as in `wiki-*`.
    fn from_str(given: &str) -> Result<Self> {
        let (pattern, text) = match given.split_once('=') {
            Some((source, text)) => {
                let pattern =
                    glob::Pattern::new(source).with_context(|| format!("{source:?} is not a pattern of names"))?;
                (Some(pattern), text)
            }
            None => (None, given),
        };
        if text.trim().is_empty() {
            bail!("the licence is empty");
        }
        Ok(Self { pattern, text: text.to_owned() })
    }
}

/// The licence of every source: that of the last pattern that means it, else the last one without a pattern.
///
/// # Errors
///
/// A pattern that means no source; the message names it and the sources.
pub fn assign(licences: &[Licence], sources: &[String]) -> Result<Vec<Option<String>>> {
    for Licence { pattern, text } in licences {
        if let Some(pattern) = pattern
            && !sources.iter().any(|source| pattern.matches(source))
        {
            bail!("--licence {pattern}={text}: no source has this name; there are {}", some(sources));
        }
    }
    let of = |source: &String| {
        let means = |l: &&Licence| l.pattern.as_ref().is_some_and(|pattern| pattern.matches(source));
        let own = licences.iter().rev().find(means);
        let all = || licences.iter().rev().find(|l| l.pattern.is_none());
        own.or_else(all).map(|l| l.text.clone())
    };
    Ok(sources.iter().map(of).collect())
}

/// Some names for a message.
fn some(names: &[String]) -> String {
    let more = if names.len() > 20 { ", ..." } else { "" };
    format!("{}{more}", names[..names.len().min(20)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_come_before_the_general_licence_and_later_ones_before_earlier() {
        let parse = |given: &[&str]| given.iter().map(|g| g.parse().unwrap()).collect::<Vec<Licence>>();
        let sources = ["wiki-1", "wiki-2", "haber"].map(String::from);
        let given = parse(&["wiki-*=CC BY-SA 4.0", "wiki-2=CC0", "bilinmiyor"]);
        let licences = assign(&given, &sources).unwrap();
        assert_eq!(licences.iter().flatten().collect::<Vec<_>>(), ["CC BY-SA 4.0", "CC0", "bilinmiyor"]);
        assert_eq!(assign(&parse(&["haber=a=b"]), &sources).unwrap(), [None, None, Some("a=b".into())]);
        let message = assign(&parse(&["gazete=x"]), &sources).unwrap_err().to_string();
        assert!(message.contains("--licence gazete=x") && message.contains("haber"), "{message}");
        assert!("haber=".parse::<Licence>().is_err());
    }
}
