//! `kilwa.v1.ValidationService`.

use crate::api::context::ServiceContext;
use crate::api::convert;
use crate::api::convert::validation_response::{self, AssertionRun};
use crate::api::status;
use crate::api::workers::WorkerJob;
use crate::database::DatabaseError;
use crate::engine::EngineError;
use crate::proto::kilwa::v1 as proto;
use crate::proto::kilwa::v1::validate_live_request::Input as LiveInput;
use crate::proto::kilwa::v1::validate_request::Input;
use crate::proto::kilwa::v1::validation_service_server::ValidationService;
use crate::schema::format;
use crate::validation::{
    Assertion, FileDiagnostic, Report, RunOptions, parse_assertions, read_assertions,
    run_assertions, validate_file, validate_inline,
};
use std::collections::HashMap;
use tonic::{Request, Response, Status};

/// The name of a validation file that has none.
const FILE_NAME: &str = "validation.yaml";

/// Validation files and assertions.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    context: ServiceContext,
}

impl Validation {
    pub(crate) fn new(context: ServiceContext) -> Self {
        Self { context }
    }
}

#[tonic::async_trait]
impl ValidationService for Validation {
    async fn validate(
        &self,
        request: Request<proto::ValidateRequest>,
    ) -> Result<Response<proto::ValidateResponse>, Status> {
        let input =
            convert::required::<proto::ValidateRequest, _>("input", request.into_inner().input)?;
        let traces = self.context.traces.clone();
        let response = self.context.workers.run(move |job| {
            let report = validate(&input, &setting(job));
            Ok(validation_response::file(
                &report.map_err(|error| status::from_engine(&error))?,
                &traces,
            ))
        });
        Ok(Response::new(response.await?))
    }

    async fn validate_live(
        &self,
        request: Request<proto::ValidateLiveRequest>,
    ) -> Result<Response<proto::ValidateLiveResponse>, Status> {
        let request = request.into_inner();
        let (tokens, traces) = (self.context.tokens, self.context.traces.clone());
        let consistency = tokens.consistency(request.consistency)?;

        let input = convert::required::<proto::ValidateLiveRequest, _>("input", request.input);
        let response = self.context.workers.run(move |job| {
            let view = job.view(consistency)?;
            let (assertions, findings) = assertions(&input?);
            let results =
                run_assertions(assertions, |query, tracing| match view.check(query, tracing) {
                    Err(DatabaseError::Engine(error)) if error.is_end_of_request() => {
                        Err(status::from_engine(&error))
                    }
                    answer => Ok(answer.map_err(|error| error.to_string())),
                })?;
            let run = AssertionRun { findings: &findings, results: &results };
            let token = tokens.token(view.revision());
            Ok(validation_response::live(token, run, &traces, &format::canonical(view.schema())))
        });

        Ok(Response::new(response.await?))
    }
}

/// A whole file may take as long as the checks of any other request.
fn setting<'j>(job: &WorkerJob<'j>) -> RunOptions<'j> {
    let WorkerJob { database, now, stopwatch, interrupted } = *job;
    RunOptions { now, interrupted, stopwatch, time_max: database.options().limits.time_max }
}

fn validate(input: &Input, setting: &RunOptions<'_>) -> Result<Report, EngineError> {
    match input {
        Input::File(file) => validate_whole(file, setting),
        Input::Parts(parts) => validate_inline(&convert::parts(parts), setting),
    }
}

fn validate_whole(
    file: &proto::ValidationFile,
    setting: &RunOptions<'_>,
) -> Result<Report, EngineError> {
    let name = if file.name.is_empty() { FILE_NAME } else { &file.name };
    let files: HashMap<&str, &str> =
        file.referenced_files.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
    let load = |path: &str| {
        require_local(path)?;
        let found = files.get(path).or_else(|| files.get(path.trim_start_matches("./")));
        found
            .map(|text| (*text).to_owned())
            .ok_or_else(|| format!("`{path}` is not among the files of the request"))
    };
    validate_file(name, &file.text, &load, setting)
}

/// Requires that a path leads to the folder of the file or below it: a request is a folder of its own.
fn require_local(path: &str) -> Result<(), String> {
    let escapes = path.split(['/', '\\']).any(|segment| segment == "..");
    let is_absolute = path.starts_with(['/', '\\']) || path.contains(':');
    if escapes || is_absolute {
        return Err(format!(
            "`{path}` is not local: name a file in the validation file's folder or below it"
        ));
    }
    Ok(())
}

fn assertions(input: &LiveInput) -> (Vec<Assertion>, Vec<FileDiagnostic>) {
    match input {
        LiveInput::Assertions(assertions) => parse_assertions(&convert::assertions(assertions)),
        LiveInput::AssertionsYaml(text) => read_assertions(FILE_NAME, text),
    }
}
