"""Which files belong together, by their sha256.

A folder of files is a mapping from relative POSIX path to content. Its digests do not depend on
the order of the mapping, and two folders have the same ``folder_digest`` exactly when they hold
the same files under the same names.
"""

import hashlib
from collections.abc import Mapping

Files = Mapping[str, bytes]
Digests = Mapping[str, str]


def sha256(content: bytes) -> str:
    """Return the sha256 of ``content`` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digests(files: Files) -> dict[str, str]:
    """Return the sha256 of each file, sorted by path."""
    return {path: sha256(files[path]) for path in sorted(files)}


def checksum_lines(known: Digests) -> str:
    """Return ``known`` in the format that ``sha256sum --check`` reads."""
    return "".join(f"{known[path]}  {path}\n" for path in sorted(known))


def parse_checksum_lines(text: str) -> dict[str, str]:
    """Read what `checksum_lines` wrote.

    Raises:
        ValueError: a line is not ``<64 hexadecimal digits>  <path>``.

    """
    pairs = (line.split("  ", 1) for line in text.splitlines())
    known = {path: digest for digest, path in pairs}
    if any(len(digest) != len(sha256(b"")) for digest in known.values()):
        raise ValueError("a digest has not 64 digits")
    return known


def folder_digest(known: Digests) -> str:
    """Return one digest for a whole folder: the sha256 of its checksum lines."""
    return sha256(checksum_lines(known).encode())


def differences(expected: Digests, actual: Digests) -> tuple[str, ...]:
    """Name every file that is missing, changed or unexpected; nothing when both are equal."""
    return (
        *(f"{path} is missing" for path in sorted(expected.keys() - actual.keys())),
        *(f"{path} is not expected" for path in sorted(actual.keys() - expected.keys())),
        *(
            f"{path} has changed"
            for path in sorted(expected.keys() & actual.keys())
            if expected[path] != actual[path]
        ),
    )
