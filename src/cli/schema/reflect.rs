//! `kilwa schema reflect`.

use crate::cli::consistency_args::ConsistencyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::schema::TypeReference;
use crate::schema::reflection::{
    ReflectedCaveat, ReflectedDefinition, ReflectedRelation, Reflection, ReflectionFilter,
};
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only definitions whose name starts with this prefix.
    #[arg(long, value_name = "PREFIX", conflicts_with = "caveat")]
    definition: Option<String>,
    /// Of these definitions, only relations whose name starts with this prefix.
    #[arg(long, value_name = "PREFIX", requires = "definition", conflicts_with = "permission")]
    relation: Option<String>,
    /// Of these definitions, only permissions whose name starts with this prefix.
    #[arg(long, value_name = "PREFIX", requires = "definition")]
    permission: Option<String>,
    /// Only caveats whose name starts with this prefix.
    #[arg(long, value_name = "PREFIX")]
    caveat: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let connection = arguments.server.connect()?;
    let consistency = arguments.consistency.resolve(&connection)?;
    let (reflection, token) =
        connection.reflect_schema(arguments.filter().as_ref(), &consistency)?;
    if arguments.json {
        render::json(&ReflectionJson::new(&reflection, token))?;
    } else {
        render::out(&text(&reflection))?;
    }
    Ok(Exit::Success)
}

impl Arguments {
    fn filter(&self) -> Option<ReflectionFilter> {
        let Self { definition, relation, permission, caveat, .. } = self;
        if let Some(caveat) = caveat.clone() {
            return Some(ReflectionFilter::Caveats { caveat });
        }
        let definition = definition.clone()?;
        Some(match (relation.clone(), permission.clone()) {
            (Some(relation), _) => ReflectionFilter::Relations { definition, relation },
            (None, Some(permission)) => ReflectionFilter::Permissions { definition, permission },
            (None, None) => ReflectionFilter::Definitions { definition },
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

/// The schema in the JSON form of the gRPC response.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReflectionJson<'a> {
    definitions: Vec<DefinitionJson<'a>>,
    caveats: Vec<ReflectedCaveatJson<'a>>,
    read_at: render::TokenJson,
}

#[derive(Serialize)]
struct DefinitionJson<'a> {
    name: &'a str,
    comment: &'a str,
    relations: Vec<RelationJson<'a>>,
    permissions: Vec<MemberJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RelationJson<'a> {
    #[serde(flatten)]
    member: MemberJson<'a>,
    subject_types: Vec<SubjectTypeJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberJson<'a> {
    name: &'a str,
    comment: &'a str,
    parent_definition_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectTypeJson<'a> {
    subject_definition_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    optional_caveat_name: Option<&'a str>,
    #[serde(flatten)]
    which: SubjectKindJson<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum SubjectKindJson<'a> {
    IsTerminalSubject(bool),
    OptionalRelationName(&'a str),
    IsPublicWildcard(bool),
}

#[derive(Serialize)]
struct ReflectedCaveatJson<'a> {
    name: &'a str,
    comment: &'a str,
    parameters: Vec<ParameterJson<'a>>,
    expression: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParameterJson<'a> {
    name: &'a str,
    r#type: &'a str,
    parent_caveat_name: &'a str,
}

impl<'a> ReflectionJson<'a> {
    fn new(reflection: &'a Reflection, token: String) -> Self {
        Self {
            definitions: reflection.definitions.iter().map(DefinitionJson::new).collect(),
            caveats: reflection.caveats.iter().map(ReflectedCaveatJson::new).collect(),
            read_at: token.into(),
        }
    }
}

impl<'a> DefinitionJson<'a> {
    fn new(definition: &'a ReflectedDefinition) -> Self {
        let permissions = definition.permissions.iter().map(|permission| MemberJson {
            name: &permission.name,
            comment: &permission.comment,
            parent_definition_name: &permission.definition,
        });
        Self {
            name: &definition.name,
            comment: &definition.comment,
            relations: definition.relations.iter().map(RelationJson::new).collect(),
            permissions: permissions.collect(),
        }
    }
}

impl<'a> RelationJson<'a> {
    fn new(relation: &'a ReflectedRelation) -> Self {
        let member = MemberJson {
            name: &relation.name,
            comment: &relation.comment,
            parent_definition_name: &relation.definition,
        };
        Self { member, subject_types: relation.subjects.iter().map(SubjectTypeJson::new).collect() }
    }
}

impl<'a> SubjectTypeJson<'a> {
    fn new(form: &'a TypeReference) -> Self {
        let which = match &form.subject_relation {
            Some(relation) => SubjectKindJson::OptionalRelationName(relation),
            None if form.is_wildcard => SubjectKindJson::IsPublicWildcard(true),
            None => SubjectKindJson::IsTerminalSubject(true),
        };
        Self {
            subject_definition_name: &form.subject_type,
            optional_caveat_name: form.caveat.as_deref(),
            which,
        }
    }
}

impl<'a> ReflectedCaveatJson<'a> {
    fn new(caveat: &'a ReflectedCaveat) -> Self {
        let parameters = caveat.parameters.iter().map(|parameter| ParameterJson {
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
