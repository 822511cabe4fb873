//! Helpers of the schema tests: results as text.

use kilwa::schema::{ArrowNotation, Diagnostic, Expr, Quantifier, Rule, Schema, compile};

/// The schema of a text that must be right.
pub(crate) fn schema(text: &str) -> Schema {
    match compile(text) {
        Ok(schema) => schema,
        Err(diagnostics) => panic!("{}\nin:\n{text}", shown(&diagnostics)),
    }
}

/// The faults of a text that must be wrong, one in a line: `line:column-line:column stage code: message (help)`.
pub(crate) fn faults(text: &str) -> String {
    match compile(text) {
        Ok(_) => panic!("this should have been refused:\n{text}"),
        Err(diagnostics) => shown(&diagnostics),
    }
}

/// Diagnostics, one in a line.
pub(crate) fn shown(diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| {
            let help = diagnostic.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
            format!(
                "{}-{} {:?} {}: {}{help}",
                diagnostic.start(),
                diagnostic.end(),
                diagnostic.stage,
                diagnostic.code,
                diagnostic.message
            )
        })
        .collect();
    lines.join("\n")
}

/// The expression of a permission as a tree in prefix notation: `(- (+ a b) c)`.
pub(crate) fn tree(schema: &Schema, definition: &str, permission: &str) -> String {
    let id = schema.find_definition(definition).unwrap().id;
    match &schema.find_node(id, permission).unwrap().rule {
        Rule::Permission(expr) => expr_tree(schema, expr),
        Rule::Relation(_) => panic!("{permission} is a relation"),
    }
}

fn expr_tree(schema: &Schema, expr: &Expr) -> String {
    let all = |operator: &str, operands: &[Expr]| {
        let operands: Vec<String> = operands.iter().map(|o| expr_tree(schema, o)).collect();
        format!("({operator} {})", operands.join(" "))
    };
    match expr {
        Expr::Nil => "nil".to_owned(),
        Expr::Itself => "self".to_owned(),
        Expr::Node(id) => schema.node(*id).name.clone(),
        Expr::Arrow(arrow) => {
            let left = &schema.node(arrow.tupleset).name;
            let right = &arrow.target;
            match (arrow.notation, arrow.quantifier) {
                (ArrowNotation::Arrow, _) => format!("{left}->{right}"),
                (ArrowNotation::Function, Quantifier::Any) => format!("{left}.any({right})"),
                (ArrowNotation::Function, Quantifier::All) => format!("{left}.all({right})"),
            }
        }
        Expr::Union(operands) => all("+", operands),
        Expr::Intersection(operands) => all("&", operands),
        Expr::Exclusion(base, out) => {
            format!("(- {} {})", expr_tree(schema, base), expr_tree(schema, out))
        }
    }
}
