//! The folders of `src` are layers. Each imports itself and the layers before it in [`LAYERS`];
//! `src/lib.rs` only re-exports.
//!
//! `cargo test --test layers -- --nocapture` prints the size of the import graph.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[path = "common/source.rs"]
mod source;
use source::{Import, Module, Token, lex, modules, parse};

/// From the lowest layer to the highest.
const LAYERS: [&str; 9] =
    ["types", "sync", "memory", "segment", "protocol", "endpoint", "api", "pipeline", "testing"];

/// The orderings that only `src/sync` writes; [`Pair`](../src/sync/pair.rs) names them elsewhere.
const ORDERINGS: [&str; 4] = ["Acquire", "Release", "AcqRel", "SeqCst"];

/// The modules of a crate, and what each name in them stands for, from their `use` declarations.
struct Tree {
    modules: BTreeMap<String, Vec<Module>>,
    names: BTreeMap<(String, &'static str), Vec<&'static str>>,
}

impl Tree {
    fn new(files: Vec<Module>) -> Self {
        let mut tree = Self { modules: BTreeMap::new(), names: BTreeMap::new() };
        for file in files {
            let named = file.imports.iter().filter(|import| !["", "*", "_"].contains(&import.name));
            tree.names.extend(named.map(|import| ((file.name.clone(), import.name), import.path.clone())));
            tree.modules.entry(file.name.clone()).or_default().push(file);
        }
        tree
    }

    fn imports(&self) -> impl Iterator<Item = (&Module, &Import)> {
        let files = self.modules.values().flatten();
        files.flat_map(|file| file.imports.iter().map(move |import| (file, import)))
    }

    /// The module that holds what `path` names, re-exports followed; the crate root for what is in
    /// no module, as external crates.
    fn module_of(&self, path: &[&'static str]) -> String {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let lengths = (0..=path.len()).rev();
            let known = lengths.map(|n| path[..n].join("::")).find(|name| self.modules.contains_key(name));
            let module = known.unwrap_or_default();
            let length = module.split("::").filter(|part| !part.is_empty()).count();
            let target = path.get(length).and_then(|name| self.names.get(&(module.clone(), *name)));
            match target {
                Some(target) if target[..] != path[..=length] => {
                    path.splice(..=length, target.iter().copied());
                }
                _ => return module,
            }
        }
        String::new() // A re-export that names itself: rustc refuses it.
    }

    /// Each import of a layer above the importing one. A name that `src/lib.rs` re-exports counts
    /// for its layer.
    fn imports_up(&self) -> Vec<(&Module, &Import, [&str; 2])> {
        let up = self.imports().filter_map(|(module, import)| {
            let from = layer(&module.name)?;
            let named = layer(import.path.first()?);
            let to = named.or_else(|| layer(&self.module_of(&import.path))).filter(|&to| to > from)?;
            Some((module, import, [LAYERS[from], LAYERS[to]]))
        });
        up.collect()
    }

    fn edges(&self) -> BTreeSet<(&str, String)> {
        let all = self.imports().map(|(from, import)| (&from.name[..], self.module_of(&import.path)));
        all.filter(|(from, to)| from != to && !from.is_empty() && !to.is_empty()).collect()
    }
}

/// The layer of a module.
fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|&layer| module.split("::").next() == Some(layer))
}

/// The largest set of modules in which each reaches each other one.
fn largest_cycle<'a>(edges: &'a BTreeSet<(&'a str, String)>) -> Vec<&'a str> {
    let mut next = BTreeMap::<&str, Vec<&str>>::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reached = |start: &'a str| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
        while let Some(node) = todo.pop() {
            let targets = next.get(node).into_iter().flatten().copied();
            todo.extend(targets.filter(|to| seen.insert(*to)));
        }
        seen
    };
    let reach: BTreeMap<_, _> = next.keys().map(|&node| (node, reached(node))).collect();
    let both = |&(&node, there): &(&&'a str, &BTreeSet<&'a str>)| -> Vec<&'a str> {
        there
            .iter()
            .copied()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(node)))
            .collect()
    };
    reach.iter().map(|entry| both(&entry)).max_by_key(Vec::len).unwrap_or_default()
}

fn tree() -> Tree {
    Tree::new(modules(Path::new("src/lib.rs"), false))
}

#[test]
fn no_import_points_up() {
    let tree = tree();
    let (edges, up) = (tree.edges(), tree.imports_up());
    let cycle = largest_cycle(&edges);
    println!("{} modules, {} edges, {} imports up", tree.modules.len() - 1, edges.len(), up.len());
    println!("the largest cycle has {} modules: {}", cycle.len(), cycle.join(", "));
    let line = |(module, import, [from, to]): &(&Module, &Import, [&str; 2])| {
        let (file, path) = (module.file.display(), import.path.join("::"));
        format!("{file}:{}: crate::{path}: {from} is below {to}\n", import.line)
    };
    assert!(up.is_empty(), "imports point up:\n{}", up.iter().map(line).collect::<String>());
}

#[test]
fn every_file_is_in_a_layer() {
    let entries = Path::new("src").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let is_stray = |path: &PathBuf| layer(&path.file_stem().unwrap().to_string_lossy()).is_none();
    let stray: Vec<_> = entries.filter(|path| !path.ends_with("lib.rs") && is_stray(path)).collect();
    assert!(stray.is_empty(), "no layer has these names: {stray:?}");
}

#[test]
fn the_root_only_reexports() {
    let items = ["fn", "struct", "enum", "trait", "impl", "const", "static", "type", "macro_rules"];
    let tree = tree();
    let found = tree.modules[""][0].tokens.iter().filter(|token| items.contains(&token.text));
    let found: Vec<_> = found.map(|token| (token.line, token.text)).collect();
    assert!(found.is_empty(), "items in src/lib.rs, which is in no layer: {found:?}");
}

#[test]
fn only_sync_writes_orderings() {
    let tree = tree();
    let mut found = Vec::new();
    for file in tree.modules.values().flatten().filter(|file| layer(&file.name) != layer("sync")) {
        for token in orderings(&file.tokens) {
            found.push(format!("{}:{}: {}", file.file.display(), token.line, token.text));
        }
    }
    assert!(found.is_empty(), "name a Pair instead of these:\n{}", found.join("\n"));
}

/// The memory orderings, without the ends of a `Pair`, which share their names.
fn orderings<'a>(tokens: &'a [Token<'static>]) -> impl Iterator<Item = &'a Token<'static>> {
    let found = tokens
        .windows(3)
        .filter(|run| ORDERINGS.contains(&run[2].text) && (run[0].text, run[1].text) != ("End", "::"));
    found.map(|run| &run[2])
}

/// The imports up of a crate of these modules.
fn up(modules: &[(&str, &'static str)]) -> Vec<String> {
    let modules = modules.iter().map(|&(name, text)| parse(text, Path::new(name), name, false).0);
    Tree::new(modules.collect()).imports_up().iter().map(|(_, import, _)| import.path.join("::")).collect()
}

#[test]
fn each_form_of_import_is_seen() {
    let api = ("api", "pub struct Ring;");
    let root = ("", "pub use api::Ring; pub use zerocopy;");
    for text in [
        "use crate::{types::Role, api::{ring::{self, Start}}};",
        "use super::super::api::Ring as R;",
        "fn f() { let x = crate::api::Ring::new(); }",
        "mod inner { use super::super::super::api; }",
        "macro_rules! m { () => { $crate::api::go() } }",
        "use crate::Ring;",
        "const QUOTE: char = '\"'; use crate::api; const END: &str = \"\\\"\";",
    ] {
        assert!(!up(&[root, api, ("memory::layout", text), ("memory", "")]).is_empty(), "{text}");
    }
}

#[test]
fn what_is_no_import_up_is_none() {
    let root = ("", "pub use api::Ring; pub use zerocopy;");
    for text in [
        "// use crate::api;\n/* crate::api */ const S: &str = \"crate::api::x\"; const R: &str = r#\"crate::api\"#;",
        "#[cfg(test)] mod tests { use crate::api; } #[cfg(all(test, unix))] use crate::{api};",
        "use crate::{types::Role, sync::Pair, zerocopy}; use std::api; use self::api::x;",
        "impl Api for api::Other {}",
    ] {
        assert_eq!(up(&[root, ("memory", text), ("api", ""), ("types", "")]), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn cycles_and_orderings_are_counted() {
    let edges = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")].map(|(from, to)| (from, to.to_owned()));
    assert_eq!(largest_cycle(&edges.into()), ["b", "c"]);
    let tokens =
        lex("fence(Pair::Notify, End::Release); x.load(Acquire); x.store(1, Ordering::Release) // SeqCst");
    assert_eq!(orderings(&tokens).map(|token| token.text).collect::<Vec<_>>(), ["Acquire", "Release"]);
}
