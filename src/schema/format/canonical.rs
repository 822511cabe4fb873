//! The canonical text of a schema: one spelling for all texts that mean the same.
//!
//! `use` lines for the features in use, caveats by name, definitions by name, a blank line between them; members in written
//! order, one in a line, after a tab. Doc comments stay. Imports and partials are written out, annotations are gone. The
//! text compiles to the same schema, and its canonical text is itself.

use crate::caveat::Caveat;
use crate::schema::model::{Arrow, ArrowNotation, Definition, Expr, NodeId, Quantifier, Rule};
use crate::schema::parse::comments::{split_comments, unmarked_lines};
use crate::schema::schema::Schema;

/// The canonical text of a schema, without a line break at its end.
pub fn canonical(schema: &Schema) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(uses_itself(schema).then(|| "use self".to_owned()));
    parts.extend(uses_expiration(schema).then(|| "use expiration".to_owned()));
    let mut caveats: Vec<(&Caveat, &str)> = schema
        .caveats()
        .iter()
        .zip(&schema.syntax.caveats)
        .map(|(caveat, written)| (caveat, written.comment.written.as_str()))
        .collect();
    caveats.sort_by_key(|(caveat, _)| caveat.name());
    parts.extend(caveats.into_iter().map(|(caveat, comment)| caveat_text(caveat, comment)));
    let mut definitions: Vec<&Definition> = schema.definitions().iter().collect();
    definitions.sort_by_key(|definition| &definition.name);
    parts.extend(definitions.into_iter().map(|definition| definition_text(schema, definition)));
    parts.join("\n\n")
}

fn caveat_text(caveat: &Caveat, comment: &str) -> String {
    let mut parameters: Vec<String> = caveat
        .parameters()
        .iter()
        .map(|parameter| format!("{} {}", parameter.name, parameter.parameter_type))
        .collect();
    parameters.sort();
    let comment = comment_text(comment, "");
    let (name, body) = (caveat.name(), caveat.canonical_body());
    format!("{comment}caveat {name}({}) {{\n\t{body}\n}}", parameters.join(", "))
}

fn definition_text(schema: &Schema, definition: &Definition) -> String {
    let comment = comment_text(&definition.comment, "");
    let name = &definition.name;
    if definition.nodes.is_empty() {
        return format!("{comment}definition {name} {{}}");
    }
    let members: String = definition.nodes.iter().map(|id| member_text(schema, *id)).collect();
    format!("{comment}definition {name} {{\n{members}}}")
}

fn member_text(schema: &Schema, id: NodeId) -> String {
    let node = schema.node(id);
    let comment = comment_text(&node.comment, "\t");
    match &node.rule {
        Rule::Relation(allowed) => {
            let forms: Vec<String> = allowed.iter().map(|a| schema.allowed_text(a)).collect();
            format!("{comment}\trelation {}: {}\n", node.name, forms.join(" | "))
        }
        Rule::Permission(expr) => {
            format!("{comment}\tpermission {} = {}\n", node.name, expr_text(schema, expr))
        }
    }
}

/// An expression with the parentheses that it needs, and those around intersections and exclusions in other operations.
pub(in crate::schema) fn expr_text(schema: &Schema, expr: &Expr) -> String {
    let join = |operator: &str, operands: &[Expr]| {
        let parts: Vec<String> = operands.iter().map(|o| operand_text(schema, o)).collect();
        parts.join(operator)
    };
    match expr {
        Expr::Nil => "nil".to_owned(),
        Expr::Itself => "self".to_owned(),
        Expr::Node(id) => schema.node(*id).name.clone(),
        Expr::Arrow(arrow) => arrow_text(schema, arrow),
        Expr::Union(operands) => join(" + ", operands),
        Expr::Intersection(operands) => join(" & ", operands),
        Expr::Exclusion(base, subtracted) => {
            format!("{} - {}", operand_text(schema, base), operand_text(schema, subtracted))
        }
    }
}

/// An expression inside of another operation. Unions bind tightest of all and need no parentheses anywhere.
fn operand_text(schema: &Schema, expr: &Expr) -> String {
    match expr {
        Expr::Intersection(_) | Expr::Exclusion(..) => format!("({})", expr_text(schema, expr)),
        Expr::Nil | Expr::Itself | Expr::Node(_) | Expr::Arrow(_) | Expr::Union(_) => {
            expr_text(schema, expr)
        }
    }
}

fn arrow_text(schema: &Schema, arrow: &Arrow) -> String {
    let left = &schema.node(arrow.tupleset).name;
    let right = &arrow.target;
    match (arrow.notation, arrow.quantifier) {
        (ArrowNotation::Arrow, _) => format!("{left}->{right}"),
        (ArrowNotation::Function, Quantifier::Any) => format!("{left}.any({right})"),
        (ArrowNotation::Function, Quantifier::All) => format!("{left}.all({right})"),
    }
}

/// Comments, each in its lines, indented; a block of several lines gets a ` * ` before each.
fn comment_text(written: &str, indent: &str) -> String {
    let mut text = String::new();
    for comment in split_comments(written) {
        let mut line = |line: &str| text.extend([indent, line.trim_end(), "\n"]);
        if !comment.contains(['\n', '\r']) {
            line(comment);
            continue;
        }
        let lines = unmarked_lines(comment);
        let is_blank = |l: &&&str| l.is_empty();
        let leading = lines.iter().take_while(is_blank).count();
        let trailing = lines.iter().rev().take_while(is_blank).count();
        line(if comment.starts_with("/**") { "/**" } else { "/*" });
        let kept = lines.len().saturating_sub(leading + trailing);
        lines.iter().skip(leading).take(kept).for_each(|l| line(&format!(" * {l}")));
        line(" */");
    }
    text
}

fn uses_itself(schema: &Schema) -> bool {
    schema.nodes().iter().any(|node| match &node.rule {
        Rule::Permission(expr) => expr.leaves().contains(&&Expr::Itself),
        Rule::Relation(_) => false,
    })
}

fn uses_expiration(schema: &Schema) -> bool {
    schema.nodes().iter().any(|node| match &node.rule {
        Rule::Relation(allowed) => allowed.iter().any(|allowed| allowed.expires),
        Rule::Permission(_) => false,
    })
}
