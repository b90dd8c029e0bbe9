"""A folder of files that lives as one commit on a branch of a remote, changed by compare-and-swap.

The branch is an orphan and always holds exactly one commit: what it says about its past is in the
files. It is replaced only when it is still what was read.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.base import addresses, command, git_settings, manifest
from pipeline.base.artifacts import files_below, is_full, write_file
from pipeline.base.errors import ArtifactError, RegistryError, RegistryUnavailableError
from pipeline.base.git import Remote

SUMS: Final = "SHA256SUMS"

# As libcurl and ssh say it.
_SILENT: Final = re.compile("Operation too slow|timed out|Timeout, server|not responding")
_TRANSFERS: Final = ("fetch", "push")


@dataclass(frozen=True)
class GitBranch:
    """A branch ``name`` of a remote, and the ``folder`` that it is read into.

    Nothing but the way to the remote is taken from the variables and the configuration of the user.
    """

    remote: Remote
    name: str
    folder: Path

    def read(self) -> str:
        """Make the folder hold what the branch holds; return its commit, empty without a branch.

        Raises:
            RegistryUnavailableError: the remote does not answer.
            RegistryError: the branch is damaged; the message names each file. Or the folder holds
                something that was not read from a branch.

        """
        self._clear()
        # A template could bring hooks along.
        self._git("init", "--quiet", "--template=", f"--object-format={self.remote.object_format}")
        write_file(self.folder / ".git/info/attributes", git_settings.ATTRIBUTES.encode())
        trusted = git_settings.trusted(self.remote.settings)
        write_file(self.folder / git_settings.TRUSTED, trusted.encode())
        if not (commit := self.head()):
            return ""
        self._git("fetch", "--quiet", "--no-tags", "--depth=1", "origin", f"refs/heads/{self.name}")
        # The fetched commit is compared, even if the branch has moved since the question above.
        commit = self._git("rev-parse", "FETCH_HEAD")
        self._git("checkout", "--quiet", "--detach", commit)
        self._verify(commit)
        return commit

    def digest(self) -> str:
        """Return the sha256 of the file that has the checksum of every other one."""
        return manifest.sha256((self.folder / SUMS).read_bytes())

    def head(self) -> str:
        """Return the commit that the remote's branch is at, empty without a branch.

        Raises:
            RegistryUnavailableError: the remote does not answer.

        """
        return self._git("ls-remote", "origin", f"refs/heads/{self.name}").partition("\t")[0]

    def replace(self, expected: str, message: str) -> bool:
        """Make the branch hold the folder, if it is still at ``expected``; say whether it was.

        A folder that is as it was read is left alone.

        Raises:
            RegistryUnavailableError: the remote does not answer.
            RegistryError: the remote refused for another reason than a change of the branch.

        """
        self._seal()
        self._git("add", "--all", "--force")
        tree = self._git("write-tree")
        if expected and tree == self._git("rev-parse", f"{expected}^{{tree}}"):
            return True
        commit = self._git("commit-tree", tree, "-m", message)
        lease = f"--force-with-lease=refs/heads/{self.name}:{expected}"
        try:
            self._git("push", "--quiet", lease, "origin", f"{commit}:refs/heads/{self.name}")
        except RegistryUnavailableError as error:
            # The answer may be lost after the push went through: the remote knows.
            now = self.head()
            if now == expected:
                raise RegistryError(f"the branch {self.name} was not taken: {error}") from error
            return now == commit
        return True

    def _clear(self) -> None:
        if self.folder.is_symlink() or (self.folder.exists() and not self._is_ours()):
            raise RegistryError(
                f"{self.folder} was not read from {self.name}: move it away, as its place is needed"
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def _is_ours(self) -> bool:
        if not self.folder.is_dir():
            return False
        names = {path.name for path in self.folder.iterdir()}
        # A read that was cut off may have left nothing but the repository.
        return SUMS in names or (self.folder / git_settings.TRUSTED).is_file() or names <= {".git"}

    def _seal(self) -> None:
        files = self._files()
        files.pop(SUMS, None)
        sums = manifest.checksum_lines(manifest.digests(files))
        write_file(self.folder / SUMS, sums.encode())

    def _verify(self, commit: str) -> None:
        files = self._files()
        try:
            known = manifest.parse_checksum_lines(files.pop(SUMS, b"").decode())
            faults = manifest.differences(known, manifest.digests(files))
        except ValueError:
            faults = (f"{SUMS} is damaged",)
        if faults or not files:
            raise RegistryError(
                f"the branch {self.name} is damaged at {commit[:12]}: "
                f"{'; '.join(faults) or 'it is empty'}: push a whole commit back, or delete the "
                "branch to begin a new registry"
            )

    def _files(self) -> dict[str, bytes]:
        try:
            files = files_below(self.folder)
        except ArtifactError as error:
            raise RegistryError(f"the branch {self.name} is damaged: {error}") from error
        return {name: content for name, content in files.items() if not name.startswith(".git/")}

    def _git(self, *arguments: str) -> str:
        folder, settings = self.folder.absolute(), self.remote.settings
        environment = git_settings.storing(os.environ, str(folder), settings)
        seconds = command.LONGEST_SECONDS if arguments[0] in _TRANSFERS else None
        if arguments[0] == "ls-remote":
            # One line is asked for, and not every kind of silence is noticed by git.
            seconds = git_settings.SILENT_SECONDS
        try:
            done = command.finish(("git", *arguments), environment, seconds, self.remote.clone)
        except TimeoutError as error:
            raise self._silent(str(error)) from None
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"git ended with {done.returncode}"
            known = (value for key, value in settings if key.endswith("url"))
            line = addresses.redacted(said, *known)
            if _SILENT.search(line):
                raise self._silent(line)
            way_out = ": make room, here or at the remote" if is_full(line) else ""
            raise RegistryUnavailableError(f"git {arguments[0]} failed: {line}{way_out}")
        return done.stdout.strip()

    def _silent(self, why: str) -> RegistryUnavailableError:
        return RegistryUnavailableError(
            f"the remote {self.remote.shown} does not answer: see whether `git ls-remote origin` "
            f"works here, then run the same command again ({why})"
        )
