"""The image of a release: built or taken again, verified and scanned."""

from pipeline.base import artifacts, cli, manifest
from pipeline.base.artifacts import RELEASE
from pipeline.base.context import RunContext
from pipeline.base.errors import ImageError, ReleaseError
from pipeline.base.git import WorkTree
from pipeline.image import saved, sbom
from pipeline.image.build import build_bento, build_image, image_labels, python_image
from pipeline.image.docker import Engine
from pipeline.image.verify import verify
from pipeline.packaging.packager import ModelPackager
from pipeline.release import folder, scan
from pipeline.release.folder import IMAGE, PACKAGE, SBOM, SUMS
from pipeline.release.plan import Plan, check_package


def run(
    context: RunContext,
    *,
    base_image: str = "",
    accepted: tuple[str, ...] = (),
    allow_unscanned: bool = False,
) -> None:
    """Build, verify and scan the image of the plan, and write it into ``release/``.

    An image that an unfinished release has pushed is taken instead of a new one, and is verified
    and scanned as well.

    Raises:
        ReleaseError: the package or the work tree is not the plan's, or a vulnerability is known.
        ImageError: the image cannot be built, or does not answer like its package.
        ScanError: the database of vulnerabilities does not answer.

    """
    plan = folder.read_plan("prepare")
    about = ModelPackager(context.settings).validate_package(PACKAGE)
    check_package(plan, about)
    if not plan.digest:
        _check_tree(plan, context.tree)
    engine = Engine()
    labels = image_labels(context, about, plan.versioned)
    base = _take(engine, plan) if plan.digest else _make(engine, plan, labels, base_image)
    verify(context.settings, plan.versioned, PACKAGE)
    scan.run(SBOM.read_bytes(), accepted, allow_unscanned=allow_unscanned)
    engine.save(plan.versioned, IMAGE)
    sums = manifest.checksum_lines(manifest.digests(folder.assets(plan)))
    artifacts.write_file(SUMS, sums.encode())
    folder.write_plan(plan.model_copy(update={"base": base, "image_id": saved.image_id(IMAGE)}))
    cli.fact("built", f"{plan.versioned} over {base or 'the base that it was pushed with'}")


def _check_tree(plan: Plan, tree: WorkTree) -> None:
    if tree.problem:
        raise ReleaseError(f"{plan.tag} cannot be compared with the work tree: {tree.problem}")
    if tree.commit != plan.revision or tree.modified:
        raise ReleaseError(f"the work tree is not {plan.tag} any more: prepare the release again")


def _take(engine: Engine, plan: Plan) -> str:
    engine.pull(plan.pinned)
    engine.tag(plan.pinned, plan.versioned)
    artifacts.write_file(SBOM, sbom.make(plan.versioned))
    return plan.base


def _make(engine: Engine, plan: Plan, labels: dict[str, str], base_image: str) -> str:
    bento_folder = build_bento(artifacts.files_below(PACKAGE))
    base = _base(engine, base_image or python_image(PACKAGE))
    build_image(engine, bento_folder, labels, tag=plan.versioned, base=base, written=RELEASE)
    return base


def _base(engine: Engine, name: str) -> str:
    """Return the newest image of that name by its digest; without a registry, what is here."""
    try:
        engine.pull(name)
    except ImageError as error:
        engine.image(name)
        cli.fact("base", f"{name} as it is on this machine ({error})")
    return engine.pinned(name)
