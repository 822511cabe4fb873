# Sourced by the scripts beside it: Go as it is on this machine, and the modules as they are pinned.
export GOTOOLCHAIN=local GOFLAGS=
wanted="$(sed -n 's/^go //p' "$here/go.mod")"
found="$(go env GOVERSION 2>/dev/null || true)"
if [ -z "$found" ] || [ "$(printf '%s\n' "go$wanted" "$found" | sort -V | head -n 1)" != "go$wanted" ]; then
    printf 'the Go client needs Go %s, there is %s\n' "$wanted" "${found:-none}" >&2
    exit 77
fi
