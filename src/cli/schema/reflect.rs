//! `kilwa schema reflect`.

use crate::cli::failure::Failure;
use crate::cli::remote::Server;
use crate::cli::{Exit, consistency, render};
use crate::schema::diff::SubjectForm;
use crate::schema::reflection::{Caveat, Definition, Filter, Reflection, Relation};
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only definitions whose names start so.
    #[arg(long, value_name = "PREFIX", conflicts_with = "caveat")]
    definition: Option<String>,
    /// Of these definitions only the relations whose names start so.
    #[arg(long, value_name = "PREFIX", requires = "definition", conflicts_with = "permission")]
    relation: Option<String>,
    /// Of these definitions only the permissions whose names start so.
    #[arg(long, value_name = "PREFIX", requires = "definition")]
    permission: Option<String>,
    /// Only caveats whose names start so.
    #[arg(long, value_name = "PREFIX")]
    caveat: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: consistency::Flags,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let connection = arguments.server.connect()?;
    let moment = arguments.consistency.moment(&connection)?;
    let (reflection, token) = connection.reflect_schema(arguments.filter().as_ref(), &moment)?;
    if arguments.json {
        render::json(&Reflected::new(&reflection, token))?;
    } else {
        render::out(&text(&reflection))?;
    }
    Ok(Exit::Success)
}

impl Arguments {
    fn filter(&self) -> Option<Filter> {
        let Self { definition, relation, permission, caveat, .. } = self;
        if let Some(caveat) = caveat.clone() {
            return Some(Filter::Caveats { caveat });
        }
        let definition = definition.clone()?;
        Some(match (relation.clone(), permission.clone()) {
            (Some(relation), _) => Filter::Relations { definition, relation },
            (None, Some(permission)) => Filter::Permissions { definition, permission },
            (None, None) => Filter::Definitions { definition },
        })
    }
}

/// One line for each definition, relation, permission and caveat.
fn text(Reflection { definitions, caveats }: &Reflection) -> String {
    let mut lines = Vec::new();
    for definition in definitions {
        lines.push(format!("definition {}", definition.name));
        lines.extend(definition.relations.iter().map(|relation| {
            let forms = relation.subjects.iter().map(|form| form.text.as_str());
            format!("  relation {}: {}", relation.name, forms.collect::<Vec<_>>().join(" | "))
        }));
        let permissions = definition.permissions.iter();
        lines.extend(permissions.map(|permission| format!("  permission {}", permission.name)));
    }
    lines.extend(caveats.iter().map(|caveat| {
        let parameters = caveat.parameters.iter();
        let parameters =
            parameters.map(|parameter| format!("{} {}", parameter.name, parameter.parameter_type));
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        format!("caveat {}({parameters}) {{ {} }}", caveat.name, caveat.expression)
    }));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The schema as the wire writes it in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reflected<'a> {
    definitions: Vec<DefinitionRow<'a>>,
    caveats: Vec<CaveatRow<'a>>,
    read_at: render::Token,
}

#[derive(Serialize)]
struct DefinitionRow<'a> {
    name: &'a str,
    comment: &'a str,
    relations: Vec<RelationRow<'a>>,
    permissions: Vec<Member<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RelationRow<'a> {
    #[serde(flatten)]
    member: Member<'a>,
    subject_types: Vec<Form<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member<'a> {
    name: &'a str,
    comment: &'a str,
    parent_definition_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Form<'a> {
    subject_definition_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    optional_caveat_name: Option<&'a str>,
    #[serde(flatten)]
    which: Which<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Which<'a> {
    IsTerminalSubject(bool),
    OptionalRelationName(&'a str),
    IsPublicWildcard(bool),
}

#[derive(Serialize)]
struct CaveatRow<'a> {
    name: &'a str,
    comment: &'a str,
    parameters: Vec<ParameterRow<'a>>,
    expression: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParameterRow<'a> {
    name: &'a str,
    r#type: &'a str,
    parent_caveat_name: &'a str,
}

impl<'a> Reflected<'a> {
    fn new(reflection: &'a Reflection, token: String) -> Self {
        Self {
            definitions: reflection.definitions.iter().map(DefinitionRow::new).collect(),
            caveats: reflection.caveats.iter().map(CaveatRow::new).collect(),
            read_at: token.into(),
        }
    }
}

impl<'a> DefinitionRow<'a> {
    fn new(definition: &'a Definition) -> Self {
        let permissions = definition.permissions.iter().map(|permission| Member {
            name: &permission.name,
            comment: &permission.comment,
            parent_definition_name: &permission.definition,
        });
        Self {
            name: &definition.name,
            comment: &definition.comment,
            relations: definition.relations.iter().map(RelationRow::new).collect(),
            permissions: permissions.collect(),
        }
    }
}

impl<'a> RelationRow<'a> {
    fn new(relation: &'a Relation) -> Self {
        let member = Member {
            name: &relation.name,
            comment: &relation.comment,
            parent_definition_name: &relation.definition,
        };
        Self { member, subject_types: relation.subjects.iter().map(Form::new).collect() }
    }
}

impl<'a> Form<'a> {
    fn new(form: &'a SubjectForm) -> Self {
        let which = match &form.subject_relation {
            Some(relation) => Which::OptionalRelationName(relation),
            None if form.is_wildcard => Which::IsPublicWildcard(true),
            None => Which::IsTerminalSubject(true),
        };
        Self {
            subject_definition_name: &form.subject_type,
            optional_caveat_name: form.caveat.as_deref(),
            which,
        }
    }
}

impl<'a> CaveatRow<'a> {
    fn new(caveat: &'a Caveat) -> Self {
        let parameters = caveat.parameters.iter().map(|parameter| ParameterRow {
            name: &parameter.name,
            r#type: &parameter.parameter_type,
            parent_caveat_name: &parameter.caveat,
        });
        Self {
            name: &caveat.name,
            comment: &caveat.comment,
            parameters: parameters.collect(),
            expression: &caveat.expression,
        }
    }
}
