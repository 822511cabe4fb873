//! Imports and lookups inside of the process.

use super::{Arguments, data, report};
use kilwa::database::{Consistency, Database, DatabaseOptions};
use kilwa::engine::{LookupResourcesQuery, ResourceFilter};
use kilwa::relationship::{Context, Relationship, Timestamp};
use kilwa::store::{Store, StoreOptions};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Results of one page, as the server has them.
const PAGE: usize = 500;

pub(crate) fn measure(arguments: &Arguments) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let database = open(folder.path());
    database.write_schema(now(), data::SCHEMA).unwrap();
    import(&database, "import, inside", data::documents(arguments));
    drop(database);
    // The log is written out when a store is opened.
    drop(open(folder.path()));
    let bytes = u32::try_from(table_bytes(&folder.path().join("rocksdb"))).unwrap();
    println!(
        "{:52} {:>10.1}",
        "bytes a relationship on disk",
        f64::from(bytes) / f64::from(arguments.documents)
    );
    let database = open(folder.path());
    import(&database, "import of folders, inside", data::folders(arguments));
    for lookup in data::lookups(arguments) {
        let rounds = (0..arguments.rounds).map(|_| look_up(&database, &lookup));
        let (elapsed, first) = rounds.min().unwrap();
        report(&format!("lookup, {}, inside", lookup.name), lookup.expected, elapsed, Some(first));
    }
}

fn open(folder: &Path) -> Database {
    let store = Store::open(folder, &StoreOptions::default()).unwrap();
    Database::new(store, DatabaseOptions::default())
}

fn import(database: &Database, name: &str, parts: impl Iterator<Item = Vec<data::Row>>) {
    let mut import = database.begin_import(now()).unwrap();
    let mut elapsed = Duration::ZERO;
    for part in parts {
        let relationships: Vec<Relationship> = part.into_iter().map(relationship).collect();
        let start = Instant::now();
        import.add(&relationships).unwrap();
        elapsed += start.elapsed();
    }
    let start = Instant::now();
    let (_, count) = database.finish_import(now(), import).unwrap();
    elapsed += start.elapsed();
    report(name, usize::try_from(count).unwrap(), elapsed, None);
}

fn relationship((of, id, relation, subject, name): data::Row) -> Relationship {
    format!("{of}:{id}#{relation}@{subject}:{name}").parse().unwrap()
}

fn look_up(database: &Database, lookup: &data::Lookup) -> (Duration, Duration) {
    let subject = format!("user:{}", lookup.subject).parse().unwrap();
    let (context, within) = (Context::default(), ResourceFilter::default());
    let query = LookupResourcesQuery {
        resource_type: "document",
        permission: lookup.permission,
        subject: &subject,
        context: &context,
        within: &within,
    };
    let start = Instant::now();
    let mut first = None;
    // The server has a view of its own for each page.
    let view = database.view(Consistency::FullyConsistent, now()).unwrap();
    let (mut active, _) = view.start_lookup(&query, None, false).unwrap();
    let mut count = 0;
    loop {
        let page = view.continue_lookup(&mut active, &query, PAGE).unwrap();
        count += page.found.len();
        first.get_or_insert_with(|| start.elapsed());
        if page.ended {
            break;
        }
    }
    assert_eq!(count, lookup.expected);
    (start.elapsed(), first.unwrap())
}

fn table_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let tables = files.filter(|file| file.path().extension().is_some_and(|it| it == "sst"));
    tables.map(|file| file.metadata().unwrap().len()).sum()
}

fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix(elapsed.as_secs().try_into().unwrap(), elapsed.subsec_nanos()).unwrap()
}
