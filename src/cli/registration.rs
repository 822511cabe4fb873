//! Where the running servers of a user have their data folders, by address, so that commands find the key of a server.
//!
//! A server writes a file for its address into the user's state folder and removes it when it ends. The file holds the
//! path of the data folder, never a key.

use crate::file_mode::FileMode;
use crate::server;
use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The file of a server that runs. It is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Registration(PathBuf);

impl Registration {
    /// Records that a server at this address has its data, and its key, in a folder. Only the user can read the file.
    pub(super) fn write(address: SocketAddr, data_dir: &Path) -> io::Result<Self> {
        let folder = folder();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        remove_stale(&folder);

        let path = folder.join(file_name(address));
        let draft = folder.join(format!("{}.new", file_name(address)));
        // A draft that another start left behind may have another mode.
        drop(fs::remove_file(&draft));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(data_dir.as_os_str().as_bytes())?;
        fs::rename(draft, &path)?;
        Ok(Self(path))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A file that stays is harmless: it counts only while its data folder is in use.
        drop(fs::remove_file(&self.0));
    }
}

/// The data folder of the server that listens at a loopback endpoint, if this user started it and it still runs.
pub(super) fn registered_data_dir(host: &str, port: u16) -> Option<PathBuf> {
    let [any_4, any_6] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let hosts: Vec<IpAddr> = match host {
        "localhost" => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), any_4, any_6]
        }
        host => {
            let host = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
            vec![host, any_4, any_6]
        }
    };
    hosts.into_iter().find_map(|host| read(&folder().join(file_name((host, port).into()))))
}

/// The data folder that a file names. A file that others may have written, or whose server has ended, names none: the key
/// would be sent to whatever listens at the address by now.
fn read(path: &Path) -> Option<PathBuf> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.is_file() || !is_own || FileMode::of(&metadata).others_may_change() {
        return None;
    }
    let data_dir = PathBuf::from(std::ffi::OsString::from_vec(fs::read(path).ok()?));
    server::is_data_folder_in_use(&data_dir).then_some(data_dir)
}

/// Removes the files of servers that were killed.
fn remove_stale(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if read(&path).is_none() {
            drop(fs::remove_file(path));
        }
    }
}

fn file_name(address: SocketAddr) -> String {
    format!("{}_{}", address.ip(), address.port()).replace(':', "-")
}

/// The folder of these files, in the user's folder for the state of applications.
fn folder() -> PathBuf {
    let home = env::home_dir().unwrap_or_default();
    // A convention of the system for such folders, not a setting of Kilwa.
    let xdg = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = if cfg!(target_os = "macos") {
        home.join("Library/Application Support")
    } else {
        xdg.unwrap_or_else(|| home.join(".local/state"))
    };
    base.join("kilwa").join("servers")
}
