"""The versions of an MLflow registry: published, read, tagged and copied.

A version is published in stages: its files are uploaded, downloaded again and compared with their
manifest, and only then is it tagged complete. Its files are verified whenever they are read.
"""

from collections.abc import Mapping

from mlflow import MlflowClient

from pipeline.base import manifest
from pipeline.base.errors import (
    RegistryError,
)
from pipeline.base.manifest import Files
from pipeline.base.policies import RetryPolicy
from pipeline.registry.findings import DUPLICATE
from pipeline.registry.mlflow_calls import MlflowCalls, first, plain, unless_there
from pipeline.registry.publishing import KEY, Submission, experiment_id, log_model, log_run, upload
from pipeline.registry.version import (
    COMPLETE,
    DIGEST,
    MANIFEST,
    PRUNED,
    Version,
    newest_of,
    search,
    stored_files,
    version_of,
    with_key,
)


class Versions:
    """The versions in the registry at one tracking URI: a SQLite file or an MLflow server.

    MLflow resolves ``models:/`` addresses by its process-wide setting, so there can be one registry
    in a process at a time. Every method raises `RegistryUnavailableError` if the registry gives
    no good answer for as long as ``retry`` allows, and `RegistryError` if it refuses.
    """

    def __init__(
        self, tracking_uri: str, experiment: str, retry: RetryPolicy | None = None
    ) -> None:
        """Point MLflow at ``tracking_uri``; an embedded registry is made if it does not exist.

        Raises:
            RegistryError: the embedded registry's file cannot be opened, or MLflow knows no such
                kind of address.

        """
        self._calls = MlflowCalls(tracking_uri, retry or RetryPolicy())
        self._experiment = experiment

    # --- reading

    def version(self, model_name: str, number: int) -> Version:
        """Return one version.

        Raises:
            RegistryError: there is none.

        """
        if (version := self._find(model_name, number)) is None:
            raise RegistryError(f"{self._calls.uri} holds no {model_name}/{number}")
        return version

    def _find(self, model_name: str, number: int) -> Version | None:
        version = self._calls.find(lambda client: client.get_model_version(model_name, str(number)))
        return version_of(version) if version else None

    def versions(self, model_name: str, **tags: str) -> list[Version]:
        """Return the versions with the given tags, oldest first."""
        conditions = [f"tags.{name} = '{value}'" for name, value in tags.items()]
        return self._calls.ask(lambda client: search(client, model_name, *conditions))

    def newest(self, model_name: str) -> Version | None:
        """Return the newest complete version of a model, or None."""
        complete = [version for version in self.versions(model_name) if version.complete]
        return complete[-1] if complete else None

    def find_alias(self, model_name: str, alias: str) -> Version | None:
        """Return the version that holds ``alias``, or None."""
        holder = self._calls.find(
            lambda client: client.get_model_version_by_alias(model_name, alias)
        )
        return version_of(holder) if holder else None

    def _holder(self, model_name: str, alias: str) -> int | None:
        holder = self.find_alias(model_name, alias)
        return holder.version if holder else None

    def aliases(self, model_name: str) -> dict[str, int]:
        """Return the version of each alias of a model; none where there is no such model."""
        model = self._calls.find(lambda client: client.get_registered_model(model_name))
        aliases = model.aliases if model else {}
        return {alias: int(version) for alias, version in aliases.items()}

    def files(self, version: Version) -> dict[str, bytes]:
        """Download a version's files and check them against its manifest.

        Raises:
            RegistryError: the version is incomplete, or a file is missing, changed or unexpected;
                the message names each.

        """
        if not version.complete:
            raise RegistryError(f"{version.title} is incomplete: its upload was never verified")
        if version.pruned:
            raise RegistryError(
                f"the files of {version.title} were dropped to save room: train its commit "
                f"{version.tags.get('git_commit', '')} again"
            )
        return self._verified(version)

    def _verified(self, version: Version) -> dict[str, bytes]:
        if not (files := self.stored(version)):
            raise RegistryError(
                f"no file of {version.title} is where it was stored; an embedded registry does not "
                "move: put the folder back, or train again"
            )
        expected = version.manifest
        if faults := manifest.differences(expected, manifest.digests(files)):
            raise RegistryError(f"{version.title} is not what was published: {'; '.join(faults)}")
        return files

    def stored(self, version: Version) -> dict[str, bytes]:
        """Download the stored files of a version, right or wrong; none if they are gone.

        Raises:
            RegistryError: it cannot be read.

        """
        try:
            return self._calls.ask(lambda client: stored_files(client, version))
        except RegistryError as error:
            raise RegistryError(f"the files of {version.title} are missing: {error}") from error

    # --- publishing

    def publish(self, submission: Submission) -> Version:
        """Create a version from ``submission``, or return the one that its key has already made.

        An interrupted call is taken up where it stopped.

        Raises:
            RegistryError: the stored files are not those that were sent, and the version stays
                incomplete; or the key has made another model.

        """
        name, key = submission.model_name, submission.key
        if not self.versions(name, **{KEY: key}):
            self._create(submission)
        if not (versions := self.versions(name, **{KEY: key})):
            raise RegistryError(f"the version of {name} with the key {key} was changed meanwhile")
        version, *duplicates = versions
        for duplicate in duplicates:
            # Of two jobs with one key, the later; or a request that was given up for lost.
            self.tag(duplicate, {KEY: f"{key}{DUPLICATE}{version.title}"})
        if version.tags.get(DIGEST) != submission.tags.get(DIGEST):
            raise RegistryError(
                f"the key {key} was used for other models ({version.title}): give another key"
            )
        if not version.complete:
            version = self._complete(version, submission)
        self._calls.done.append(f"{version.title} is complete")
        return version

    def _create(self, submission: Submission) -> None:
        run = log_run(self._calls, self._experiment_id(), submission)
        model_id = log_model(self._calls, submission, run)
        self.ensure_registered(submission.model_name, submission.description)
        self._calls.ask(lambda client: client.set_terminated(run.info.run_id))
        tags = {**submission.tags, KEY: submission.key, MANIFEST: _checksums(submission.files)}
        self._calls.create(
            lambda client: with_key(client, submission.model_name, submission.key),
            lambda client: version_of(
                client.create_model_version(
                    submission.model_name,
                    source=f"models:/{model_id}",
                    run_id=run.info.run_id,
                    model_id=model_id,
                    tags=tags,
                )
            ),
        )

    def _complete(self, version: Version, submission: Submission) -> Version:
        try:
            self._verified(version)
        except RegistryError:
            # These files were not handed out yet: they can be sent once more.
            self._upload(version.source.removeprefix("models:/"), submission.files)
            version = self.tag(version, {MANIFEST: _checksums(submission.files)})
            self._verified(version)
        return self.tag(version, {COMPLETE: "true"})

    def _upload(self, model_id: str, files: Files) -> None:
        upload(self._calls, model_id, files)

    def _experiment_id(self) -> str:
        return experiment_id(self._calls, self._experiment)

    # --- tags, copies

    def tag(self, version: Version, tags: Mapping[str, str]) -> Version:
        """Set ``tags`` on a version and return it as it is then."""

        def set_all(client: MlflowClient) -> None:
            for key, value in tags.items():
                if version.tags.get(key) != value:
                    plain(client).set_model_version_tag(
                        version.model_name, str(version.version), key, value
                    )

        self._calls.ask(set_all)
        return version.model_copy(update={"tags": {**version.tags, **tags}})

    def describe(self, version: Version, text: str) -> None:
        """Set what MLflow's page shows first of a version."""
        self._calls.ask(
            lambda client: plain(client).update_model_version(
                version.model_name, str(version.version), text
            )
        )

    def prune(self, version: Version) -> Version:
        """Note that the files of a version are about to be dropped."""
        return self.tag(version, {PRUNED: "true"})

    def ensure_registered(self, model_name: str, description: str) -> None:
        """Create a registered model unless there is one of that name.

        It is looked for first: on a server with accounts only the admin may create one. MLflow
        reads all versions of a model to show it, so one of them is looked for before.
        """
        if self._calls.ask(lambda client: newest_of(client, model_name, 1)):
            return
        if self._calls.find(lambda client: client.get_registered_model(model_name)) is None:
            self._calls.ask(
                lambda client: unless_there(
                    lambda: client.create_registered_model(model_name, description=description)
                )
            )

    def copy(
        self, version: Version, model_name: str, tags: Mapping[str, str], description: str = ""
    ) -> Version:
        """Copy a version into another registered model, or return the copy made before.

        ``tags`` are added to those of the version, in the same call that makes the copy.
        """
        address, run = f"models:/{version.title}", f"run_id = '{version.run_id}'"

        def existing(client: MlflowClient) -> Version | None:
            copies = search(client, model_name, run)
            return first(copy for copy in copies if copy.source == address)

        copy = self._calls.create(
            existing,
            lambda client: version_of(
                client.create_model_version(
                    model_name,
                    address,
                    version.run_id,
                    tags={**version.tags, **tags},
                    description=description,
                )
            ),
        )
        return self.tag(copy, tags)


def _checksums(files: Files) -> str:
    return manifest.checksum_lines(manifest.digests(files))
