"""Builds a Python wheel that carries the program: wheel.py STAGE DIST VERSION.

STAGE is laid out as the tarball. A wheel is a zip file with three files of metadata, so nothing has to be installed to
build one; maturin would build the program itself, where this takes the one that is there.
"""

import base64
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import time
import zipfile

SUMMARY = "A relationship-based permission engine that speaks authzed.api.v1"
# The oldest glibc of a distribution whose libstdc++ has the symbols of that version.
GLIBC_OF_LIBSTDCXX = {28: 31, 29: 34, 30: 35, 31: 38, 32: 38, 33: 39}


def platform_tag(program):
    """The platforms that the program runs on, from the versions of the symbols that it needs."""
    if sys.platform != "linux":
        return re.sub(r"[-.]", "_", sysconfig.get_platform())
    symbols = subprocess.run(
        ["objdump", "-T", program], check=True, capture_output=True, text=True
    ).stdout
    glibc = newest(r"GLIBC_2\.(\d+)", symbols)
    libstdcxx = newest(r"GLIBCXX_3\.4\.(\d+)", symbols)
    if libstdcxx > max(GLIBC_OF_LIBSTDCXX):
        raise SystemExit(f"libstdc++ 3.4.{libstdcxx} is not in the table of packaging/wheel.py")
    needed = [glibc for version, glibc in GLIBC_OF_LIBSTDCXX.items() if version >= libstdcxx]
    return f"manylinux_2_{max(glibc, 17, min(needed))}_{os.uname().machine}"


def newest(pattern, symbols):
    return max((int(version) for version in re.findall(pattern, symbols)), default=0)


def files(stage, version, tag):
    """The files of the wheel: name, mode, content."""
    info = f"kilwa-{version}.dist-info"
    share = f"kilwa-{version}.data/data/share"
    yield f"kilwa-{version}.data/scripts/kilwa", 0o755, (stage / "bin/kilwa").read_bytes()
    for page in sorted((stage / "share/man/man1").iterdir()):
        yield f"{share}/man/man1/{page.name}", 0o644, page.read_bytes()
    licences = sorted(path for path in (stage / "share/doc/kilwa").iterdir() if path.name != "README.md")
    for path in licences:
        yield f"{info}/licenses/{path.name}", 0o644, path.read_bytes()
    wheel = f"Wheel-Version: 1.0\nGenerator: kilwa\nRoot-Is-Purelib: false\nTag: py3-none-{tag}\n"
    yield f"{info}/WHEEL", 0o644, wheel.encode()
    metadata = [
        "Metadata-Version: 2.4",
        "Name: kilwa",
        f"Version: {version}",
        f"Summary: {SUMMARY}",
        "License-Expression: Apache-2.0",
        *(f"License-File: {path.name}" for path in licences),
        "Requires-Python: >=3.7",
        "Description-Content-Type: text/markdown",
        "",
        (stage / "share/doc/kilwa/README.md").read_text(),
    ]
    yield f"{info}/METADATA", 0o644, "\n".join(metadata).encode()


def main():
    stage, dist, version = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    tag = platform_tag(stage / "bin/kilwa")
    path = dist / f"kilwa-{version}-py3-none-{tag}.whl"
    made_at = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))[:6]
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as wheel:

        def add(name, mode, content):
            entry = zipfile.ZipInfo(name, made_at)
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)

        for name, mode, content in files(stage, version, tag):
            add(name, mode, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}")
        name = f"kilwa-{version}.dist-info/RECORD"
        add(name, 0o644, "\n".join([*record, f"{name},,", ""]).encode())
    print(path)


main()
