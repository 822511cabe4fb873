//! A server in a process of its own, as its users start it.

use crate::program::without_variables;
use crate::server_support::{Bearer, KEY, Keyed};
use kilwa::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use kilwa::proto::authzed::api::v1::schema_service_client::SchemaServiceClient;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use tokio::time::Instant;
use tonic::transport::Channel;

/// The program to start: another one than this build's when `KILWA_TEST_PROGRAM` says so, to compare the two by hand.
#[expect(clippy::disallowed_methods, reason = "a knob for comparisons by hand")]
fn program() -> String {
    std::env::var("KILWA_TEST_PROGRAM").unwrap_or(env!("CARGO_BIN_EXE_kilwa").to_owned())
}

/// Long enough for a machine that is busy with other tests.
const START_MAX: Duration = Duration::from_mins(2);
const HOST: &str = "127.0.0.1:";

/// A running server. It is killed when dropped.
pub(crate) struct Served {
    process: Child,
    endpoint: String,
    /// What it wrote before it said where it listens.
    early: Vec<String>,
    /// What it writes after that.
    lines: Mutex<Receiver<String>>,
}

impl Served {
    /// Starts a server on a free port, with its data in a folder.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    /// The same, with a validation file's schema and relationships to start with.
    pub(crate) fn bootstrapped(data_dir: &Path, file: &Path) -> Self {
        Self::start_with(data_dir, &["--bootstrap", file.to_str().unwrap()])
    }

    /// The same, as a reader of the pages starts it: with a key that it makes itself, and a home that is `home`.
    pub(crate) fn as_shown(home: &Path, data_dir: &Path, file: &Path) -> Self {
        let mut program = without_variables(program());
        program.env_remove("XDG_STATE_HOME").env_remove("XDG_DATA_HOME").env("HOME", home);
        program.args(["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
        program.arg("--bootstrap").arg(file);
        Self::run(program)
    }

    /// The same, of a program that was installed.
    pub(crate) fn installed(program: &Path, data_dir: &Path, file: &Path) -> Self {
        Self::spawn(without_variables(program), data_dir, &["--bootstrap", file.to_str().unwrap()])
    }

    /// The same, with more options.
    pub(crate) fn start_with(data_dir: &Path, arguments: &[&str]) -> Self {
        Self::spawn(without_variables(program()), data_dir, arguments)
    }

    /// The same, with a limit of open files that the server cannot raise.
    pub(crate) fn start_limited(open_files: u32, data_dir: &Path, arguments: &[&str]) -> Self {
        let mut shell = without_variables("sh");
        let script = format!("ulimit -n {open_files} && exec \"$@\"");
        shell.args(["-c", &script, "sh", &program()]);
        Self::spawn(shell, data_dir, arguments)
    }

    /// The same, by way of a program that hands its arguments on.
    pub(crate) fn spawn(mut program: Command, data_dir: &Path, arguments: &[&str]) -> Self {
        program
            .args([
                "serve",
                "--grpc-addr",
                "127.0.0.1:0",
                "--grpc-preshared-key",
                KEY,
                "--data-dir",
            ])
            .arg(data_dir)
            .args(arguments);
        Self::run(program)
    }

    /// Starts a program, which may have any options that make it serve.
    pub(crate) fn run(mut program: Command) -> Self {
        let program = program.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = program.spawn().unwrap();
        let (sender, lines) = channel();
        forward(process.stdout.take().unwrap(), sender.clone());
        forward(process.stderr.take().unwrap(), sender);
        let (endpoint, early) = await_endpoint(&lines);
        Self { process, endpoint, early, lines: Mutex::new(lines) }
    }

    /// Every line that it writes up to one which holds a text, with that one. Lines of standard output and standard error come
    /// in any order, those of one of them in theirs.
    #[track_caller]
    pub(crate) fn lines_through(&self, text: &str) -> Vec<String> {
        let mut lines = self.early.clone();
        if !lines.iter().any(|line| line.contains(text)) {
            let later = self.lines.lock().unwrap();
            while let Ok(line) = later.recv_timeout(START_MAX) {
                lines.push(line);
                if lines.last().unwrap().contains(text) {
                    break;
                }
            }
        }
        assert!(lines.iter().any(|line| line.contains(text)), "the server did not say `{text}`");
        lines
    }

    /// The next line that it writes which holds a text.
    #[track_caller]
    pub(crate) fn await_line(&self, text: &str) -> String {
        // Standard output and standard error come in any order.
        if let Some(line) = self.early.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        let lines = self.lines.lock().unwrap();
        let mut said = String::new();
        while let Ok(line) = lines.recv_timeout(START_MAX) {
            if line.contains(text) {
                return line;
            }
            writeln!(said, "{line}").unwrap();
        }
        panic!("the server did not say `{text}`:\n{said}");
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process_id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// How it ends, which must not take long.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> i32 {
        await_exit(&mut self.process).code().unwrap()
    }

    /// Ends it by a signal, and gives every line that it wrote and that was not asked for before.
    pub(crate) fn last_lines(mut self) -> Vec<String> {
        self.signal("TERM");
        assert_eq!(self.exit_code(), 0);
        let later = self.lines.lock().unwrap();
        self.early.iter().cloned().chain(later.iter()).collect()
    }

    /// Waits until a signal has ended it.
    pub(crate) fn await_end(&mut self) {
        await_exit(&mut self.process);
    }

    /// Host and port of its gRPC interface.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The number of its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it has ended by itself, and gives its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }

    /// The memory that it holds, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// The most memory that it has held so far, in KiB.
    pub(crate) fn peak_resident_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    /// Begins anew with the most memory that it has held.
    pub(crate) fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.process.id());
        std::fs::write(path, "5").unwrap();
    }

    fn memory_kib(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }

    pub(crate) async fn permissions(&self) -> PermissionsServiceClient<Keyed> {
        PermissionsServiceClient::with_interceptor(self.channel().await, Bearer(KEY.to_owned()))
    }

    pub(crate) async fn schema(&self) -> SchemaServiceClient<Keyed> {
        SchemaServiceClient::with_interceptor(self.channel().await, Bearer(KEY.to_owned()))
    }

    pub(crate) async fn channel(&self) -> Channel {
        channel_to(&self.endpoint).await
    }
}

/// A client of the server at an address, for threads that do not have the server.
pub(crate) async fn permissions_at(endpoint: &str) -> PermissionsServiceClient<Keyed> {
    PermissionsServiceClient::with_interceptor(channel_to(endpoint).await, Bearer(KEY.to_owned()))
}

async fn channel_to(endpoint: &str) -> Channel {
    Channel::from_shared(format!("http://{endpoint}")).unwrap().connect().await.unwrap()
}

impl Drop for Served {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// How a process ends, which must not take long.
#[track_caller]
pub(crate) fn await_exit(process: &mut Child) -> ExitStatus {
    let end = Instant::now() + START_MAX;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < end, "the process goes on");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads on until the process ends, so that it never waits for a reader.
fn forward(output: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // After the start the receiver may be gone.
            drop(lines.send(line));
        }
    });
}

/// Waits for the line in which the server says where it listens; gives the lines before it as well.
fn await_endpoint(lines: &Receiver<String>) -> (String, Vec<String>) {
    let mut said = Vec::new();
    while let Ok(line) = lines.recv_timeout(START_MAX) {
        if let Some((_, rest)) = line.split_once(HOST) {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let endpoint = format!("{HOST}{port}");
            said.push(line);
            return (endpoint, said);
        }
        said.push(line);
    }
    panic!("the server did not say where it listens:\n{}", said.join("\n"));
}
