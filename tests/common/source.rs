//! Reads Rust source for the checks: tokens, modules, imports. No macro is expanded, and every
//! `cfg` except `test` counts as set.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};

#[derive(Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// A path in a module. `path` starts at the crate root; `name` is what a `use` binds it to.
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) path: Vec<&'static str>,
    pub(crate) name: &'static str,
}

/// One file of a crate, with the path of its module. A `path` attribute gives a module two files.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) tokens: Vec<Token<'static>>,
    pub(crate) imports: Vec<Import>,
}

/// Splits Rust source into comments, strings, words, `::` and single characters.
pub(crate) fn lex(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let (text, after) = rest.split_at(token_bytes(rest, first));
        if !first.is_whitespace() {
            tokens.push(Token { line, text });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

fn token_bytes(rest: &str, first: char) -> usize {
    let through =
        |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let hashes = rest.len() - word - rest[word..].trim_start_matches('#').len();
    match rest {
        _ if matches!(&rest[..word], "r" | "br" | "cr") && rest[word + hashes..].starts_with('"') => {
            through(word + hashes + 1, &format!("\"{}", "#".repeat(hashes)))
        }
        _ if word > 0 => word,
        _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
        _ if rest.starts_with("/*") => through(2, "*/"),
        _ if rest.starts_with("::") => 2,
        _ if first == '"' || rest.starts_with("'\\") => {
            let mut escaped = false;
            let end = rest[1..].find(|c: char| {
                let ends = c == first && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |at| at + 2)
        }
        // A character; anything else after a quote is a lifetime.
        _ if first == '\'' && rest.chars().nth(2) == Some('\'') => through(1, "'").max(3),
        _ => first.len_utf8(),
    }
}

/// All files that `mod` declarations and `include!` reach from the crate root `file`. `tests` says
/// whether items under `#[cfg(test)]` count.
pub(crate) fn modules(file: &Path, tests: bool) -> Vec<Module> {
    let mut found = Vec::new();
    walk(file, file.parent().expect("a file in a folder"), "", tests, &mut found);
    found
}

fn walk(file: &Path, children: &Path, name: &str, tests: bool, found: &mut Vec<Module>) {
    // A declaration has several candidates, of which one exists.
    let Ok(text) = std::fs::read_to_string(file) else { return };
    let (module, declared) = parse(text.leak(), file, name, tests);
    found.push(module);
    let beside = file.parent().expect("a file in a folder");
    for Declared { scope, name: child, paths, only } in declared {
        let folder = scope.iter().fold(children.to_owned(), |folder, inner| folder.join(inner));
        let inner: Vec<_> =
            name.split("::").filter(|part| !part.is_empty()).chain(scope.iter().copied()).collect();
        let name = [&inner[..], &[child]].concat().join("::");
        for path in paths {
            let file = if scope.is_empty() { beside.join(path) } else { folder.join(path) };
            walk(&file, file.parent().expect("a file in a folder"), &name, tests, found);
        }
        if !only {
            walk(&folder.join(format!("{child}.rs")), &folder.join(child), &name, tests, found);
            walk(&folder.join(child).join("mod.rs"), &folder.join(child), &name, tests, found);
        }
    }
}

/// A `mod name;` in the inline modules `scope`, or an `include!`. `only` excludes the usual places.
pub(crate) struct Declared {
    scope: Vec<&'static str>,
    name: &'static str,
    paths: Vec<&'static str>,
    only: bool,
}

pub(crate) fn parse(text: &'static str, file: &Path, name: &str, tests: bool) -> (Module, Vec<Declared>) {
    let mut tokens = lex(text);
    tokens.retain(|token| !token.text.starts_with("//") && !token.text.starts_with("/*"));
    if !tests {
        tokens = without_tests(&tokens);
    }
    let own: Vec<&str> = String::leak(name.to_owned()).split("::").filter(|part| !part.is_empty()).collect();
    let at = |i: usize| tokens.get(i).map_or("", |token| token.text);
    let (mut imports, mut declared) = (Vec::new(), Vec::new());
    let (mut scope, mut depth, mut item, mut i) = (Vec::<(&str, usize)>::new(), 0, 0, 0);
    while i < tokens.len() {
        let inner: Vec<&str> = scope.iter().map(|&(name, _)| name).collect();
        let attributes = || tokens[item..i].iter().map(|token| token.text);
        let mut paths = Vec::new();
        let first = i;
        match at(i) {
            "mod" if at(i + 2) == "{" => scope.push((at(i + 1), depth)),
            "mod" if at(i + 2) == ";" => {
                let named = attributes().zip(attributes().skip(2)).filter(|&(word, _)| word == "path");
                let paths: Vec<_> = named.map(|(_, path)| path.trim_matches('"')).collect();
                let only = !paths.is_empty() && attributes().all(|word| word != "cfg_attr");
                declared.push(Declared { scope: inner.clone(), name: at(i + 1), paths, only });
            }
            "include" if at(i + 1) == "!" && at(i + 3).starts_with('"') => {
                let paths = vec![at(i + 3).trim_matches('"')];
                declared.push(Declared { scope: vec![], name: "include", paths, only: true });
            }
            "use" if at(i + 1) != "<" => {
                i += 1;
                use_tree(&tokens, &mut i, &[], &mut paths);
            }
            word if at(i + 1) == "::" && is_word(word) => {
                let mut path = vec![word];
                while at(i + 1) == "::" && is_word(at(i + 2)) {
                    i += 2;
                    path.push(at(i));
                }
                paths.push((path, "", first));
            }
            _ => {}
        }
        imports.extend(paths.into_iter().map(|(path, name, at)| {
            let path = from_root(&[&own[..], &inner].concat(), &path);
            Import { line: tokens[at].line, path, name }
        }));
        match at(i) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                scope.pop_if(|&mut (_, outer)| outer == depth);
            }
            _ => {}
        }
        i += 1;
        if matches!(at(i - 1), "{" | "}" | ";") {
            item = i;
        }
    }
    (Module { name: name.into(), file: file.into(), tokens, imports }, declared)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Collects the leaves of the use tree at `i`: path, bound name, token.
fn use_tree(
    tokens: &[Token<'static>],
    i: &mut usize,
    prefix: &[&'static str],
    leaves: &mut Vec<(Vec<&'static str>, &'static str, usize)>,
) {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(*i) {
        *i += 1;
        match token.text {
            "::" => {}
            "{" => {
                while tokens.get(*i).is_some_and(|token| token.text != "}") {
                    use_tree(tokens, i, &path, leaves);
                    *i += usize::from(tokens.get(*i).is_some_and(|token| token.text == ","));
                }
                *i += 1;
                return;
            }
            "self" if !prefix.is_empty() && path.len() == prefix.len() => {}
            segment => path.push(segment),
        }
        let next = |ahead: usize| tokens.get(*i + ahead).map_or("", |token| token.text);
        if next(0) != "::" && token.text != "::" {
            let name = if next(0) == "as" { next(1) } else { path.last().copied().unwrap_or("") };
            leaves.push((path, name, *i - 1));
            *i += if next(0) == "as" { 2 } else { 0 };
            return;
        }
    }
}

/// The path from the crate root. A path into an external crate comes out below `here`, where no
/// module has its name.
fn from_root(here: &[&'static str], path: &[&'static str]) -> Vec<&'static str> {
    let mut base = if path[0] == "crate" { &[] } else { here };
    let mut rest = path;
    while let [first @ ("crate" | "self" | "super"), after @ ..] = rest {
        rest = after;
        if *first == "super" {
            base = &base[..base.len().saturating_sub(1)];
        }
    }
    [base, rest].concat()
}

/// Removes each item under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn without_tests(tokens: &[Token<'static>]) -> Vec<Token<'static>> {
    let (mut kept, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        let text = || tokens[i..].iter().take(7).map(|token| token.text).collect::<String>();
        let is_test = tokens[i].text == "#"
            && ["#[cfg(test)]", "#[cfg(all(test"].iter().any(|start| text().starts_with(start));
        if !is_test {
            kept.push(tokens[i]);
            i += 1;
            continue;
        }
        let mut depth = 0;
        while let Some(token) = tokens.get(i) {
            depth += i32::from(matches!(token.text, "(" | "[" | "{"));
            depth -= i32::from(matches!(token.text, ")" | "]" | "}"));
            i += 1;
            if depth <= 0 && matches!(token.text, "}" | ";" | ",") {
                break;
            }
        }
    }
    kept
}
