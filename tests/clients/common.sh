# Sourced by the scripts of the clients: a folder of the cache for each client and its pinned versions, and copies of its tests.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)"
clients="${KILWA_CACHE_DIR:-$HOME/.cache/kilwa}/clients"

# install_once NAME PINS COMMAND: runs COMMAND in a new folder for these pins, and prints the folder.
install_once() {
    local folder
    folder="$clients/$1-$(cksum <"$here/$2" | tr ' ' '-')"
    mkdir -p "$clients"
    # Two runs at once wait for each other; a run that was broken off leaves no `complete` behind.
    exec 9>"$clients/$1.lock"
    flock 9
    if [ ! -e "$folder/complete" ]; then
        printf 'installing the official client for %s into %s\n' "$1" "$folder" >&2
        rm -rf "$folder"
        mkdir "$folder"
        cd "$folder"
        "$3" >&2
        touch complete
    fi
    printf '%s\n' "$folder"
}

# copy_for_port FROM TO TESTS PORT: copies a folder; its files of that name, which dial the usual port, dial another one.
copy_for_port() {
    local files file
    cp -R "$1" "$2"
    chmod -R u+w "$2"
    files="$(find "$2" -name "$3")"
    for file in ${files:?"no $3 in $1"}; do
        grep -q 'localhost:50051' "$file" || { printf '%s dials something unknown\n' "$file" >&2; return 1; }
        sed "s/localhost:50051/localhost:$4/g" "$file" >"$file.new"
        mv "$file.new" "$file"
    done
}
