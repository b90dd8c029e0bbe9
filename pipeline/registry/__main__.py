"""The commands of the registry."""

from typing import Annotated

import typer

from pipeline.base import cli
from pipeline.base.config import TRACKING_URI
from pipeline.base.context import RunContext
from pipeline.base.names import SERVED
from pipeline.registry import branch, doctor, replacement, rollback, transfer


def main(context: typer.Context) -> None:
    """Look after the registry: check it, put a champion back, keep it in a branch, move it.

    The registry is `MLFLOW_TRACKING_URI`, or the embedded `mlflow.db` when it is unset.

    Exit codes: 0 done; 1 something is wrong; 2 a setting or an option does not exist; 4 the
    registry does not answer; 5 it was repaired in part.

    Examples:
    - `python -m pipeline.registry doctor` looks at the whole registry
    - `python -m pipeline.registry history` shows who was champion when
    - `python -m pipeline.registry rollback --reason "wrong calls"` puts the champion before back
    - `python -m pipeline.registry promote --version NAME/N --reason TEXT` replaces a champion
    - `python -m pipeline.registry branch -- COMMAND` runs a command with the registry of the branch
    - `python -m pipeline.registry transfer --to URL` moves the registry to a server

    """
    if context.invoked_subcommand is None:
        cli.say(context.get_help())


def doctor_command(
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be repaired; nothing is deleted.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Read the files of every version, however old.")
    ] = False,
    grace: Annotated[
        float,
        typer.Option(
            metavar="MINUTES",
            min=0,
            help="Leave runs and versions alone that are younger: they may be under way.",
        ),
    ] = 60,
) -> None:
    """Look at the registry and say what an interruption, or a person, left wrong in it.

    Finds runs that never ended, versions that are incomplete or duplicated, files that are not what
    was published, aliases that stand nowhere or not where the history says. `--repair` repairs what
    it can without losing anything; a second time it changes nothing. It copies a damaged
    file from a version that has the same, or leaves it: a backup helps then. It puts an alias back
    to where the history says. A version that was uploaded only in part stays incomplete, and is
    never loaded: run its job again.

    The files of champions, of shipped versions and of what came after the last look that found
    nothing wrong are read (it notes its time as the tag `looked_at`); `--all` reads those of all.
    Champions and shipped versions are tried by the libraries of today: whether they answer, and
    whether their recipe can be fitted.

    What is called harmless needs nothing: a version that somebody else registered under one of our
    names, for example.

    Exit codes: 0 nothing is wrong (any more); 1 something is, and is shown; 2 a setting or an
    option does not exist; 4 the registry does not answer; 5 something was repaired, and something
    is left.

    Examples:
    - `python -m pipeline.registry doctor`
    - `python -m pipeline.registry doctor --all` reads every file
    - `python -m pipeline.registry doctor --repair`
    - `python -m pipeline.registry doctor --repair --grace 0` when nothing is under way

    """
    doctor.run(RunContext.read(), repair=repair, everything=everything, grace=grace * 60)


def history_command() -> None:
    """Show who was champion when, and why.

    Exit codes: 0 shown; 1 something is wrong; 2 a setting does not exist; 4 the registry does not
    answer.

    Examples:
    - `python -m pipeline.registry history`

    """
    rollback.show(RunContext.read().settings)


def rollback_command(
    *,
    to: Annotated[
        int | None,
        typer.Option(min=1, help=f"The version of {SERVED}; without it, the champion before."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the history.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also a version that the gate refused; it is noted.")
    ] = False,
) -> None:
    """Put the previous champion back, with a reason.

    A version that is incomplete, or whose files were changed, is never put back. Repeating it with
    the same reason changes nothing more: an interrupted one is finished so.

    Exit codes: 0 done; 1 it could not be, and the champion stays; 2 a setting or an option does not
    exist, or there is no reason; 4 the registry does not answer.

    Examples:
    - `python -m pipeline.registry rollback --reason "wrong since Monday"` takes that before
    - `python -m pipeline.registry rollback --to 3 --reason "wrong calls"` takes version 3

    """
    if not reason.strip():
        raise typer.BadParameter("a rollback needs a reason", param_hint="--reason")
    rollback.run(RunContext.read(), reason.strip(), to, force=force)


def promote_command(
    *,
    version: Annotated[
        str, typer.Option(metavar="NAME/N", help="The version, for example heart_disease_svm/7.")
    ],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the history.")] = "",
    family_only: Annotated[
        bool, typer.Option("--family-only", help="What is served stays.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also a version that the gate refused; it is noted.")
    ] = False,
) -> None:
    """Make a version champion by your own decision, with a reason.

    This is the way out where the gate cannot compare: the champion is damaged, or cannot be fitted
    by the libraries of today. The version becomes champion of its family, and is copied into the
    served model. A version that is incomplete, was changed, or cannot be read is never taken.

    Exit codes: 0 done; 1 it could not be, and the champions stay; 2 a setting or an option does not
    exist, or there is no reason; 4 the registry does not answer.

    Examples:
    - `python -m pipeline.registry promote --version heart_disease_svm/7 --reason "new libraries"`
    - `python -m pipeline.registry promote --version heart_disease_svm/7 --family-only
      --reason "the champion is damaged"` leaves what is served

    """
    if not reason.strip():
        raise typer.BadParameter("a promotion needs a reason", param_hint="--reason")
    context = RunContext.read()
    replacement.run(context, version, reason.strip(), family_only=family_only, force=force)


def branch_command(
    asked: Annotated[
        list[str], typer.Argument(metavar="COMMAND...", help="What to run, after --.")
    ],
    *,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Publish nothing, whatever the command does.")
    ] = False,
    attested: Annotated[
        bool | None,
        typer.Option(
            "--attested/--unattested",
            envvar="REGISTRY_ATTESTED",
            help="Ask `gh` first whether a workflow of this repository wrote the branch, or say "
            "that none attests it.",
        ),
    ] = None,
) -> None:
    """Run a command with the registry that this repository keeps in a branch of its own.

    With `MLFLOW_TRACKING_URI` set, the command is run with that server and nothing else happens.
    Otherwise the branch `mlflow-registry` of `origin` is fetched and served on this machine while
    the command runs; afterwards it is checked, pruned and pushed, unless another job pushed
    first: then the command is run again on top of that. The command keeps your environment, without
    the account of another MLflow server.

    Exit codes: 0 done, and published; 1 the branch could not be read or published; 2 a setting or
    an option does not exist; 4 the remote does not answer; 5 what the doctor could repair is
    published; else that of the command, which then has published nothing.

    Examples:
    - `python -m pipeline.registry branch -- python -m pipeline.experiment_tracking --once-per KEY`
    - `python -m pipeline.registry branch --read-only -- python -m pipeline.report`
    - `python -m pipeline.registry branch --read-only --attested -- true` asks who wrote it
    - `python -m pipeline.registry branch -- python -m pipeline.registry rollback --reason "WHY"`
    - `python -m pipeline.registry branch -- python -m pipeline.registry doctor --repair`

    """
    raise typer.Exit(branch.run(RunContext.read(), asked, read_only=read_only, attested=attested))


def transfer_command(
    *,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="SOURCE", help="The file of a registry, or `branch` for the branch's."
        ),
    ] = "sqlite:///mlflow.db",
    destination: Annotated[
        str, typer.Option("--to", metavar="URL", help=f"The server; without it {TRACKING_URI}.")
    ] = "",
    psql: Annotated[
        str,
        typer.Option(metavar="COMMAND", help="What runs psql as the owner of its database."),
    ] = "docker compose exec -T postgres psql --username mlflow",
) -> None:
    """Move the embedded registry, or the branch's, to an empty server on PostgreSQL.

    Versions and runs arrive as they are, with their numbers, ids and times. The files go first, by
    HTTP as `admin`; then psql writes all rows at once or none. Every file is compared with its
    manifest before anything is written and after it has arrived. The source is only read. An
    interrupted move is finished by running it again. Keep others out of both meanwhile.

    Exit codes: 0 moved; 1 something is wrong; 2 a setting or an option does not exist; 4 the
    server does not answer.

    Examples:
    - `python -m pipeline.registry transfer` moves `mlflow.db` to the server of compose
    - `python -m pipeline.registry transfer --from branch` moves the branch there
    - `python -m pipeline.registry transfer --to https://mlflow.example.org
      --psql "psql postgresql://mlflow@db.example.org/mlflow"` moves to a server elsewhere

    """
    context = RunContext.read()
    registry = context.settings.registry
    there = registry.at(destination) if destination else registry
    if not there.is_server:
        raise typer.BadParameter("name a server", param_hint="--to")
    transfer.run(context, source, there, psql)


if __name__ == "__main__":
    cli.run(
        main,
        doctor=doctor_command,
        history=history_command,
        rollback=rollback_command,
        promote=promote_command,
        branch=branch_command,
        transfer=transfer_command,
    )
