# Sourced by the other scripts: where things are, and how to speak.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# rustup puts cargo here, and a shell that was open before does not know it yet.
if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
    . "$HOME/.cargo/env"
fi

# Outside the clone, so that clones share the build of RocksDB, by far its longest part. A build with a RocksDB that was
# compiled before (`make rocksdb`) has a folder of its own: in the same one, each change between the two would start over.
export CARGO_TARGET_DIR="${KILWA_TARGET_DIR:-$HOME/.cache/kilwa/target${ROCKSDB_LIB_DIR:+-prebuilt}}"

# Where ccache is installed, RocksDB is compiled once for all versions of Rust and all target folders. Cargo does not
# notice the difference, as it would with the variable CXX.
if [ -d /usr/lib/ccache ]; then
    PATH="/usr/lib/ccache:$PATH"
fi

# Programs that tests use and that `scripts/prepare test` fetches, after those of the system.
tools="${KILWA_CACHE_DIR:-$HOME/.cache/kilwa}/bin"
PATH="$PATH:$tools"

say() {
    printf '\n== %s\n' "$*" >&2
}

stop() {
    printf '\nkilwa: %s\n' "$*" >&2
    exit 1
}
