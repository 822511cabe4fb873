//! The layout of schema texts: nothing of a text is lost or moved past something else, and a second time changes nothing.

use crate::reference::random::Random;
use crate::schema_support::shown;
use kilwa::schema::compile;
use kilwa::schema::format::{canonical, formatted};
use std::fmt::Write as _;
use std::path::Path;

fn laid_out(text: &str) -> String {
    formatted("schema", text).unwrap_or_else(|faults| panic!("{}\nin:\n{text}", shown(&faults)))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a text and what becomes of it")]
fn a_text_is_laid_out_with_its_comments_in_their_places() {
    let text = "// licence

  // of this file
use   expiration // at the top
use partial;


/* users
   of the shop */
definition   user{}   /* after */ definition empty { }
definition noted { /* nothing yet */ }
/** A group
  *   of people.
  **/
definition team { /* first */ relation member :user|team # member }  // of a line


//no space
caveat only_on( day string , // the day
    allowed list < string >) { day in allowed }
caveat long(day int) { // of the week
      day > 1 && // not monday

      day < 7


        || day == 9
   // the end
}
partial shared {

    // of the shared
    relation   reader:user : * | user with   only_on and  expiration;
    // last in the braces

}
definition doc{relation parent:doc#...;relation viewer:user|user:*|team#member|user with only_on
     | user with expiration // each in a line
        // between two
     | user with only_on and expiration
  ...shared
  // first
  /* second */
  relation owner : user

  permission edit: user|team = owner + (viewer/* inside */)/* behind */
  permission view=parent->view+parent.any( view )-
    // why
    (owner&
      viewer
    )
  permission all = nil
     + (
         owner - parent . all(edit)
       )
}
definition box/doc {}
// the tail

// of the file";
    insta::assert_snapshot!(laid_out(text), @"
    // licence

    // of this file
    use expiration // at the top
    use partial;

    /* users
       of the shop */
    definition user {} /* after */
    definition empty {}
    definition noted { /* nothing yet */ }
    /** A group
      *   of people.
      **/
    definition team { /* first */
    	relation member: user | team#member
    } // of a line

    //no space
    caveat only_on(day string, // the day
    	allowed list<string>) { day in allowed }
    caveat long(day int) { // of the week
    	   day > 1 && // not monday

    	   day < 7

    	     || day == 9
    	// the end
    }
    partial shared {
    	// of the shared
    	relation reader: user:* | user with only_on and expiration;
    	// last in the braces
    }
    definition doc {
    	relation parent: doc#...;
    	relation viewer: user | user:* | team#member | user with only_on
    		| user with expiration // each in a line
    		// between two
    		| user with only_on and expiration
    	...shared
    	// first
    	/* second */
    	relation owner: user

    	permission edit: user | team = owner + (viewer /* inside */) /* behind */
    	permission view = parent->view + parent.any(view) -
    		// why
    		(owner &
    			viewer
    		)
    	permission all = nil
    		+ (
    			owner - parent.all(edit)
    		)
    }
    definition box/doc {}
    // the tail

    // of the file
    ");
    assert_eq!(laid_out(&laid_out(text)), laid_out(text));
}

#[test]
fn line_ends_are_those_of_the_first_line() {
    assert_eq!(laid_out("\u{FEFF}definition user {\r\n}"), "definition user {}\r\n");
    let text = "/* a\n   b */\r\ndefinition user {  // c\r\n}\r\n";
    assert_eq!(laid_out(text), "/* a\n   b */\ndefinition user { // c\n}\n");
    assert_eq!(laid_out(""), "");
    assert_eq!(laid_out("\n // only\n\n"), "// only\n");
}

/// The text inside of a literal is not changed.
#[test]
fn literals_of_caveats_stay_as_they_are() {
    let text = "caveat said(word string) {\n      word == \"\"\"a  \n   b\n\n\n c\"\"\" ||\n        word == '//'\n  }\n";
    let wanted = "caveat said(word string) {\n\tword == \"\"\"a  \n   b\n\n\n c\"\"\" ||\n\t  word == '//'\n}\n";
    assert_eq!(laid_out(text), wanted);
    assert_eq!(laid_out(wanted), wanted);
}

#[test]
fn names_and_imports_are_not_looked_up() {
    let text = "use import\nimport 'other.zed'\ndefinition doc { relation viewer: unknown#member }";
    let wanted =
        "use import\nimport 'other.zed'\ndefinition doc {\n\trelation viewer: unknown#member\n}\n";
    assert_eq!(laid_out(text), wanted);
}

#[test]
fn a_text_with_mistakes_is_refused() {
    for text in ["definition doc {", "definition doc { relation }", "relation viewer: user", "/*"] {
        assert!(formatted("schema", text).is_err(), "{text}");
    }
}

#[test]
fn schemas_keep_every_comment_at_every_place() {
    let mut random = Random::new(8);
    let written = schemas().into_iter().filter(|text| compile(text).is_ok());
    for text in written {
        check(&text);
        for density in [15, 100] {
            check(&with_comments(&text, density, &mut random));
        }
    }
}

#[test]
fn random_schemas_keep_every_comment_at_every_place() {
    let mut random = Random::new(21);
    for _ in 0..150 {
        let text = random_schema(&mut random);
        assert!(compile(&text).is_ok(), "{text}");
        check(&text);
        let density = [10, 40, 100][random.below(3)];
        check(&with_comments(&text, density, &mut random));
    }
}

/// The schemas of this repository, those of others where they are present, and some with rare forms.
fn schemas() -> Vec<String> {
    let mut texts = crate::corpora::schemas();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema-examples");
    for entry in std::fs::read_dir(examples).unwrap() {
        texts.push(std::fs::read_to_string(entry.unwrap().path().join("schema.zed")).unwrap());
    }
    for name in ["schema.zed", "tour.zed"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name);
        texts.push(std::fs::read_to_string(file).unwrap());
    }
    texts.extend(
        [
            "use self;;definition user { permission own = self & self - nil };; // end",
            "use partial\npartial some { // doc\n relation own: user; ; }\ndefinition user { ...some }\ndefinition team { ... some\n permission all = own.all(own) + own.any(own) & own->own }",
            "use expiration\ncaveat cav(b int, a map<list<any>>) { b == 1 && 'x' in a && {'y': 1}.y == 1 }\ndefinition user { relation own: user with cav | user#own with cav and expiration | user:* with expiration }",
            "definition user { relation self: user\nrelation import: user\npermission use = self + import }",
            "definition a/b/user {\n relation own: a / b /\n user | a/b/user#... ; permission all: a/b/user = ((own)) }",
        ]
        .map(str::to_owned),
    );
    texts
}

/// Holds a text against its layout.
fn check(text: &str) {
    let formatted = laid_out(text);
    let context = || format!("of:\n{text}\nis:\n{formatted}");
    assert_eq!(tokens(&formatted), tokens(text), "{}", context());
    assert_eq!(comments(&formatted), comments(text), "{}", context());
    assert_eq!(laid_out(&formatted), formatted, "{}", context());
    let meaning = |text: &str| canonical(&compile(text).unwrap());
    assert_eq!(meaning(&formatted), meaning(text), "{}", context());
    assert!(!formatted.contains("\n\n\n") || formatted.contains("\"\"\""), "{}", context());
    let ends_in_space = |line: &str| line.ends_with([' ', '\t']);
    assert!(!formatted.lines().any(ends_in_space) || text.contains("\"\"\""), "{}", context());
}

/// A part of a text.
struct Part<'t> {
    /// The spaces before it.
    gap: &'t str,
    text: &'t str,
    is_comment: bool,
    /// Whether it stands between the braces of a caveat, or is the closing one.
    in_caveat: bool,
}

/// Takes a text apart; independent of how the formatter does it. The last part is the empty end.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let (mut at, mut braces, mut is_caveat) = (0, 0, false);
    loop {
        let start = at + text[at..].len() - text[at..].trim_start().len();
        let rest = &text[start..];
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote));
        let is_comment = rest.starts_with("//") || rest.starts_with("/*");
        let length = match rest.chars().next() {
            None => 0,
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if is_comment => rest.find("*/").unwrap() + 2,
            _ if word > 0 => word,
            _ if quote.is_some() => {
                let quote = quote.unwrap();
                rest[quote.len()..].find(quote).unwrap() + 2 * quote.len()
            }
            _ if rest.starts_with("...") => 3,
            _ if rest.starts_with("->") => 2,
            Some(sign) => sign.len_utf8(),
        };
        let part = &rest[..length];
        let inside = braces > 0;
        parts.push(Part { gap: &text[at..start], text: part, is_comment, in_caveat: inside });
        if part.is_empty() {
            return parts;
        }
        is_caveat |= part == "caveat" && !inside;
        match part {
            "{" if is_caveat => braces += 1,
            "}" if inside => braces -= 1,
            _ => {}
        }
        is_caveat &= part != "}" || braces > 0;
        at = start + length;
    }
}

fn tokens(text: &str) -> Vec<&str> {
    parts(text).into_iter().filter(|part| !part.is_comment).map(|part| part.text).collect()
}

/// The comments, each without the spaces at the ends of its lines.
fn comments(text: &str) -> Vec<String> {
    let parts = parts(text).into_iter().filter(|part| part.is_comment);
    parts.map(|part| part.text.lines().map(str::trim).collect::<Vec<_>>().join("\n")).collect()
}

/// The same with comments, spaces and line breaks wherever the language allows them.
fn with_comments(text: &str, density: usize, random: &mut Random) -> String {
    /// After these, a line break ends no statement.
    const OPEN: [&str; 14] =
        ["{", "}", ";", "+", "-", "&", "|", "(", ",", "=", ":", "<", "->", "."];
    let mut commented = String::new();
    let mut before = ";";
    let mut count = 0;
    for part in parts(text) {
        let breaks = part.gap.contains('\n') || part.in_caveat || OPEN.contains(&before);
        commented.push_str(part.gap);
        let is_literal_end = part.text.starts_with(['"', '\'']) || before.ends_with(['"', '\'']);
        // The signs of one operator may not be parted.
        let is_apart = !part.in_caveat || (!part.gap.is_empty() && !is_literal_end);
        if random.percent(density) && is_apart {
            count += 1;
            let spaces = ["", " ", "  ", "\t"];
            // A comment after a `/` would make another comment of it.
            commented.push_str(if before == "/" { " " } else { one(random, &spaces) });
            let added = match random.below(4) {
                0 | 1 if breaks => format!(" // c{count}  \n"),
                _ if part.in_caveat => "\n  \n\n ".to_owned(),
                2 if breaks => format!("\n\n\n/*c{count}\n    * more\n*/\n"),
                2 => format!("/** c{count}\n   more */"),
                _ => format!(" /* c{count} */"),
            };
            commented.push_str(&added);
            commented.push_str(one(random, &spaces));
        }
        commented.push_str(part.text);
        if !part.is_comment {
            before = part.text;
        } else if part.text.starts_with("//") {
            before = ";";
        }
    }
    commented
}

/// One of several texts.
fn one<'t>(random: &mut Random, texts: &[&'t str]) -> &'t str {
    texts[random.below(texts.len())]
}

/// A right schema.
fn random_schema(random: &mut Random) -> String {
    let mut text = String::new();
    for line in ["use expiration\n", "use self;", "use partial\n\n\n"] {
        text.push_str(line);
    }
    text.push_str("definition user {}\n");
    text.push_str("caveat on_day(day int, days list<int>) { day in days");
    text.push_str(one(
        random,
        &["}", " }\n", "\n\n   && day >\n 1\n\n}", "\n|| {'a': day}.a == 1 }"],
    ));
    text.push_str(one(random, &["\n", ";\n", " "]));
    text.push_str("partial shared { relation parent: doc\n permission seen = parent->seen }\n");
    text.push_str("definition doc{...shared\n");
    for name in ["viewer", "editor", "banned"] {
        write!(text, "relation {name}:").unwrap();
        let mut forms = vec![
            "user",
            "user:*",
            "doc#viewer",
            "user with on_day",
            "user with expiration",
            "user with on_day and expiration",
        ];
        // A wildcard may not be included by another definition's or this one's relations.
        forms.retain(|form| *form != "doc#viewer");
        for at in 0..random.between(1, forms.len()) {
            text.push_str(if at == 0 { " " } else { one(random, &["|", " | ", "\n|", "|\n"]) });
            text.push_str(forms.remove(random.below(forms.len())));
        }
        text.push_str(one(random, &[";", "\n", " ; ", "\n\n\n\n"]));
    }
    for at in 0..random.between(0, 4) {
        write!(text, "permission perm{at}").unwrap();
        text.push_str(one(random, &["=", " = ", ": user = ", "\n=\n"]));
        expression(random, 3, &mut text);
        text.push_str(one(random, &[";", "\n", " ; ", "\n\n\n\n"]));
    }
    text.push('}');
    text
}

fn expression(random: &mut Random, depth: usize, text: &mut String) {
    for at in 0..random.between(1, 3) {
        if at > 0 {
            text.push_str(one(random, &["+", " + ", "&", " & ", " -", "\n- ", "&\n", "\n\n\n+\n"]));
        }
        if depth > 0 && random.percent(30) {
            text.push_str(one(random, &["(", "( ", "(\n", "(\n\n"]));
            expression(random, depth - 1, text);
            text.push_str(one(random, &[")", " )", "\n)", "\n\n)"]));
        } else {
            let leaves = [
                "viewer",
                "editor",
                "nil",
                "self",
                "parent->viewer",
                "parent\n->\nviewer",
                "parent.any(viewer)",
                "parent . all( viewer\n)",
            ];
            text.push_str(one(random, &leaves));
        }
    }
}
