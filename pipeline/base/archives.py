"""Files as one archive that holds no time, owner or host: the same files, the same bytes."""

import gzip
import io
import tarfile
import zipfile

from pipeline.base.manifest import Files


def tar(files: Files) -> bytes:
    """Return ``files`` as an uncompressed archive, in the order of their names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    return buffer.getvalue()


def tar_gz(files: Files, folder: str) -> bytes:
    """Return ``files`` below ``folder`` as a ``.tar.gz``."""
    return gzip.compress(tar({f"{folder}/{name}": files[name] for name in files}), mtime=0)


def zipped(files: Files) -> bytes:
    """Return ``files`` as an uncompressed ``.zip``, from which Python imports modules."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name])
    return buffer.getvalue()
