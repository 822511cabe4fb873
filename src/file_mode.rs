//! Who may read and change a file, by the bits of its mode.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What other users than its owner may do with a file or a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileMode(u32);

impl FileMode {
    /// That of a file at a path.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }

    /// That of a file.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self(metadata.permissions().mode() & 0o777)
    }

    /// The bits, which are written in octal digits.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// Whether its group or everyone may do anything with it.
    pub(crate) fn is_open_to_others(self) -> bool {
        self.0 & 0o077 != 0
    }

    /// Whether its group or everyone may change it.
    pub(crate) fn others_may_change(self) -> bool {
        self.0 & 0o022 != 0
    }

    /// Whether everyone may read it.
    pub(crate) fn all_may_read(self) -> bool {
        self.0 & 0o004 != 0
    }

    /// Whether everyone may change it.
    pub(crate) fn all_may_change(self) -> bool {
        self.0 & 0o002 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    #[test]
    fn each_bit_of_others_counts_where_it_matters() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let seen = |mode: u32| {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let mode = FileMode::at(file.path()).unwrap();
            (
                mode.is_open_to_others(),
                mode.others_may_change(),
                mode.all_may_read(),
                mode.all_may_change(),
            )
        };
        assert_eq!(seen(0o700), (false, false, false, false));
        assert_eq!(seen(0o610), (true, false, false, false));
        assert_eq!(seen(0o640), (true, false, false, false));
        assert_eq!(seen(0o620), (true, true, false, false));
        assert_eq!(seen(0o604), (true, false, true, false));
        assert_eq!(seen(0o602), (true, true, false, true));
    }
}
