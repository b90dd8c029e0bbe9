"""Looks at a registry as any other program does, past the proxy and past our own code."""

import os

from mlflow import MlflowClient

from pipeline.base import manifest
from pipeline.base.names import HISTORY
from tests.nightly.faults.promotion import FIGURE
from tests.registries import UNFINISHED


class Witness:
    """Reads with MLflow's own client, and the files from the disk."""

    def __init__(self, server) -> None:
        """Look at ``server`` and at the files that it keeps."""
        self._server, self._client = server, MlflowClient(server.uri, server.uri)

    def breaches(self, names):
        """Name every champion that is not whole, which no reader may ever see."""
        return [
            f"{name}@{alias} is version {number}, which is not whole"
            for name in names.models
            for alias, number in self.aliases(name).items()
            if not self._is_whole(self._client.get_model_version(name, str(number)))
        ]

    def state(self, names):
        """Return everything that there is under these names, without what differs by chance.

        What a late request duplicated is left out where it does nothing: see `duplicates`.
        """
        kept = {name: self._kept(name) for name in names.models}
        runs = {version.run_id for versions in kept.values() for version in versions}
        return {
            "runs": sorted(self._run(run) for run in self._runs(names) if run.info.run_id in runs),
            **{
                name.removeprefix(f"m{names.mark}_"): {
                    "versions": [self._version(version, names.key) for version in kept[name]],
                    "aliases": self.aliases(name),
                    "line": self.line(name),
                }
                for name in names.models
            },
        }

    def duplicates(self, names, *, models):
        """Return how much was made twice and left lying, unused.

        Of two with one key the first counts, for every reader. ``models`` counts the
        logged models too, of which a run that takes up another's work makes one of its own.
        """
        versions = [version for name in names.models for version in self.versions(name)]
        kept = sum(len(self._kept(name)) for name in names.models)
        runs = {run.info.run_id for run in self._runs(names)} - {v.run_id for v in versions}
        entries = sum(len(self.log(name)) - len(self.line(name)) for name in names.models)
        return len(versions) - kept + len(runs) + entries + (self._spare(names) if models else 0)

    def _spare(self, names):
        if (experiment := self._client.get_experiment_by_name(names.experiment)) is None:
            return 0
        found = self._client.search_logged_models([experiment.experiment_id])
        return len(found) - len({model.source_run_id for model in found})

    def _kept(self, name):
        """Return the versions of a model but those that repeat an earlier one and do nothing."""
        kept, seen, held = [], set(), set(self.aliases(name).values())
        for version in self.versions(name):
            # Of a copy the source, of a published version the key.
            copied = version.source.count("/") > 1
            identity = version.source if copied else version.tags.get("key", "").partition(":")[0]
            whole = version.tags.get("complete") == "true" and not copied
            if identity not in seen or int(version.version) in held or whole:
                kept.append(version)
            seen.add(identity)
        return kept

    def _version(self, version, key):
        return (
            version.tags.get("key", "").replace(key, "key"),
            version.tags.get("gate_outcome"),
            version.tags["score"],
            self._is_whole(version),
        )

    def line(self, name):
        """Return the versions that were champion of a model, in their order, by its history."""
        line, last = [], 0
        for entry in self.log(name):
            # No version was promoted after the last entry that its writer knew.
            if last <= int(entry.tags["after"]):
                line.append(int(entry.tags["version"]))
                last = int(entry.version)
        return line

    def log(self, name):
        """Return every entry of a model's history, valid or not, in their order."""
        entries = self._client.search_model_versions(
            f"name = '{HISTORY}' and tags.model = '{name}'"
        )
        return sorted(entries, key=lambda entry: int(entry.version))

    def versions(self, name):
        """Return the versions of a model, oldest first."""
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "60"
        found = self._client.search_model_versions(f"name = '{name}'")
        return sorted(found, key=lambda version: int(version.version))

    def aliases(self, name):
        """Return the version of each alias of a model."""
        (found,) = self._client.search_registered_models(f"name = '{name}'") or [None]
        return {alias: int(number) for alias, number in found.aliases.items()} if found else {}

    def _runs(self, names):
        experiment = self._client.get_experiment_by_name(names.experiment)
        return self._client.search_runs([experiment.experiment_id]) if experiment else []

    def _run(self, run):
        folder = self._server.artifacts / run.info.experiment_id / run.info.run_id
        figure = folder / "artifacts" / "figures" / "roc.png"
        return (
            run.info.run_name,
            run.info.status,
            sorted(run.data.params.items()),
            sorted(run.data.metrics.items()),
            len(run.inputs.dataset_inputs),
            len(run.outputs.model_outputs) > 0,
            figure.is_file() and figure.read_bytes() == FIGURE,
        )

    def _is_whole(self, version):
        """Say whether a version is complete, and its files are those of its manifest."""
        if version.tags.get("complete") != "true":
            return False
        address = self._client.get_model_version_download_uri(version.name, version.version)
        folder = self._server.artifacts / address.removeprefix("mlflow-artifacts:/")
        stored = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(UNFINISHED)
        }
        lines = manifest.checksum_lines(manifest.digests(stored))
        return bool(stored) and lines == version.tags.get("manifest")
