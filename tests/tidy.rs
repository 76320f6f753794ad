//! Rules for the files in git that no other tool checks: words, columns, lengths, links, dead
//! files. One test a rule. A finding reads `path:line: what: why`.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

#[path = "common/source.rs"]
mod source;
use source::{Token, lex, modules};

/// Phrases that documentation, comments and messages avoid, and what to write instead. A capital
/// matches only a capital: the start of a sentence. A punctuation mark counts as a word.
const PHRASES: &[(&str, &str)] = &[
    ("whoever", "name the process, thread, reader or writer"),
    ("somebody", "name the process, thread, reader or writer"),
    ("everybody", "name the processes, threads, readers or writers"),
    ("nobody", "name what does not: no process, no writer"),
    ("anybody", "name what may: any process, any writer"),
    ("Who", "start with a noun: the process that …"),
    (": who", "start with a noun: the process that …"),
    ("tell", "name the act: return, report, store, distinguish"),
    ("tells", "name the act: returns, reports, stores, distinguishes"),
    ("told", "name the act: returned, reported, stored"),
    ("in vain", "say what failed or was not needed"),
    ("mended", "write: fixed"),
];

const COMMENT_COLUMNS: usize = 100;
const FILE_LINES: usize = 450;

/// Files that may be longer than [`FILE_LINES`], and why.
const LONG_FILES: &[(&str, &str)] = &[];

/// What a link to a file of the repository begins with where the page is read elsewhere, too.
const REPOSITORY: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/");

/// What pypi.org shows, which resolves no relative link. crates.io does, by the repository.
const PYPI_PAGE: &str = "python/README.md";

/// Files that the rules on text skip: records are outputs.
const UNREAD: &[&str] = &["docs/records/", "LICENSE-"];

/// A line, what is there, and why that is not wanted.
type Findings = Vec<(usize, String, &'static str)>;

/// The extension of a file's name.
fn kind(path: &str) -> &str {
    Path::new(path).extension().and_then(|end| end.to_str()).unwrap_or("")
}

fn phrases(path: &str, text: &str) -> Findings {
    if path == file!() {
        return vec![]; // The table of the phrases.
    }
    let prose = if kind(path) == "rs" { prose(text) } else { vec![Token { line: 1, text }] };
    let separate = |c: char| !c.is_alphanumeric() && c != '_';
    let mut words = Vec::new();
    for Token { line, text } in prose {
        for (n, text) in text.lines().enumerate() {
            let parts = text.split_inclusive(separate).flat_map(|part| {
                let (word, end) = part.split_at(part.trim_end_matches(separate).len());
                [word, end.trim()]
            });
            let markers = ["", "/", "!", "#", "*", ">"];
            words.extend(parts.filter(|word| !markers.contains(word)).map(|word| (line + n, word)));
        }
    }
    let same = |part: &str, word: &str| {
        part == word || !part.starts_with(char::is_uppercase) && part.eq_ignore_ascii_case(word)
    };
    let mut found = Findings::new();
    for &(phrase, why) in PHRASES {
        let parts: Vec<_> = phrase.split(' ').collect();
        let runs = words.windows(parts.len());
        let hits = runs.filter(|run| parts.iter().zip(*run).all(|(part, (_, word))| same(part, word)));
        found.extend(hits.map(|hit| (hit[parts.len() - 1].0, phrase.into(), why)));
    }
    found
}

/// The comments and strings of Rust source.
fn prose(text: &str) -> Vec<Token<'_>> {
    let is_prose = |text: &str| text.starts_with("//") || text.starts_with("/*") || text.contains('"');
    lex(text).into_iter().filter(|token| is_prose(token.text)).collect()
}

/// The lines of `text` that `wrong` finds something in.
fn each_line(text: &str, why: &'static str, wrong: impl Fn(&str) -> Option<String>) -> Findings {
    let lines = text.lines().enumerate();
    lines.filter_map(|(n, line)| Some((n + 1, wrong(line)?, why))).collect()
}

fn columns(path: &str, text: &str) -> Findings {
    let marker = match kind(path) {
        "md" => return vec![],
        "rs" => "//",
        _ => "#",
    };
    each_line(text, "wrap comments at 100 columns", |line| {
        let columns = line.chars().count();
        let long = columns > COMMENT_COLUMNS && line.trim_start().starts_with(marker);
        long.then(|| format!("{columns} columns"))
    })
}

fn length(path: &str, text: &str) -> Findings {
    let (lines, exempt) = (text.lines().count(), LONG_FILES.iter().any(|(long, _)| *long == path));
    match (["rs", "py"].contains(&kind(path)) && lines > FILE_LINES, exempt) {
        (true, false) => vec![(lines, format!("{lines} lines"), "split the file by its topics")],
        (false, true) => vec![(lines, format!("{lines} lines"), "remove it from LONG_FILES")],
        _ => vec![],
    }
}

fn blanks(path: &str, text: &str) -> Findings {
    let checked = ["rs", "py", "pyi", "md"].contains(&kind(path));
    each_line(text, "no tab, no blank at the end", |line| {
        (checked && (line.contains('\t') || line.ends_with(' '))).then(|| format!("{line:?}"))
    })
}

fn links(path: &str, text: &str) -> Findings {
    let mut found = Findings::new();
    for (n, line) in text.lines().enumerate().filter(|_| kind(path) == "md") {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = match file.strip_prefix(REPOSITORY) {
                Some(file) => file.into(),
                None if file.is_empty() => path.into(),
                None => Path::new(path).with_file_name(file),
            };
            let headings =
                || if file.is_empty() { text.into() } else { read_to_string(&to).unwrap_or_default() };
            if !target.starts_with(REPOSITORY) && (target.contains("://") || target.starts_with("mailto:")) {
            } else if path == PYPI_PAGE && !target.contains("://") && !file.is_empty() {
                found.push((n + 1, target.into(), "PyPI shows this page: write the whole address"));
            } else if !to.exists() && !file.is_empty() {
                found.push((n + 1, target.into(), "the link leads nowhere"));
            } else if !anchor.is_empty() && !headings().lines().any(|line| slug(line) == anchor) {
                found.push((n + 1, target.into(), "no heading has this anchor"));
            }
        }
    }
    found
}

/// The anchor of a Markdown heading; nothing for other lines.
fn slug(line: &str) -> String {
    let heading = if line.starts_with('#') { line.trim_start_matches('#').trim() } else { "" };
    let kept = heading.chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The crate roots that cargo builds for the manifest at `path`: declared targets and those in the
/// usual places.
fn targets(path: &str, manifest: &str, files: &BTreeSet<String>) -> Vec<PathBuf> {
    let folder = Path::new(path).parent().expect("a file in a folder");
    let quoted = |key: &str| {
        let lines =
            manifest.lines().filter_map(move |line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
        lines.map(|value| value.trim().trim_matches('"').to_owned()).collect::<Vec<_>>()
    };
    let mut found: Vec<_> = quoted("path").iter().map(|target| normal(&folder.join(target))).collect();
    for file in files {
        let Ok(inside) = Path::new(file).strip_prefix(folder) else { continue };
        let parts: Vec<_> = inside.iter().map(|part| part.to_str().expect("UTF-8")).collect();
        let usual = match parts[..] {
            ["build.rs"] | ["src", "lib.rs" | "main.rs"] => true,
            ["src", "bin", name]
            | ["src", "bin", name, "main.rs"]
            | ["tests" | "examples", name]
            | ["tests" | "examples", name, "main.rs"] => !name.is_empty(),
            ["benches", name] | ["benches", name, "main.rs"] => {
                !manifest.contains("autobenches = false")
                    || quoted("name").iter().any(|n| n == name.trim_end_matches(".rs"))
            }
            _ => false,
        };
        if usual && kind(file) == "rs" {
            found.push(file.into());
        }
    }
    found
}

/// The Rust files among `files` that no target reaches.
fn dead(files: &BTreeSet<String>) -> Vec<String> {
    let manifests = files.iter().filter(|file| file.ends_with("Cargo.toml"));
    let roots = manifests.flat_map(|path| targets(path, &read_to_string(path).unwrap_or_default(), files));
    let live: BTreeSet<_> =
        roots.flat_map(|root| modules(&root, true)).map(|module| normal(&module.file)).collect();
    files.iter().filter(|file| kind(file) == "rs" && !live.contains(Path::new(file))).cloned().collect()
}

/// The path without its `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = normal.pop(),
            part => normal.push(part),
        }
    }
    normal
}

/// The files below docs and scripts that no other file names, as `records/a.txt` or `scripts/b`.
fn unmentioned(files: &[(String, String)]) -> Vec<&str> {
    let checked = files.iter().filter(|(path, _)| path.starts_with("docs/") || path.starts_with("scripts/"));
    let mentioned = |path: &str| {
        let name = path.strip_prefix("docs/").unwrap_or(path);
        files.iter().any(|(other, text)| other != path && text.contains(name))
    };
    checked.map(|(path, _)| &path[..]).filter(|path| !mentioned(path)).collect()
}

/// The text files that git tracks.
fn tracked() -> Vec<(String, String)> {
    let listed = Command::new("git").args(["ls-files", "-z"]).output().expect("git runs");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("names in UTF-8");
    let read = |name: &str| Some((name.to_owned(), read_to_string(name).ok()?));
    names.split_terminator('\0').filter_map(read).collect()
}

/// Applies a rule to each tracked text file.
fn check(rule: fn(&str, &str) -> Findings) {
    let checked = |path: &str| {
        let is_text = ["rs", "py", "pyi", "md", "toml", "sh"].contains(&kind(path))
            || path.starts_with("scripts/")
            || path == ".ci/run";
        is_text && !UNREAD.iter().any(|start| path.starts_with(start))
    };
    let mut report = Vec::new();
    for (path, text) in tracked().iter().filter(|(path, _)| checked(path)) {
        let found = rule(path, text);
        report.extend(found.iter().map(|(line, what, why)| format!("{path}:{line}: {what}: {why}")));
    }
    assert!(report.is_empty(), "{} findings:\n{}", report.len(), report.join("\n"));
}

/// Where a rule finds something in `text`.
fn lines(rule: fn(&str, &str) -> Findings, path: &str, text: &str) -> Vec<usize> {
    rule(path, text).iter().map(|(line, ..)| *line).collect()
}

#[test]
fn phrases_are_plain() {
    let text = "/// Whoever waits in\n/// vain. Who\nfn tell() {} // he, who; who\nlet s = \"is told\"; // told_once";
    let found = phrases("a.rs", text);
    let found: Vec<_> = found.iter().map(|(line, what, _)| (*line, &what[..])).collect();
    assert_eq!(found, [(1, "whoever"), (2, "Who"), (4, "told"), (2, "in vain")]);
    check(phrases);
}

#[test]
fn comments_end_at_their_column() {
    let (fits, long) = ("x".repeat(COMMENT_COLUMNS - 3), "x".repeat(COMMENT_COLUMNS - 2));
    assert_eq!(lines(columns, "a.rs", &format!("// {fits}\n// {long}\nlet {long} = 1;")), [2]);
    assert_eq!(lines(columns, "a.py", &format!("if a:\n    # {long}\n// {long}")), [2]);
    check(columns);
}

#[test]
fn files_are_short() {
    let (fits, long) = ("\n".repeat(FILE_LINES), "\n".repeat(FILE_LINES + 1));
    assert_eq!(["a.rs", "a.py", "a.md"].map(|path| length(path, &long).len()), [1, 1, 0]);
    assert_eq!(lines(length, "a.rs", &fits), []);
    check(length);
}

#[test]
fn no_line_has_tabs_or_ends_in_blanks() {
    assert_eq!(lines(blanks, "a.md", "a\n\tb\nc \n"), [2, 3]);
    check(blanks);
}

#[test]
fn links_lead_somewhere() {
    let text =
        "# It, is `here`\n[a](README.md) [b](https://a.b/c#d) [c](#it-is-here)\n[d](../x/y.md) [e](#f)";
    assert_eq!(lines(links, "a.md", text), [3, 3]);
    let text = format!("[a]({REPOSITORY}README.md)\n[b]({REPOSITORY}none.md)\n[c](MIGRATION.md)");
    assert_eq!(lines(links, PYPI_PAGE, &text), [2, 3]);
    check(links);
}

#[test]
fn every_rust_file_is_reached() {
    let files: BTreeSet<_> =
        ["a/src/lib.rs", "a/src/b.rs", "a/tests/c.rs", "a/tests/c/d.rs", "a/benches/e.rs"]
            .map(str::to_owned)
            .into();
    let manifest = "autobenches = false\n[[bench]]\nname = \"x\"\npath = \"../f.rs\"";
    assert_eq!(
        targets("a/Cargo.toml", manifest, &files),
        ["f.rs", "a/src/lib.rs", "a/tests/c.rs"].map(PathBuf::from)
    );
    let mut files: BTreeSet<_> = tracked().into_iter().map(|(path, _)| path).collect();
    files.insert("src/of_no_module.rs".into());
    let mut dead = dead(&files);
    assert_eq!(dead.extract_if(.., |file| file == "src/of_no_module.rs").count(), 1);
    assert!(dead.is_empty(), "{} Rust files that no target reaches:\n{}", dead.len(), dead.join("\n"));
}

#[test]
fn every_page_and_script_is_mentioned() {
    let files = [("docs/a.md", "b.md"), ("docs/b.md", "c"), ("scripts/c", "scripts/c")];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(unmentioned(&files), ["docs/a.md", "scripts/c"]);
    let tracked = tracked();
    let unmentioned = unmentioned(&tracked);
    assert!(unmentioned.is_empty(), "files that nothing mentions: {unmentioned:?}");
}
