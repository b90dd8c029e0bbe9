"""The image in its registry: pushed once, pulled and verified, and the tags that follow it."""

from pipeline.base import artifacts, cli
from pipeline.base.context import RunContext
from pipeline.base.errors import ReleaseError
from pipeline.image import saved
from pipeline.image.docker import Engine
from pipeline.image.verify import verify
from pipeline.release import folder
from pipeline.release.folder import IMAGE, PACKAGE
from pipeline.release.images import Repository, login
from pipeline.release.plan import Plan, is_highest, moving_tags, read_tag


def run(context: RunContext) -> None:
    """Push the image unless it is there already, prove what was pushed, and move the short tags.

    Raises:
        ReleaseError: the version is taken by another image, which stays.
        ImageError: the registry refuses, or what it has does not answer like the package.

    """
    plan = folder.read_plan("build")
    version, engine = read_tag(plan.tag), Engine()
    repository = Repository(plan.image, login(plan.image))
    plan = _pushed(plan, repository, engine)
    folder.write_plan(plan)
    artifacts.add_to(context.ci.output, f"image={plan.image}\ndigest={plan.digest}\n")
    # Without the local image, the pull brings the one that was pushed.
    engine.remove(plan.versioned)
    engine.pull(plan.pinned)
    verify(context.settings, plan.pinned, PACKAGE)
    tags = repository.tags()
    moving = moving_tags(version, tags)
    for tag in moving:
        repository.tag(plan.digest, tag)
    folder.write_plan(plan.model_copy(update={"highest": is_highest(version, tags)}))
    cli.fact("tags", f"{', '.join([plan.version, *moving])} of {plan.pinned}")


def _pushed(plan: Plan, repository: Repository, engine: Engine) -> Plan:
    """Return the plan with the digest of its image, which is in the registry then."""
    if saved.image_id(IMAGE) != plan.image_id:
        raise ReleaseError(f"{IMAGE} is not the image that was verified: build it again")
    engine.load(IMAGE)
    pushed = repository.find(plan.version)
    if pushed is None:
        engine.push(plan.versioned, cli.say)
        pushed = repository.find(plan.version)
    if pushed is None or pushed.image_id != plan.image_id:
        raise ReleaseError(
            f"{plan.versioned} is another image than the one that was built here: it stays; tag "
            "another version, or run the whole release again if it is this one's"
        )
    return plan.model_copy(update={"digest": pushed.digest})
