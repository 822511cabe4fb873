//! Deep, long and senseless texts: an answer and never a crash. The sizes are what a debug build does quickly.

use crate::schema_support::{faults, schema};
use kilwa::schema::{Rule, compile, format, lint};

fn permission(expression: &str) -> String {
    format!(
        "definition user {{}}\ndefinition doc {{\nrelation aaa: user\npermission view = {expression}\n}}"
    )
}

#[test]
fn parentheses_nest_up_to_a_limit() {
    let nested =
        |depth: usize| permission(&format!("{}aaa{}", "(".repeat(depth), ")".repeat(depth)));
    schema(&nested(100));
    insta::assert_snapshot!(faults(&nested(101)), @"4:119-4:120 Parse nested-too-deep: brackets nest more than 100 levels deep");
    assert!(faults(&nested(1_000_000)).contains("brackets nest more than 100 levels deep"));
    assert!(faults(&permission(&"(".repeat(1_000_000))).contains("levels deep"));
}

#[test]
fn types_and_braces_nest_up_to_a_limit() {
    let deep_type = |depth: usize| {
        format!("caveat cav(a {}int{}) {{ a == 1 }}", "list<".repeat(depth), ">".repeat(depth))
    };
    assert!(faults(&deep_type(90)).contains("invalid type for caveat parameter"));
    assert!(faults(&deep_type(1_000_000)[..4_000_000]).contains("levels deep"));
    assert!(
        faults(&format!("caveat cav(a int) {}", "{".repeat(1_000_000))).contains("levels deep")
    );
    assert!(
        faults(&format!("caveat cav(a int) {{ a {} }}", "[".repeat(1_000_000)))
            .contains("levels deep")
    );
    assert!(faults(&format!("caveat cav(a int) {{ {}", "{\n".repeat(99))).contains("found: `{`"));
}

#[test]
fn operations_nest_up_to_a_limit() {
    let chain = |operator: &str, count: usize| vec!["aaa"; count].join(operator);
    schema(&permission(&chain(" - ", 100)));
    insta::assert_snapshot!(faults(&permission(&chain("-", 102))), @"4:19-4:426 Parse nested-too-deep: permission `view` nests more than 100 operations deep (move a part of the expression into a permission of its own)");
    assert!(faults(&permission(&chain("-", 20_000))).contains("100 operations deep"));
    let nested = format!("{}aaa{}", "(aaa - aaa & aaa + ".repeat(90), ")".repeat(90));
    assert!(faults(&permission(&nested)).contains("100 operations deep"));
}

#[test]
fn long_chains_of_one_operator_are_flat() {
    for operator in [" + ", " & "] {
        let text = permission(&vec!["aaa"; 20_000].join(operator));
        let schema = schema(&text);
        let Rule::Permission(expr) = &schema.nodes()[1].rule else { panic!() };
        assert!(
            matches!(expr, kilwa::schema::Expr::Union(all) | kilwa::schema::Expr::Intersection(all) if all.len() == 20_000)
        );
        assert_eq!(format::canonical(&schema).matches("aaa").count(), 20_001);
        lint::lint(&schema);
    }
}

#[test]
fn a_text_has_a_largest_size() {
    let text = |bytes: usize| format!("definition user {{}}//{}", "x".repeat(bytes - 20));
    schema(&text(4_194_304));
    insta::assert_snapshot!(faults(&text(4_194_305)), @"1:1-1:1 Parse schema-too-large: validation error: schema: must be at most 4194304 bytes");
}

#[test]
fn a_text_has_a_largest_number_of_words_and_signs() {
    // Each operand is a word and a sign; the text around them has 17.
    let text = |operands: usize| permission(&vec!["a"; operands].join("+"));
    let refused = faults(&text(500_000));
    assert!(refused.contains("more than 500000 words and signs"), "{refused}");
    assert!(!faults(&text(200_000)).contains("words and signs"));
    // Comments are none.
    let commented = format!("definition user {{}}\n{}", "// a + b + c\n".repeat(200_000));
    schema(&commented);
}

#[test]
fn garbage_ends_in_a_hundred_faults() {
    let lines = [
        "definition doc {\nnonsense\n",
        "x;y;z;\n",
        "relation aaa: bbb\n",
        "\\\"'''\n",
        "$%&\n",
        "}\n",
        "definition doc {}}\n",
    ];
    for line in lines {
        let text = line.repeat(100_000 / line.len());
        let diagnostics = compile(&text).unwrap_err();
        assert!((1..=100).contains(&diagnostics.len()), "{line}");
    }
    let parameters: Vec<String> = (0..150_000).map(|n| format!("p{n} int")).collect();
    let unused = format!("caveat cav({}) {{ p0 == 1 }}", parameters.join(", "));
    assert_eq!(compile(&unused).unwrap_err().len(), 100);
    let body = format!("definition doc {{\n{}}}", "nonsense; ".repeat(10_000));
    assert_eq!(compile(&body).unwrap_err().len(), 100);
}

#[test]
fn long_chains_of_aliases_and_usersets_are_walked_in_a_loop() {
    use std::fmt::Write as _;
    let mut text =
        "definition user {}\ndefinition doc {\nrelation rel0: user\npermission per0 = rel0\n"
            .to_owned();
    for n in 1..2_000 {
        writeln!(text, "relation rel{n}: doc#rel{}\npermission per{n} = per{}", n - 1, n - 1)
            .unwrap();
    }
    text.push('}');
    let schema = schema(&text);
    let doc = schema.find_definition("doc").unwrap().id;
    let user = schema.find_definition("user").unwrap().id;
    let last = schema.find_node(doc, "rel1999").unwrap().id;
    assert!(schema.can_reach(last, user, None));
    lint::lint(&schema);
}

#[test]
fn arrows_cannot_blow_a_schema_up() {
    use std::fmt::Write as _;
    let mut text = String::new();
    (0..2_000).for_each(|n| writeln!(text, "definition def{n} {{}}").unwrap());
    let types: Vec<String> = (0..2_000).map(|n| format!("def{n}")).collect();
    write!(text, "definition doc {{\nrelation parent: {}\n", types.join(" | ")).unwrap();
    write!(text, "permission view = {}\n}}", vec!["parent->view"; 1_000].join(" + ")).unwrap();
    assert!(faults(&text).contains("arrows lead to more than 1000000"));
}

/// Texts made of the language's own tokens in any order: whatever they say, there is an answer.
#[test]
fn any_order_of_tokens_has_an_answer() {
    let tokens = [
        "definition",
        "user",
        "{",
        "}",
        "relation",
        "viewer",
        ":",
        "|",
        "permission",
        "=",
        "+",
        "-",
        "&",
        "->",
        "(",
        ")",
        ".any(",
        "nil",
        "self",
        "use",
        "import",
        "partial",
        "...",
        "#",
        "*",
        "with",
        "and",
        "expiration",
        "\n",
        ";",
        "caveat",
        "list<",
        ">",
        "'",
        "\"",
        "/*",
        "*/",
        "//",
        "ä",
        "\\",
        ",",
        "int",
        "\"x\"",
        "1",
    ];
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % bound
    };
    for _ in 0..3_000 {
        let length = next(40);
        let words: Vec<&str> = (0..length).map(|_| tokens[next(tokens.len())]).collect();
        if let Err(diagnostics) = compile(&words.join(" ")) {
            for diagnostic in diagnostics {
                assert!(diagnostic.source.get(diagnostic.span.clone()).is_some(), "{diagnostic}");
                assert!(diagnostic.start() <= diagnostic.end());
            }
        }
    }
}
