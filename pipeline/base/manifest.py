"""Files that belong together, by their sha256.

A folder of files is a mapping from relative POSIX path to content. Its digests do not depend on
the order of the mapping, and two folders have the same ``folder_digest`` exactly when they hold
the same files under the same names.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

LINE: Final = re.compile(r"([0-9a-f]{64})  ([^\n\r]+)\n")

Files = Mapping[str, bytes]
Digests = Mapping[str, str]


def sha256(content: bytes) -> str:
    """Return the sha256 of ``content`` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digests(files: Files) -> dict[str, str]:
    """Return the sha256 of each file, sorted by path."""
    return {path: sha256(files[path]) for path in sorted(files)}


def checksum_lines(known: Digests) -> str:
    """Return ``known`` in the format that ``sha256sum --check`` reads.

    Raises:
        ValueError: a path is not a relative POSIX path on one line.

    """
    if odd := sorted(path for path in known if not _is_plain(path)):
        raise ValueError(f"not the path of a file below a folder: {', '.join(map(repr, odd))}")
    return "".join(f"{known[path]}  {path}\n" for path in sorted(known))


def parse_checksum_lines(text: str) -> dict[str, str]:
    """Read the lines that `checksum_lines` wrote.

    Raises:
        ValueError: the text is not sorted lines of ``<64 hexadecimal digits>  <path>``, whole.

    """
    known = {path: digest for digest, path in LINE.findall(text)}
    if checksum_lines(known) != text:
        raise ValueError("not the checksums of a folder")
    return known


def _is_plain(path: str) -> bool:
    return not set("\n\r\0") & set(path) and not {"", ".", ".."} & set(path.split("/"))


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
