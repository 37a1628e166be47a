//! The help of the program under the name that it was called by.

use clap::Command;
use clap::builder::{Resettable, StyledStr};

/// The name that help texts are written with.
const WRITTEN: &str = "ebt";

/// The program `command` under `name`: in its usage, and in the commands that its help shows.
pub fn called_by(command: Command, name: &'static str) -> Command {
    let command = command.name(name).bin_name(name);
    if name == WRITTEN {
        return command;
    }
    let subcommands: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    renamed(command, &|text| replace(text, name, &subcommands))
}

/// The same with every text of its help, and of its subcommands, rewritten.
fn renamed(command: Command, rewrite: &dyn Fn(&str) -> String) -> Command {
    let said = |text: Option<&StyledStr>| -> Resettable<StyledStr> {
        text.map_or(Resettable::Reset, |text| Resettable::Value(rewrite(&text.to_string()).into()))
    };
    let (about, long_about) = (said(command.get_about()), said(command.get_long_about()));
    let after_help = said(command.get_after_help());
    let command = command.about(about).long_about(long_about).after_help(after_help).mut_args(|arg| {
        let (help, long_help) = (said(arg.get_help()), said(arg.get_long_help()));
        arg.help(help).long_help(long_help)
    });
    command.mut_subcommands(|sub| renamed(sub, rewrite))
}

/// `text` with `ebt` replaced by `name` where it is a word, and a subcommand or `COMMAND` follows.
fn replace(text: &str, name: &str, subcommands: &[String]) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(at) = rest.find(WRITTEN) {
        let (before, from) = rest.split_at(at);
        let after = &from[WRITTEN.len()..];
        let next = after.strip_prefix(' ').and_then(|after| after.split(|c: char| !c.is_alphanumeric()).next());
        let last = before.chars().next_back().or_else(|| out.chars().next_back());
        let begins = last.is_none_or(|c| !c.is_alphanumeric() && c != '.');
        let is_command = begins && next.is_some_and(|next| next == "COMMAND" || subcommands.iter().any(|s| s == next));
        out.push_str(before);
        out.push_str(if is_command { name } else { WRITTEN });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_renamed_and_other_words_are_not() {
        let subcommands = ["train", "data"].map(String::from);
        let of = |text: &str| replace(text, "host", &subcommands);
        assert_eq!(of("ebt train, `ebt data x` | ebt COMMAND"), "host train, `host data x` | host COMMAND");
        for text in ["ebt", "a debt data", "model.ebt train", "ebt trains", "ebt.exe"] {
            assert_eq!(of(text), text);
        }
    }
}
