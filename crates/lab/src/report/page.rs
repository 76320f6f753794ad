//! The report as one HTML page: no script, no other file, light or dark as the system of the reader
//! is.

use super::conclusions::{Conclusion, Sign, by_topic, conclusions, limits, ratios};
use super::markdown::about;
use super::tables::{Table, tables};
use super::{Data, OURS};
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) fn page(data: &Data) -> String {
    let title = "seqring beside the locks that it replaces";
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body { main {
                h1 { (title) }
                @for paragraph in about(data).split("\n\n") {
                    p class=(if paragraph.contains("**") { "banner" } else { "note" }) {
                        (paragraph.replace("**", "").replace('`', ""))
                    }
                }
                h2 { "What follows" }
                p.note {
                    "For seqring: ahead or behind in every round of at least three; otherwise open. In charts, points are "
                    "medians, and bars reach from the lowest to the highest run. The figures are in the tables below them."
                }
                ul {
                    @for topic in by_topic(&conclusions(data)) {
                        li { (topic[0].topic) ": "
                            @if let [one] = topic { (stated(one)) } @else {
                                ul.several { @for one in topic { li { (stated(one)) } } }
                            }
                        }
                    }
                }
                @if let Some(table) = ratios(&conclusions(data)) {
                    h3 { (table.title) }
                    p.note { (table.note) }
                    (rows(&table))
                }
                h2 { "What does not follow" }
                ul { @for limit in limits(data) { li { (limit) } } }
                @for table in tables(data) {
                    h2 { (table.title) }
                    p.note { (table.note) }
                    @if let Some(chart) = &table.chart {
                        figure { (PreEscaped(chart)) }
                        details { summary { "Table" } (rows(&table)) }
                    } @else { (rows(&table)) }
                }
            } }
        }
    }
    .into_string()
}

fn stated(conclusion: &Conclusion) -> Markup {
    let class = match conclusion.sign {
        Sign::Better => "better",
        Sign::Worse => "worse",
        Sign::Open => "open",
    };
    // No line begins with "×".
    html! { b class=(class) { (conclusion.sign) } " " (conclusion.text.replace(" ×", "\u{a0}×")) }
}

fn rows(table: &Table) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { @for head in &table.head { th { (head) } } } }
            tbody {
                @for row in &table.rows {
                    tr.ours[row.first().is_some_and(|cell| cell.text == OURS.name())] {
                        @for cell in row {
                            td.met[cell.is_met == Some(true)].missed[cell.is_met == Some(false)] { (cell.text) }
                        }
                    }
                }
            }
        } }
    }
}
