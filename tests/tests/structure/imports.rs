//! Which file of a crate uses what is defined in which other file, read from the text.
//!
//! `use` and paths are followed through re-exports to the file that defines the item, so a file that only gathers what its
//! children define uses none of them, and a module named alone is no use of its file. Methods are not seen. Code under
//! `#[cfg(test)]` does not count.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use super::tokens::{group, is_name, opening, tokens, without_tests};

/// For each file of a crate the files that define what it uses.
pub type Graph = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// `use path as name`; a glob has the name `*`, and its path is that of the module.
struct Use {
    path: Vec<String>,
    name: String,
    public: bool,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    uses: Vec<Use>,
    /// Paths of two or more names outside of `use`.
    paths: Vec<Vec<String>>,
    /// All names outside of `use`, and those that are defined.
    names: HashSet<String>,
    defined: HashSet<String>,
}

enum Found {
    Module(usize),
    /// An item of the file.
    Item(PathBuf),
}

/// All modules of a crate, the root first.
struct Crate<'a> {
    modules: Vec<Module>,
    read: &'a dyn Fn(&Path) -> Option<String>,
}

/// The uses between the files of the crate whose root is `root`; `read` gives the text of a file that exists.
pub fn graph(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Graph {
    let mut all = Crate { modules: Vec::new(), read };
    let text = read(root).unwrap_or_default();
    all.add(root.to_owned(), 0, &without_tests(&tokens(&text)), root.parent().unwrap_or(root));
    let mut graph = Graph::new();
    for (id, module) in all.modules.iter().enumerate() {
        let mut used: Vec<Option<Found>> = module.paths.iter().map(|path| all.resolve(id, path, 0)).collect();
        for item in &module.uses {
            if item.name == "*" {
                let Some(Found::Module(from)) = all.resolve(id, &item.path, 0) else { continue };
                used.extend(module.names.iter().map(|name| all.lookup(from, name, 0)));
            } else if !item.public || module.names.contains(&item.name) {
                used.push(all.resolve(id, &item.path, 0));
            }
        }
        let files = used.into_iter().flatten().filter_map(|found| match found {
            Found::Item(file) if file != module.file => Some(file),
            _ => None,
        });
        graph.entry(module.file.clone()).or_default().extend(files);
    }
    graph
}

/// The shortest circle of files that are `inside`, from one back to itself.
pub fn circle(graph: &Graph, inside: &dyn Fn(&PathBuf) -> bool) -> Option<Vec<PathBuf>> {
    let from = |start: &PathBuf| {
        let (mut ways, mut seen) = (VecDeque::from([vec![start.clone()]]), BTreeSet::new());
        while let Some(way) = ways.pop_front() {
            for to in graph.get(way.last()?).into_iter().flatten().filter(|to| inside(to)) {
                let longer = [way.clone(), vec![to.clone()]].concat();
                if to == start {
                    return Some(longer);
                } else if seen.insert(to.clone()) {
                    ways.push_back(longer);
                }
            }
        }
        None
    };
    graph.keys().filter(|file| inside(file)).filter_map(from).min_by_key(Vec::len)
}

impl Crate<'_> {
    /// Adds a module of this code; the files of its children lie in `folder`.
    fn add(&mut self, file: PathBuf, parent: usize, code: &[&str], folder: &Path) -> usize {
        let id = self.modules.len();
        self.modules.push(Module { file: file.clone(), parent, ..Module::default() });
        let (mut at, mut depth) = (0, 0);
        while let Some(&token) = code.get(at) {
            let before = if at == 0 { "" } else { code[at - 1] };
            depth += opening(token);
            let following = code.get(at + 1).copied().unwrap_or_default();
            at += 1;
            match token {
                "mod" if code.get(at + 1) == Some(&"{") => {
                    let end = at + 1 + group(&code[at + 1..]);
                    let child = self.add(file.clone(), id, &code[at + 2..end], &folder.join(following));
                    self.modules[id].children.insert(following.to_owned(), child);
                    at = end + 1;
                }
                "mod" => {
                    at += 1;
                    let below = folder.join(following);
                    let places = [below.with_extension("rs"), below.join("mod.rs")];
                    let found = places.into_iter().find_map(|path| (self.read)(&path).map(|text| (path, text)));
                    if let Some((path, text)) = found {
                        let child = self.add(path, id, &without_tests(&tokens(&text)), &below);
                        self.modules[id].children.insert(following.to_owned(), child);
                    }
                }
                "use" if following != "<" => {
                    at += tree(&code[at..], &[], before == "pub", &mut self.modules[id].uses);
                }
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "!" if depth == 0 => {
                    self.modules[id].defined.insert(following.to_owned());
                }
                name if is_name(name) && before != "." => {
                    self.modules[id].names.insert(name.to_owned());
                    let mut path = vec![name.to_owned()];
                    while code.get(at) == Some(&"::") && code.get(at + 1).is_some_and(|next| is_name(next)) {
                        path.push(code[at + 1].to_owned());
                        at += 2;
                    }
                    if path.len() > 1 && before != "::" {
                        self.modules[id].paths.push(path);
                    }
                }
                _ => {}
            }
        }
        id
    }

    /// What a path means in a module; `None` if it leads out of the crate.
    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Option<Found> {
        let mut found = match path.first()?.as_str() {
            "crate" => Found::Module(0),
            "self" => Found::Module(from),
            "super" => Found::Module(self.modules[from].parent),
            name => self.lookup(from, name, depth + 1)?,
        };
        for name in &path[1..] {
            let Found::Module(at) = found else { break };
            found = match name.as_str() {
                "super" => Found::Module(self.modules[at].parent),
                name => self.lookup(at, name, depth + 1).unwrap_or(Found::Item(self.modules[at].file.clone())),
            };
        }
        Some(found)
    }

    /// What a name means in a module: a child, something imported, or an item.
    fn lookup(&self, at: usize, name: &str, depth: usize) -> Option<Found> {
        let module = &self.modules[at];
        if let Some(child) = module.children.get(name) {
            return Some(Found::Module(*child));
        }
        if module.defined.contains(name) {
            return Some(Found::Item(module.file.clone()));
        }
        let named =
            |item: &&Use| depth < 9 && item.name == name && item.path.first().is_some_and(|first| first != name);
        if let Some(item) = module.uses.iter().find(named) {
            return self.resolve(at, &item.path, depth);
        }
        let globs = module.uses.iter().filter(|item| depth < 9 && item.name == "*");
        globs.filter_map(|item| self.resolve(at, &item.path, depth)).find_map(|found| match found {
            Found::Module(other) if other != at => self.lookup(other, name, depth + 1),
            _ => None,
        })
    }
}

/// Reads one tree of a `use`, up to the `,`, `}` or `;` that ends it; the number of tokens read.
fn tree(tokens: &[&str], prefix: &[String], public: bool, out: &mut Vec<Use>) -> usize {
    let (mut path, mut name, mut at) = (prefix.to_vec(), None, 0);
    while let Some(&token) = tokens.get(at).filter(|token| !matches!(**token, "," | "}" | ";")) {
        at += 1;
        match token {
            "{" => {
                while !matches!(tokens.get(at - 1), None | Some(&"}")) {
                    at += 1 + tree(&tokens[at..], &path, public, out);
                }
                return at;
            }
            "*" => name = Some("*".to_owned()),
            "as" => {
                name = tokens.get(at).map(|name| (*name).to_owned());
                at += 1;
            }
            "self" if !path.is_empty() => {}
            token if is_name(token) => path.push(token.to_owned()),
            _ => {}
        }
    }
    if let Some(name) = name.or_else(|| path.last().cloned()).filter(|_| at > 0) {
        out.push(Use { path, name, public });
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Graph {
        let read =
            |path: &Path| files.iter().find(|(name, _)| path == Path::new(name)).map(|(_, text)| (*text).to_owned());
        graph(Path::new(files[0].0), &read)
    }

    fn uses(graph: &Graph, file: &str) -> Vec<String> {
        graph[Path::new(file)].iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_planted_circle_is_found_and_the_shortest_is_named() {
        let a = "use super::b::{self, B};\nuse std::fmt;";
        let c = "pub(in crate::b) fn f() { crate::a::g() }";
        let mut files =
            vec![("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b/mod.rs", "pub struct B; pub mod c;"), ("b/c.rs", c)];
        assert_eq!(circle(&of(&files), &|_| true), None);
        files[2].1 = "mod c; pub struct B(u8); fn h() { c::f() }";
        let found = circle(&of(&files), &|_| true).unwrap();
        assert_eq!(found.len(), 4, "{found:?}");
        files[3].1 = "use super::B as Other;";
        files[2].1 = "mod c; pub use c::F; pub struct B(c::F);";
        assert_eq!(circle(&of(&files), &|_| true).unwrap(), ["b/c.rs", "b/mod.rs", "b/c.rs"].map(Path::new));
    }

    #[test]
    fn what_a_parent_hands_on_is_used_where_it_is_defined() {
        let parent = "mod one; mod two; pub use one::{One, deep::*}; pub(crate) use two::two as second;";
        let one = "pub mod deep { pub struct Deep; } pub struct One; use super::second;";
        let files = [("lib.rs", parent), ("one.rs", one), ("two.rs", "pub fn two() {}"), ("x.rs", "")];
        let graph = of(&files);
        assert_eq!((uses(&graph, "lib.rs"), uses(&graph, "one.rs")), (vec![], vec!["two.rs".to_owned()]));
        let text = format!("{parent} mod x; use one::deep; fn f(_: One) {{}}");
        let graph = of(&[("lib.rs", &text), files[1], files[2], ("x.rs", "use crate::{Deep, one};")]);
        assert_eq!(
            (uses(&graph, "lib.rs"), uses(&graph, "x.rs")),
            (vec!["one.rs".to_owned()], vec!["one.rs".to_owned()])
        );
    }

    #[test]
    fn what_stands_behind_a_module_in_place_is_seen() {
        let root = "mod a; mod inner { pub fn f() { g(); } } pub struct S;";
        let graph = of(&[("lib.rs", root), ("a.rs", "use super::*; fn h(_: S) {}")]);
        assert_eq!(uses(&graph, "a.rs"), ["lib.rs"]);
    }

    #[test]
    fn globs_are_of_the_names_that_occur() {
        let root = "mod a; pub struct Used; pub struct Other;";
        assert_eq!(uses(&of(&[("lib.rs", root), ("a.rs", "use super::*; fn f(_: Used) {}")]), "a.rs"), ["lib.rs"]);
        assert!(uses(&of(&[("lib.rs", root), ("a.rs", "use super::*; fn f(x: X) { x.Used() }")]), "a.rs").is_empty());
    }

    #[test]
    fn comments_literals_and_tests_do_not_count() {
        let text =
            "// crate::S\n/* crate::S */ fn f<'a>(x: &'a str) { g(\"\\\"crate::S\", '\\'', '\"', r#\"\" crate::S\"#) }
            #[cfg(test)] use crate::S; #[cfg(all(test, unix))] #[rustfmt::skip] mod t { use crate::S; }
            #[cfg(test)] const A: [u8; 1] = [crate::S]; fn g() {}";
        let files = |text| [("lib.rs", "mod a; pub struct S;"), ("a.rs", text)];
        assert!(uses(&of(&files(text)), "a.rs").is_empty());
        assert_eq!(uses(&of(&files(&format!("{text} fn h() {{ crate::S; }}"))), "a.rs"), ["lib.rs"]);
    }
}
