//! Exports: everything in an order that does not depend on the store, page by page.

use kilwa::relationship::{Relationship, RelationshipFilter, Timestamp};
use kilwa::store::{ScanBudget, Snapshot, Store, StoreOptions, TransactionError};
use tempfile::TempDir;

fn now() -> Timestamp {
    Timestamp::from_unix(1_000_000, 0).unwrap()
}

fn store(relationships: &[String]) -> (Store, TempDir) {
    let dir = TempDir::new().unwrap();
    let options = StoreOptions { sync: false, ..StoreOptions::default() };
    let store = Store::open(dir.path(), &options).unwrap();
    for relationship in relationships {
        let relationship: Relationship = relationship.parse().unwrap();
        store
            .write(now(), move |transaction| {
                transaction.put(&relationship).map(drop)?;
                Ok::<_, TransactionError>(())
            })
            .unwrap();
    }
    (store, dir)
}

/// All pages of an export, joined.
fn exported(snapshot: &Snapshot<'_>, filter: &RelationshipFilter, page: usize) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let rows = snapshot
            .scan_ordered(filter, after.as_ref(), page, &ScanBudget::unlimited())
            .unwrap()
            .rows;
        assert!(rows.len() <= page);
        let last = rows.last().map(|(_, position)| position.clone());
        let full = rows.len() == page;
        all.extend(rows.into_iter().map(|(row, _)| row.to_string()));
        assert!(
            full || snapshot
                .scan_ordered(filter, last.as_ref(), page, &ScanBudget::unlimited())
                .unwrap()
                .rows
                .is_empty()
                || last.is_none()
        );
        let Some(last) = last else { return all };
        after = Some(last);
    }
}

/// Relationships of several types, each with direct subjects, usersets and a wildcard.
fn mixed() -> Vec<String> {
    let mut all = Vec::new();
    for resource in ["team:b", "team:a", "doc:x", "doc:x1", "doc:w"] {
        for relation in ["writer", "viewer"] {
            for subject in
                ["user:zoe", "team:a#writer", "user:*", "team:b", "user:ann", "team:c#viewer"]
            {
                all.push(format!("{resource}#{relation}@{subject}"));
            }
        }
    }
    all
}

/// Sorted by the parts of a relationship, as texts.
fn sorted(mut relationships: Vec<String>) -> Vec<String> {
    relationships.sort_by_key(|text| {
        let row: Relationship = text.parse().unwrap();
        let (resource, subject) = (row.resource, row.subject);
        let parts = [
            resource.object_type(),
            resource.object_id(),
            &row.relation,
            subject.object_type(),
            subject.object_id(),
            subject.relation().unwrap_or_default(),
        ];
        parts.map(str::to_owned)
    });
    relationships
}

/// Whether a relationship, as text, is to be found.
type Selects<'s> = &'s dyn Fn(&str) -> bool;

#[test]
fn the_order_does_not_depend_on_the_order_of_writing() {
    let all = mixed();
    let expected = sorted(all.clone());
    let turned: Vec<String> = all.iter().rev().cloned().collect();
    for written in [&all, &turned, &expected] {
        let (store, _dir) = store(written);
        let snapshot = store.snapshot(now()).unwrap();
        for page in [1, 2, 7, 59, 60, 61, 1000] {
            let found = exported(&snapshot, &RelationshipFilter::default(), page);
            assert_eq!(found, expected, "pages of {page}");
        }
    }
}

#[test]
fn many_subjects_of_one_resource_come_in_order_too() {
    let mut all = vec!["doc:a#viewer@user:first".to_owned(), "doc:c#viewer@user:last".to_owned()];
    for n in 0..700 {
        all.push(format!("doc:b#viewer@user:u{n:04}"));
        all.push(format!("doc:b#viewer@team:t{n:04}#member"));
    }
    let (store, _dir) = store(&all);
    let expected = sorted(all);
    let snapshot = store.snapshot(now()).unwrap();
    for page in [13, 699, 700, 701, 1000, 1001, 1402, 5000] {
        let found = exported(&snapshot, &RelationshipFilter::default(), page);
        assert_eq!(found, expected, "pages of {page}");
    }
}

#[test]
fn filters_select_and_old_revisions_stay() {
    let all = mixed();
    let (store, _dir) = store(&all);
    let then = store.snapshot(now()).unwrap().revision();
    store
        .write(now(), |transaction| {
            for text in ["doc:x#viewer@user:ann", "team:a#writer@user:zoe"] {
                transaction.remove(&text.parse().unwrap())?;
            }
            transaction.put(&"doc:a0#viewer@user:new".parse().unwrap()).map(drop)
        })
        .unwrap();
    let old = store.snapshot_at(then, now()).unwrap();
    let filter = |resource_type: Option<&str>, prefix: Option<&str>, relation: Option<&str>| {
        use kilwa::relationship::ObjectIdFilter;
        RelationshipFilter {
            resource_type: resource_type.map(str::to_owned),
            resource_id: prefix.map(|prefix| ObjectIdFilter::Prefix(prefix.to_owned())),
            relation: relation.map(str::to_owned),
            subject: None,
        }
    };
    let cases: [(RelationshipFilter, Selects<'_>); 5] = [
        (filter(None, None, None), &|_| true),
        (filter(Some("doc"), None, None), &|text| text.starts_with("doc:")),
        (filter(None, Some("x"), None), &|text| text.starts_with("doc:x")),
        (filter(None, None, Some("writer")), &|text| text.contains("#writer@")),
        (filter(Some("doc"), Some("x"), Some("writer")), &|text| {
            text.starts_with("doc:x") && text.contains("#writer@")
        }),
    ];
    for (filter, fits) in cases {
        let expected = sorted(all.iter().filter(|text| fits(text)).cloned().collect());
        for page in [1, 4, 100] {
            assert_eq!(exported(&old, &filter, page), expected, "{filter:?}");
        }
    }
}
