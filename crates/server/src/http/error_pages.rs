//! The page that explains every error, for `GET /docs/errors` and for `docs/errors.md`.

use std::fmt::Write;

use super::problem_kind::ProblemKind;

const INTRODUCTION: &str = "Every error is answered as `application/problem+json` (RFC 9457): \
`type` (a reference to a section of this page), `title`, `status` and `detail`, which says what \
happened and what to change. Where they fit, these say where: `index` (the vector or id of the \
request, from 0), `position` (the value in the vector, from 0), `id`, `expected`, `got`, `line` \
and `column` (of the body, from 1), `byte` (of the body, or of the part that `detail` names, from \
0), `shards`, `limit`. Answers with `Retry-After` are worth \
repeating after that many seconds. A request that was refused changed nothing.";

/// The page as HTML.
pub(super) fn html() -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Errors of Vectra</title>\
         <style>body{font:1rem/1.5 sans-serif;max-width:45rem;margin:2rem auto;padding:0 1rem}\
         code{background:#eee}</style><h1>Errors</h1>",
    );
    let _ = write!(page, "<p>{}</p>", marked_up(INTRODUCTION));
    for kind in ProblemKind::ALL {
        let description = kind.describe();
        let _ = write!(
            page,
            "<h2 id=\"{slug}\">{status} {title} <small><a href=\"#{slug}\">{slug}</a></small></h2>\
             <p>{remedy}</p>",
            slug = description.slug,
            status = description.status.as_u16(),
            title = description.title,
            remedy = marked_up(description.remedy),
        );
    }
    page
}

/// Turns `code` between backticks into elements.
fn marked_up(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let piece = |(index, piece): (usize, &str)| match index % 2 {
        0 => piece.to_owned(),
        _ => format!("<code>{piece}</code>"),
    };
    escaped.split('`').enumerate().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown() -> String {
        let mut page = format!("# Errors\n\n{}\n", wrapped(INTRODUCTION));
        for kind in ProblemKind::ALL {
            let description = kind.describe();
            let _ = write!(
                page,
                "\n## {slug}\n\n**{status} {title}.** {remedy}\n",
                slug = description.slug,
                status = description.status.as_u16(),
                title = description.title,
                remedy = description.remedy,
            );
        }
        page.lines()
            .map(|line| format!("{}\n", wrapped(line)))
            .collect()
    }

    fn wrapped(line: &str) -> String {
        let mut lines = vec![String::new()];
        for word in line.split(' ') {
            let last = lines.last_mut().unwrap();
            if last.is_empty() {
                last.push_str(word);
            } else if last.chars().count() + 1 + word.chars().count() > 100 {
                lines.push(word.to_owned());
            } else {
                last.push(' ');
                last.push_str(word);
            }
        }
        lines.join("\n")
    }

    /// Set `VECTRA_TEST_WRITE_DOCS` to write the page anew.
    #[test]
    fn the_documentation_explains_every_error_as_the_server_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        if std::env::var_os("VECTRA_TEST_WRITE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), markdown());
    }

    #[test]
    fn every_kind_is_listed_once_and_its_slug_is_its_own() {
        let page = html();
        for kind in ProblemKind::ALL {
            let anchor = format!("id=\"{}\"", kind.describe().slug);
            assert_eq!(page.matches(&anchor).count(), 1, "{anchor}");
        }
    }
}
