"""A folder of files that lives as one commit on a branch of a remote, changed by compare-and-swap.

The branch is an orphan and always holds exactly one commit: what it says about its past is in the
files. It is replaced only when it is still what was read.
"""

import base64
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pipeline.artifacts import files_below, write_file
from pipeline.core import manifest
from pipeline.errors import ArtifactError, RegistryError, RegistryUnavailableError

SUMS: Final = "SHA256SUMS"
# A commit needs somebody; on a machine that knows nobody this is who.
NOBODY: Final = {
    "GIT_AUTHOR_NAME": "registry",
    "GIT_AUTHOR_EMAIL": "registry@localhost",
    "GIT_COMMITTER_NAME": "registry",
    "GIT_COMMITTER_EMAIL": "registry@localhost",
    "GIT_TERMINAL_PROMPT": "0",
}


@dataclass(frozen=True)
class GitBranch:
    """A branch ``name`` of the repository at ``url``, and the ``folder`` that it is read into.

    ``token`` is for a remote that asks for one; it never stands in a command line.
    """

    url: str
    name: str
    folder: Path
    token: str = ""

    def read(self) -> str:
        """Make the folder hold what the branch holds; return its commit, empty without a branch.

        Raises:
            RegistryUnavailableError: the remote does not answer.
            RegistryError: the branch is damaged; the message names each file.

        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._git("init", "--quiet")
        if not (commit := self.head()):
            return ""
        self._git("fetch", "--quiet", "--depth=1", self.url, f"refs/heads/{self.name}")
        # What was fetched is what is compared, whatever happened since the question above.
        commit = self._git("rev-parse", "FETCH_HEAD")
        self._git("checkout", "--quiet", "--detach", commit)
        self._verify(commit)
        return commit

    def head(self) -> str:
        """Return the commit that the remote's branch is at, empty without a branch.

        Raises:
            RegistryUnavailableError: the remote does not answer.

        """
        return self._git("ls-remote", self.url, f"refs/heads/{self.name}").partition("\t")[0]

    def replace(self, expected: str, message: str) -> bool:
        """Make the branch hold the folder, if it is still at ``expected``; say whether it was.

        A folder that is as it was read is left alone.

        Raises:
            RegistryUnavailableError: the remote does not answer, so nobody knows.
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
            self._git("push", "--quiet", lease, self.url, f"{commit}:refs/heads/{self.name}")
        except RegistryUnavailableError as error:
            # The answer may be lost after the push went through: the remote knows.
            now = self.head()
            if now == expected:
                raise RegistryError(f"the branch {self.name} was not taken: {error}") from error
            return now == commit
        return True

    def _seal(self) -> None:
        files = self._files()
        files.pop(SUMS, None)
        sums = manifest.checksum_lines(manifest.digests(files))
        write_file(self.folder / SUMS, sums.encode())

    def _verify(self, commit: str) -> None:
        files = self._files()
        try:
            known = manifest.parse_checksum_lines(files.pop(SUMS, b"").decode())
            found = manifest.differences(known, manifest.digests(files))
        except ValueError:
            found = (f"{SUMS} is damaged",)
        if found or not files:
            raise RegistryError(
                f"the branch {self.name} is damaged at {commit[:12]}: "
                f"{'; '.join(found) or 'it is empty'}: push a whole commit back, or delete the "
                "branch to begin a new registry"
            )

    def _files(self) -> dict[str, bytes]:
        try:
            found = files_below(self.folder)
        except ArtifactError as error:
            raise RegistryError(f"the branch {self.name} is damaged: {error}") from error
        return {name: content for name, content in found.items() if not name.startswith(".git/")}

    def _git(self, *arguments: str) -> str:
        command = ["git", "-c", "core.autocrlf=false", *arguments]
        done = subprocess.run(  # noqa: S603 (no shell, arguments of this module)
            command,
            cwd=self.folder,
            env={**os.environ, **NOBODY, **self._credentials()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"git ended with {done.returncode}"
            raise RegistryUnavailableError(f"git {arguments[0]} failed: {said}")
        return done.stdout.strip()

    def _credentials(self) -> dict[str, str]:
        """Return the token as a setting of git in the environment, for this remote's host alone."""
        parts = urlsplit(self.url)
        if not self.token or parts.scheme != "https":
            return {}
        basic = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.https://{parts.netloc}/.extraheader",
            "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
        }
