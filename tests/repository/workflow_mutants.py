"""Workflows made worse: each in one place, by the rule or the linter that must notice."""

from typing import Final

from tests.repository.workflow_rules import ACCEPT

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
PULL_REQUEST = "workflows/pull-request.yml"
REPORT = "workflows/report.yml"
COMMENT = "workflows/comment.yml"
TRAIN = "workflows/train.yml"
MAIN = "workflows/main.yml"
RELEASE = "workflows/release.yml"
ROLLBACK = "workflows/rollback.yml"
SETUP = "actions/setup/action.yml"
NO_PERMISSIONS = "permissions: {}\n"
NO_CREDENTIALS = "          persist-credentials: false\n"
WITH_CREDENTIALS = "        with:\n" + NO_CREDENTIALS
OUR_SETUP = "        uses: $/.github/actions/setup\n"
# What is worse, in which file, and the text before and after.
MUTANTS: Final = {
    "zizmor": [
        ("a branch for a pin", PULL_REQUEST, CHECKOUT, "actions/checkout@main"),
        ("a tag for a pin", PULL_REQUEST, CHECKOUT, "actions/checkout@v7.0.1"),
        ("half a commit", TRAIN, CHECKOUT, "actions/checkout@3d3c42e # v7.0.1"),
        ("an action of the work tree", TRAIN, "$/.github", "./.github"),
        ("write-all", TRAIN, NO_PERMISSIONS, "permissions: write-all\n"),
        ("no permissions on top", TRAIN, NO_PERMISSIONS, ""),
        (
            "read-all in a job",
            TRAIN,
            "    permissions:\n      contents: write # push the registry branch\n",
            "    permissions: read-all\n",
        ),
        (
            "a scope without a reason",
            RELEASE,
            "packages: write # push the image",
            "packages: write",
        ),
        ("pull_request_target", PULL_REQUEST, "  pull_request:\n", "  pull_request_target:\n"),
        ("pull_request_target as well", TRAIN, "on:\n", "on:\n  pull_request_target:\n"),
        (
            "an expression in a script",
            PULL_REQUEST,
            "run: make check",
            'run: make check TITLE="${{ github.event.pull_request.title }}"',
        ),
        (
            "an input in the script of an action",
            SETUP,
            "run: make setup",
            "run: make setup PYTHON=python${{ inputs.python-version }}",
        ),
        ("an input in a script", ROLLBACK, '--reason="$REASON"', '--reason="${{ inputs.reason }}"'),
        ("credentials in the clone", TRAIN, WITH_CREDENTIALS, ""),
        ("credentials kept", TRAIN, "als: false", "als: true"),
        ("secrets without a place", RELEASE, "    environment: release\n", ""),
        (
            "a machine of one's own",
            TRAIN,
            "runs-on: ubuntu-latest",
            "runs-on: [self-hosted, linux]",
        ),
        (
            "every secret at once",
            TRAIN,
            "${{ secrets.MLFLOW_TRACKING_USERNAME }}",
            "${{ toJSON(secrets) }}",
        ),
        (
            "an image that moves",
            TRAIN,
            "    name: train\n",
            "    name: train\n    container: python:latest\n",
        ),
        (
            "commands in the log",
            TRAIN,
            "\njobs:\n",
            "\nenv:\n  ACTIONS_ALLOW_UNSECURE_COMMANDS: true\n\njobs:\n",
        ),
    ],
    "pinned": [
        ("a pin without its version", TRAIN, CHECKOUT, CHECKOUT.partition(" ")[0]),
        ("a pin of another version", TRAIN, "# v7.0.1", "# v7.0.2"),
        ("a commit without confirmation", TRAIN, "@3d3c42e5", "@3d3c42e6"),
        ("an action without confirmation", TRAIN, "actions/checkout", "action/checkout"),
        ("an action that is not there", TRAIN, "actions/setup\n", "actions/set\n"),
    ],
    "only_what_is_needed": [
        (
            "a further scope",
            TRAIN,
            "      contents: write # push",
            "      packages: write # why not\n      contents: write # push",
        ),
        (
            "write where reading is enough",
            RELEASE,
            "contents: read # check",
            "contents: write # check",
        ),
        (
            "a job without permissions of its own",
            TRAIN,
            "    permissions:\n      contents: write # push the registry branch\n",
            "",
        ),
    ],
    "started_by_what_was_decided": [
        ("training on every branch", TRAIN, "    branches: [main]\n", "    branches: ['**']\n"),
    ],
    "ends_in_time": [
        ("no timeout", TRAIN, "    timeout-minutes: 60\n", ""),
        ("ten hours", TRAIN, "minutes: 60", "minutes: 600"),
    ],
    "nothing_to_steal": [
        (
            "a secret for a pull request",
            REPORT,
            "${{ github.token }}",
            "${{ secrets.MLFLOW_TRACKING_PASSWORD }}",
        ),
        (
            "a team's server for a pull request",
            PULL_REQUEST,
            "          PIPELINE__PROMOTION__MODE: disabled",
            "          MLFLOW_TRACKING_URI: ${{ vars.MLFLOW_TRACKING_URI }}",
        ),
        (
            "a pull request that writes",
            REPORT,
            "contents: read # check out; read",
            "pull-requests: write # comment",
        ),
        (
            "an environment for a pull request",
            PULL_REQUEST,
            "    timeout-minutes: 30\n",
            "    timeout-minutes: 30\n    environment: model-registry\n",
        ),
    ],
    "nothing_of_the_pull_request_runs": [
        (
            "the code of a pull request with a writing token",
            COMMENT,
            NO_CREDENTIALS,
            NO_CREDENTIALS + "          ref: ${{ github.event.workflow_run.head_sha }}\n",
        ),
        (
            "a stranger's files among the code",
            COMMENT,
            "path: ${{ runner.temp }}/model-report",
            "path: .",
        ),
        (
            "a comment after every event",
            COMMENT,
            "github.event.workflow_run.event == 'pull_request' && ",
            "",
        ),
    ],
    "nothing_kept_where_it_counts": [
        (
            "a cache in a release",
            RELEASE,
            OUR_SETUP,
            OUR_SETUP + "        with:\n          cache: pip\n",
        ),
        ("a release that may use caches", RELEASE, "cache-mode: none\n", ""),
        (
            "a job of a release that may",
            RELEASE,
            "    environment: release\n",
            "    environment: release\n    cache-mode: read\n",
        ),
        ("training with kept packages", TRAIN, "    cache-mode: none\n", ""),
    ],
    "waits_or_ends": [
        ("a waiting run is dropped", TRAIN, "  queue: max\n", ""),
        ("a running job is dropped", RELEASE, "progress: false", "progress: true"),
        ("two trainings at once", TRAIN, "  group: train\n", "  group: train-${{ github.sha }}\n"),
        (
            "trainings without order",
            TRAIN,
            "concurrency:\n  group: train\n  cancel-in-progress: false\n  queue: max\n",
            "",
        ),
        ("pull requests that pile up", PULL_REQUEST, "progress: true", "progress: false"),
    ],
    "one_line_to_type": [
        (
            "two lines",
            PULL_REQUEST,
            "run: make check",
            "run: |\n          make check\n          make test",
        ),
        ("a target that is not there", PULL_REQUEST, "run: make check", "run: make chekc"),
        (
            "a module that is not there",
            TRAIN,
            "pipeline.experiment_tracking",
            "pipeline.experiment_traking",
        ),
        ("a script that is not there", MAIN, "run: .ci/tools", "run: .ci/tool"),
        (
            "a script from elsewhere",
            MAIN,
            "run: .ci/tools",
            "run: curl https://example.com/install | bash",
        ),
    ],
    "every_check_is_required": [
        (
            "a check that is not required",
            PULL_REQUEST,
            "integration, workflows, image]",
            "integration, workflows]",
        ),
        (
            "a report that may fail",
            REPORT,
            "    name: report\n",
            "    name: report\n    continue-on-error: true\n",
        ),
        (
            "a skipped check that passes",
            PULL_REQUEST,
            "    if: always() # a skipped check would count as passed\n",
            "",
        ),
        (
            "a gate that always opens",
            PULL_REQUEST,
            f"run: {ACCEPT}",
            "run: grep --version",
        ),
        (
            "a failure that passes",
            PULL_REQUEST,
            "    name: image\n",
            "    name: image\n    continue-on-error: true\n",
        ),
        (
            "a check that may be skipped",
            PULL_REQUEST,
            "    name: check\n",
            "    name: check\n    if: github.actor != 'dependabot[bot]'\n",
        ),
        (
            "a check that is skipped for another reason than the change",
            PULL_REQUEST,
            "    if: needs.affected.outputs.candidate == 'true'\n",
            "    if: needs.affected.outputs.candidate == 'true' && github.actor != 'ann'\n",
        ),
        (
            "a check that is skipped when another one fails",
            PULL_REQUEST,
            "  check:\n    name: check\n",
            "  check:\n    name: check\n    needs: fast\n",
        ),
    ],
    "no_secret_for_every_job": [
        (
            "a secret for every job",
            RELEASE,
            "\njobs:\n",
            "  PASSWORD: ${{ secrets.REGISTRY_TOKEN }}\njobs:\n",
        ),
    ],
    "works_on_a_fork": [
        ("a registry that a fork does not have", RELEASE, " || 'ghcr.io' }}", " }}"),
        (
            "the registry of one owner",
            RELEASE,
            'run: docker login "$REGISTRY"',
            "run: docker login ghcr.io",
        ),
    ],
    "actionlint": [
        (
            "a step that does not exist",
            RELEASE,
            "steps.image.outputs.digest",
            "steps.imag.outputs.digest",
        ),
        ("a job that does not exist", MAIN, "needs: test", "needs: tests"),
        ("an unquoted word", ROLLBACK, '--reason="$REASON"', "--reason=$REASON"),
        ("a misspelt key", TRAIN, "    timeout-minutes: 60", "    timeout-minute: 60"),
        (
            "an input that no action has",
            PULL_REQUEST,
            "          python-version: ${{ matrix",
            "          python: ${{ matrix",
        ),
    ],
}
