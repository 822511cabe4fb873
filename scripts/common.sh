# Sourced by the other scripts: where things are, and how to speak.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# rustup puts cargo here, and a shell that was open before does not know it yet.
if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
    . "$HOME/.cargo/env"
fi

# Outside the clone, so that clones share the build of RocksDB, by far its longest part.
export CARGO_TARGET_DIR="${KILWA_TARGET_DIR:-$HOME/.cache/kilwa/target}"

say() {
    printf '\n== %s\n' "$*" >&2
}

stop() {
    printf '\nkilwa: %s\n' "$*" >&2
    exit 1
}
