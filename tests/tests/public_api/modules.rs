//! The modules of a package, and which of their items can be reached from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::{Item, Type, UseTree};

use super::print;

/// Items by the path of their module (`["engine", "descent"]`).
type Modules = BTreeMap<Vec<String>, Vec<Item>>;

/// Every line of the interface of the package whose root is `lib`, sorted.
pub fn interface(name: &str, lib: &Path) -> Vec<String> {
    let mut modules = Modules::new();
    let folder = lib.parent().unwrap();
    read(parsed(lib), Vec::new(), folder.to_path_buf(), &mut modules);
    let mut exported = BTreeMap::new();
    reach(&modules, &[], name, &mut exported, &mut BTreeSet::new());
    let mut lines: Vec<String> = exported.values().flatten().cloned().collect();
    let all = || modules.values().flatten();
    let own_traits = || all().filter_map(|item| if let Item::Trait(of) = item { Some(of) } else { None });
    let hidden = |name: &syn::Ident| own_traits().any(|of| of.ident == *name && !print::is_public(&of.vis));
    // blocks stand anywhere; they count for the names that their types are exported by
    for (module, items) in &modules {
        for block in items.iter().filter_map(|item| if let Item::Impl(block) = item { Some(block) } else { None }) {
            let Type::Path(of) = &*block.self_ty else { continue };
            if block.trait_.as_ref().and_then(|(of, _)| of.segments.last()).is_some_and(|last| hidden(&last.ident)) {
                continue;
            }
            let segments: Vec<String> = of.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let Some(target) = defined(&modules, module, &segments) else { continue };
            for path in exported.iter().filter(|((key, _), _)| *key == target).map(|((_, path), _)| path) {
                lines.extend(print::implementation(block, path));
            }
        }
    }
    lines.sort();
    lines.dedup();
    lines
}

fn parsed(path: &Path) -> Vec<Item> {
    syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap().items
}

/// Reads the modules of a file whose own modules lie in `folder`.
fn read(items: Vec<Item>, at: Vec<String>, folder: PathBuf, modules: &mut Modules) {
    for item in &items {
        let Item::Mod(module) = item else { continue };
        if module.attrs.iter().any(|a| a.path().is_ident("cfg") && print::text(a).contains("cfg(test)")) {
            continue;
        }
        let name = module.ident.to_string();
        let path = [&at[..], std::slice::from_ref(&name)].concat();
        let below = folder.join(&name);
        let inside = match &module.content {
            Some((_, items)) => items.clone(),
            None if below.join("mod.rs").exists() => parsed(&below.join("mod.rs")),
            None => parsed(&folder.join(format!("{name}.rs"))),
        };
        read(inside, path, below, modules);
    }
    modules.insert(at, items);
}

/// Lines by what is defined (module and name) and the path that it is exported as.
type Exported = BTreeMap<(Definition, String), Vec<String>>;
type Definition = (Vec<String>, String);

/// Adds what `module` exports as `path`.
fn reach(
    modules: &Modules,
    module: &[String],
    path: &str,
    out: &mut Exported,
    met: &mut BTreeSet<(Vec<String>, String)>,
) {
    if !met.insert((module.to_vec(), path.to_owned())) {
        return;
    }
    for item in &modules[module] {
        match item {
            Item::Mod(inner) if print::is_public(&inner.vis) => {
                let name = inner.ident.to_string();
                let full = format!("{path}::{name}");
                let key = ((module.to_vec(), name.clone()), full.clone());
                out.insert(key, vec![format!("pub mod {full}")]);
                reach(modules, &[module, &[name]].concat(), &full, out, met);
            }
            Item::Use(tree) if print::is_public(&tree.vis) => {
                for (from, name) in leaves(&tree.tree, &[]) {
                    used(modules, module, &from, name.as_deref(), path, out, met);
                }
            }
            _ => {
                if let Some(name) = public_name(item) {
                    define(item, (module.to_vec(), name.clone()), &format!("{path}::{name}"), out);
                }
            }
        }
    }
}

fn define(item: &Item, of: Definition, path: &str, out: &mut Exported) {
    if let Some(line) = print::item(item, path) {
        out.insert((of, path.to_owned()), vec![line]);
    }
}

/// A `pub use` of `from` in `module`, as `name`; all of it for none.
fn used(
    modules: &Modules,
    module: &[String],
    from: &[String],
    name: Option<&str>,
    path: &str,
    out: &mut Exported,
    met: &mut BTreeSet<(Vec<String>, String)>,
) {
    let Some(name) = name else {
        if let Some(all) = located(modules, module, from) {
            reach(modules, &all, path, out, met);
        }
        return;
    };
    let full = format!("{path}::{name}");
    if let Some(whole) = located(modules, module, from) {
        out.insert((split(&whole), full.clone()), vec![format!("pub mod {full}")]);
        reach(modules, &whole, &full, out, met);
    } else if let Some(target) = defined(modules, module, from) {
        let item = modules[&target.0].iter().find(|item| public_name(item).is_some_and(|own| own == target.1));
        define(item.unwrap(), target, &full, out);
    } else {
        // of another package
        out.insert(
            ((module.to_vec(), name.to_owned()), full.clone()),
            vec![format!("pub use {} as {full}", from.join("::"))],
        );
    }
}

fn split(path: &[String]) -> Definition {
    let (last, before) = path.split_last().unwrap();
    (before.to_vec(), last.clone())
}

/// The path of every name that a tree brings in, and the name; none for `*`.
fn leaves(tree: &UseTree, before: &[String]) -> Vec<(Vec<String>, Option<String>)> {
    let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident)),
        UseTree::Group(group) => group.items.iter().flat_map(|tree| leaves(tree, before)).collect(),
        UseTree::Name(name) if name.ident == "self" => vec![(before.to_vec(), before.last().cloned())],
        UseTree::Name(name) => vec![(with(&name.ident), Some(name.ident.to_string()))],
        UseTree::Rename(rename) => vec![(with(&rename.ident), Some(rename.rename.to_string()))],
        UseTree::Glob(_) => vec![(before.to_vec(), None)],
    }
}

/// The module that `path` means in `module`.
fn located(modules: &Modules, module: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut at = module.to_vec();
    for (i, step) in path.iter().enumerate() {
        match step.as_str() {
            "crate" if i == 0 => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            name => at.push(name.to_owned()),
        }
    }
    modules.contains_key(&at).then_some(at)
}

/// Where the item that `path` means in `module` is defined, through uses.
fn defined(modules: &Modules, module: &[String], path: &[String]) -> Option<Definition> {
    let (name, before) = path.split_last()?;
    let at = located(modules, module, before)?;
    if modules[&at].iter().any(|item| public_name(item).is_some_and(|own| own == *name)) {
        return Some((at, name.clone()));
    }
    modules[&at].iter().find_map(|item| {
        let Item::Use(tree) = item else { return None };
        let from = leaves(&tree.tree, &[]).into_iter().find(|(_, brought)| brought.as_deref() == Some(name))?.0;
        (from != path).then(|| defined(modules, &at, &from))?
    })
}

/// The name of an item that is public where it stands.
fn public_name(item: &Item) -> Option<String> {
    let (visibility, name) = match item {
        Item::Const(c) => (&c.vis, &c.ident),
        Item::Static(s) => (&s.vis, &s.ident),
        Item::Fn(f) => (&f.vis, &f.sig.ident),
        Item::Struct(s) => (&s.vis, &s.ident),
        Item::Enum(e) => (&e.vis, &e.ident),
        Item::Type(t) => (&t.vis, &t.ident),
        Item::Trait(t) => (&t.vis, &t.ident),
        _ => return None,
    };
    print::is_public(visibility).then(|| name.to_string())
}
