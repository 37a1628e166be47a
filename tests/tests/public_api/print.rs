//! Items of an interface as lines of text, without what is private in them.

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, Visibility};

/// Whether everyone may use it.
pub fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Tokens as they are usually spaced.
pub fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    let tight = [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" :", ":"),
        (" ;", ";"),
        ("& ", "&"),
        ("* ", "*"),
        ("( ", "("),
        (" (", "("),
        (" )", ")"),
        ("[ ", "["),
        (" [", "["),
        (" ]", "]"),
        (" !", "!"),
        ("# ", "#"),
        ("->(", "-> ("),
        (",(", ", ("),
        (":(", ": ("),
        ("=(", "= ("),
        (":[", ": ["),
        (",[", ", ["),
        ("->[", "-> ["),
        ("mut[", "mut ["),
        ("=[", "= ["),
        ("->", " ->"),
        ("  ->", " ->"),
    ];
    tight.iter().for_each(|(loose, tight)| text = text.replace(loose, tight));
    text
}

/// The attributes that a user of an item sees in what it allows.
fn seen(attributes: &[Attribute]) -> String {
    let names = ["non_exhaustive", "must_use", "repr", "cfg"];
    let seen = attributes.iter().filter(|a| names.iter().any(|name| a.path().is_ident(name)));
    seen.map(|a| text(a) + " ").collect()
}

/// The fields that are public, and `..` where others are.
fn fields(fields: &Fields, all: bool) -> String {
    let shown: Vec<String> = fields
        .iter()
        .filter(|field| all || is_public(&field.vis))
        .map(|field| {
            let name = field.ident.as_ref().map_or_else(String::new, |name| format!("{name}: "));
            let public = if all { "" } else { "pub " };
            format!("{}{public}{name}{}", seen(&field.attrs), text(&field.ty))
        })
        .chain((!all && fields.iter().any(|field| !is_public(&field.vis))).then(|| "..".to_owned()))
        .collect();
    match fields {
        Fields::Named(_) => format!(" {{ {} }}", shown.join(", ")),
        Fields::Unnamed(_) => format!("({})", shown.join(", ")),
        Fields::Unit => String::new(),
    }
}

/// An item that may be exported, under its full name `path`; `None` for others.
pub fn item(item: &Item, path: &str) -> Option<String> {
    let line = match item {
        Item::Const(c) => format!("{}pub const {path}: {} = {}", seen(&c.attrs), text(&c.ty), text(&c.expr)),
        Item::Static(s) => format!("{}pub static {path}: {}", seen(&s.attrs), text(&s.ty)),
        Item::Fn(f) => format!("{}pub {}", seen(&f.attrs), signature(&f.sig, path)),
        Item::Struct(s) => {
            format!("{}pub struct {path}{}{}", seen(&s.attrs), text(&s.generics), fields(&s.fields, false))
        }
        Item::Enum(e) => {
            let variants =
                e.variants.iter().map(|v| format!("{}{}{}", seen(&v.attrs), v.ident, fields(&v.fields, true)));
            let variants: Vec<String> = variants.collect();
            format!("{}pub enum {path}{} {{ {} }}", seen(&e.attrs), text(&e.generics), variants.join(", "))
        }
        Item::Type(t) => format!("{}pub type {path}{} = {}", seen(&t.attrs), text(&t.generics), text(&t.ty)),
        Item::Trait(t) => {
            let items = t.items.iter().map(|item| match item {
                TraitItem::Fn(f) => {
                    let provided = if f.default.is_some() { " (provided)" } else { "" };
                    format!("{}{provided}", signature(&f.sig, &f.sig.ident.to_string()))
                }
                other => text(other),
            });
            let items: Vec<String> = items.collect();
            format!("{}pub trait {path}{} {{ {} }}", seen(&t.attrs), text(&t.generics), items.join("; "))
        }
        _ => return None,
    };
    Some(line)
}

fn signature(signature: &syn::Signature, path: &str) -> String {
    let own = signature.ident.to_string();
    let text = text(signature);
    text.replacen(&format!("fn {own}"), &format!("fn {path}"), 1)
}

/// What an `impl` block adds to the type that is exported as `path`.
pub fn implementation(block: &syn::ItemImpl, path: &str) -> Vec<String> {
    let conditions = seen(&block.attrs);
    if let Some((of, _)) = &block.trait_ {
        return vec![format!("{conditions}impl {} for {path}", text(of))];
    }
    let public = block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(f) if is_public(&f.vis) => {
            Some(format!("{}pub {}", seen(&f.attrs), signature(&f.sig, &format!("{path}::{}", f.sig.ident))))
        }
        ImplItem::Const(c) if is_public(&c.vis) => {
            Some(format!("{}pub const {path}::{}: {}", seen(&c.attrs), c.ident, text(&c.ty)))
        }
        _ => None,
    });
    public.map(|line| format!("{conditions}{line}")).collect()
}
