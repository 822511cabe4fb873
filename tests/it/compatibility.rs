//! The page of differences from `SpiceDB`: Kilwa's half of each row that shows a schema.

use kilwa::caveat::Steps;
use kilwa::relationship::Context;
use kilwa::schema::{DiagnosticStage, compile};
use std::fs;
use std::path::Path;

#[test]
fn schemas_on_the_page_are_taken_as_it_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
    let page = fs::read_to_string(page).unwrap();
    let section = page.split("\n## ").find(|part| part.starts_with("Schema language")).unwrap();
    let (table, _) = section.split_once("\nWriting:\n").unwrap();
    let mut schemas = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells = cells(row);
        let [_, _, kilwa, _, shown] = cells.as_slice() else { panic!("{row}") };
        if let Some(text) = schema(shown) {
            schemas += 1;
            let said = said(&text);
            assert!(*kilwa == said || kilwa.starts_with(&format!("{said},")), "{said}: {row}");
        }
    }
    assert!(schemas > 15, "{schemas} schemas");
}

/// Rows of numbers that a parameter does not take show them as contexts.
#[test]
fn contexts_on_the_page_are_refused() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
    let page = fs::read_to_string(page).unwrap();
    let mut contexts = 0;
    for row in page.lines().filter(|row| row.contains("`ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR`"))
    {
        let cells = cells(row);
        let [what, _, _, _, shown] = cells.as_slice() else { panic!("{row}") };
        let types =
            ["int", "uint", "double"].iter().filter(|name| what.contains(&format!("`{name}`")));
        for name in types {
            let schema =
                compile(&format!("caveat number(a {name}) {{ a == a }} definition user {{}}"))
                    .unwrap();
            let caveat = schema.caveat(schema.find_caveat("number").unwrap());
            for text in shown.split('`').filter(|text| text.starts_with('{')) {
                contexts += 1;
                let context = Context::parse(text).unwrap();
                for (stored, requested) in
                    [(&context, &Context::default()), (&Context::default(), &context)]
                {
                    let outcome = caveat.evaluate(stored, requested, &Steps::default());
                    assert!(outcome.is_err(), "{name} {text}: {outcome:?}");
                }
            }
        }
    }
    assert!(contexts > 5, "{contexts} contexts");
}

/// The cells of a row, without the bars that stand between them.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim_matches('|').replace("\\|", "\0");
    row.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

/// The schema that a cell consists of.
fn schema(cell: &str) -> Option<String> {
    let text = cell.strip_prefix('`')?.strip_suffix('`')?;
    let is_schema = ["definition ", "caveat ", "use "].iter().any(|word| text.starts_with(word));
    is_schema.then(|| text.replace('⏎', "\n"))
}

/// What becomes of a schema, in the words of the page.
fn said(text: &str) -> String {
    match compile(text) {
        Ok(_) => "accepts".to_owned(),
        Err(faults) => match faults[0].stage {
            DiagnosticStage::Parse => "refuses: `INVALID_ARGUMENT`".to_owned(),
            DiagnosticStage::Type | DiagnosticStage::Lint => {
                "refuses: `FAILED_PRECONDITION`".to_owned()
            }
        },
    }
}
