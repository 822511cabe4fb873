"""Prints the crates that the program contains, each with its licence and the text of it.

Crates with the same text share it. Fails if a crate says neither which licence it has nor brings a text.
"""

import collections
import json
import pathlib
import re
import subprocess

NAMES = re.compile(r"(?i)^(licen[cs]e|copying|notice|copyright)")


def cargo(*arguments):
    return subprocess.run(
        ["cargo", *arguments], check=True, capture_output=True, text=True
    ).stdout


def linked():
    """Name and version of the crates that are linked into the program; build tools are not."""
    tree = cargo("tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}")
    for line in tree.splitlines():
        name, version = line.split()[:2]
        if name != "kilwa":
            yield name, version.removeprefix("v")


def texts(folder):
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and NAMES.match(path.name)]
    return [path.read_text(errors="replace").strip() for path in paths]


def main():
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked"))
    packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
    holders = collections.defaultdict(list)
    print("The Rust crates in the kilwa binary, with their licences.\n")
    for key in sorted(set(linked())):
        package = packages[key]
        if not package["license"] and not package["license_file"]:
            raise SystemExit(f"{key[0]} {key[1]} does not say under which licence it is")
        print(f"{key[0]} {key[1]}: {package['license']}")
        for text in texts(pathlib.Path(package["manifest_path"]).parent):
            holders[text].append(" ".join(key))
    # RocksDB, LZ4 and jemalloc come with crates; their own texts lie deeper.
    for name, pattern in [
        ("librocksdb-sys", "rocksdb/LICENSE.*"),
        ("lz4-sys", "liblz4/lib/LICENSE"),
        ("tikv-jemalloc-sys", "jemalloc/COPYING"),
    ]:
        [package] = [package for (found, _), package in packages.items() if found == name]
        found = sorted(pathlib.Path(package["manifest_path"]).parent.glob(pattern))
        if not found:
            raise SystemExit(f"{name} has no {pattern}")
        for path in found:
            holders[path.read_text(errors="replace").strip()].append(f"{name}, {path.name}")
    for text, names in holders.items():
        print(f"\n{'=' * 80}\n{', '.join(names)}\n{'=' * 80}\n\n{text}")


main()
