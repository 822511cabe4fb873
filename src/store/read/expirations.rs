//! Expirations as they take effect, for watchers.
//!
//! Nothing is written when a relationship expires. A watcher has a position in the change log and a time, and knows what
//! its revision shows at that time. So the next expirations are those of the rows of that revision with the next times, and
//! `expiring` has them in order. It keeps the entry of a row that is removed after it expired, so that a watcher that falls
//! back finds the same expirations.

use super::decode;
use super::row_cursor::{self, PastRevision, ReadAt};
use super::snapshot::Snapshot;
use crate::relationship::{Qualifiers, ReadError, Relationship, Revision, Timestamp};
use crate::store::layout::keys::{self, RowKey};
use crate::store::layout::log_keys;
use crate::store::layout::meta_keys;
use crate::store::layout::names::NameCatalog;
use crate::store::layout::values;
use crate::store::rocks::column_family::ColumnFamily;
use crate::store::rocks::source::ReadSource;

/// A position among the expirations: after one of them, or after all of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpirationPosition {
    time: Timestamp,
    /// The key of the row in `live`; `None` for the position after all of the time.
    row: Option<Vec<u8>>,
}

/// What expired.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpirationPage {
    /// The keys of the relationships with their times, in the order of these.
    pub found: Vec<Relationship>,
    /// How far they go.
    pub through: ExpirationPosition,
    /// Whether that is as far as was asked for.
    pub complete: bool,
}

impl ExpirationPosition {
    /// After everything that has expired at a time.
    pub fn after(time: Timestamp) -> Self {
        Self { time, row: None }
    }

    /// The time of the expirations that were given last.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The position in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [log_keys::time(self.time), self.row.clone().unwrap_or_default()].concat()
    }

    /// Reads a position; `None` for bytes that are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, row) = log_keys::split_time(bytes).ok()?;
        if row.is_empty() {
            return Some(Self::after(time));
        }
        RowKey::from_by_resource(row).ok()?;
        Some(Self { time, row: Some(row.to_vec()) })
    }

    /// Where the next ones start in `expiring`; `None` when there can be none.
    fn next(&self) -> Option<Vec<u8>> {
        match &self.row {
            Some(row) => Some(keys::past(log_keys::expiring(self.time, row))),
            None => keys::end_of(&log_keys::time(self.time)),
        }
    }
}

impl Snapshot<'_> {
    /// The relationships of the revision `at`, which is not newer than this one, that expire after `after` and not later
    /// than `until`. Looks at no more than `count_max`.
    ///
    /// Complete only when `after` is not earlier than [`Self::expirations_collected`].
    pub fn expirations(
        &self,
        at: Revision,
        after: &ExpirationPosition,
        until: Timestamp,
        count_max: usize,
    ) -> Result<ExpirationPage, ReadError> {
        let prepared = self.prepared()?;
        let at = PastRevision { revision: at, prepared: &prepared };
        read((self.source(), self.names()), at, after, until, count_max)
    }

    /// The time of the first expiration that may follow `after`; `None` when none will.
    pub fn next_expiration(
        &self,
        after: &ExpirationPosition,
    ) -> Result<Option<Timestamp>, ReadError> {
        next(self.source(), after)
    }

    /// The time up to which expirations have been dropped; `None` when none have been.
    pub fn expirations_collected(&self) -> Result<Option<Timestamp>, ReadError> {
        collected(self.source())
    }
}

/// The time up to which expirations have been dropped.
pub(in crate::store) fn collected(source: ReadSource<'_>) -> Result<Option<Timestamp>, ReadError> {
    let Some(value) = source.get(ColumnFamily::Meta, meta_keys::EXPIRED)? else { return Ok(None) };
    Ok(Some(log_keys::split_time(&value)?.0))
}

/// The time of the first entry after `after`, whether or not its row is still there.
pub(in crate::store) fn next(
    source: ReadSource<'_>,
    after: &ExpirationPosition,
) -> Result<Option<Timestamp>, ReadError> {
    let Some(start) = after.next() else { return Ok(None) };
    let mut cursor = source.cursor(ColumnFamily::Expiring, &[])?;
    cursor.seek(&start);
    let Some((key, _)) = cursor.item()? else { return Ok(None) };
    Ok(Some(log_keys::split_time(key)?.0))
}

/// See [`Snapshot::expirations`].
pub(in crate::store) fn read(
    (source, names): (ReadSource<'_>, &NameCatalog),
    at: PastRevision<'_>,
    after: &ExpirationPosition,
    until: Timestamp,
    count_max: usize,
) -> Result<ExpirationPage, ReadError> {
    let mut found = Vec::new();
    let start = after.next().filter(|_| after.time <= until);
    let Some(start) = start else {
        return Ok(ExpirationPage { found, through: after.clone(), complete: true });
    };

    let end = ExpirationPosition::after(until);
    let mut cursor = source.cursor(ColumnFamily::Expiring, &[])?;
    cursor.seek(&start);
    let mut last = after.clone();
    for _ in 0..count_max {
        let entry = cursor.item()?.map(|(key, _)| log_keys::split_time(key)).transpose()?;
        let Some((time, row)) = entry.filter(|(time, _)| *time <= until) else {
            return Ok(ExpirationPage { found, through: end, complete: true });
        };
        if let Some(qualifiers) = row_cursor::find(source, ReadAt::At(at), row)?
            && values::expiration(&qualifiers)? == Some(time)
        {
            let qualifiers = Qualifiers { caveat: None, expires_at: Some(time) };
            found.push(decode::relationship(names, &RowKey::from_by_resource(row)?, qualifiers)?);
        }
        last = ExpirationPosition { time, row: Some(row.to_vec()) };
        cursor.advance();
    }
    Ok(ExpirationPage { found, through: last, complete: false })
}

/// When the live row of a key expires.
pub(in crate::store) fn live_expiration(
    source: ReadSource<'_>,
    key: &[u8],
) -> Result<Option<Timestamp>, ReadError> {
    match source.get(ColumnFamily::Live, key)? {
        Some(value) => Ok(values::expiration(values::split_row(&value)?.1)?),
        None => Ok(None),
    }
}
