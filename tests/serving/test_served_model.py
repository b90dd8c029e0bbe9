"""A model is served only when every served file of its package is the one that was packaged."""

import json
import shutil

import onnx.parser
import pytest

from pipeline.base import manifest
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import PackageError
from pipeline.base.names import FAMILIES, registered_name
from pipeline.packaging import package
from pipeline.packaging.package import GOLDEN, MANIFEST, SERVED, SERVED_MODEL
from pipeline.serving import model

SEALED = tuple(name for name in SERVED if name != MANIFEST)


@pytest.fixture
def part(package_folder, tmp_path):
    """Return what an image carries of the champion's package, to be damaged."""
    for name in SERVED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(package_folder / name, tmp_path / name)
    return tmp_path


def refusal(folder):
    """Return why a package is not served."""
    with pytest.raises(PackageError) as caught:
        model.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def forge(folder, name, content):
    """Put another file in the place of one, with a manifest that agrees with all of it."""
    (folder / name).write_bytes(content)
    known = json.loads((folder / MANIFEST).read_bytes())
    known["files"][name] = manifest.sha256(content)
    (folder / MANIFEST).write_bytes(json_bytes(package.Manifest(**known).sealed()))


def disown(folder, name):
    """Remove a file, with a manifest that never knew it."""
    (folder / name).unlink()
    known = json.loads((folder / MANIFEST).read_bytes())
    del known["files"][name]
    (folder / MANIFEST).write_bytes(json_bytes(package.Manifest(**known).sealed()))


def test_the_part_that_an_image_carries_is_enough(part, served):
    """It is the same model, by its digest, and proves itself."""
    found = model.load(part)

    assert found.about == served.about
    assert found.title == "heart_disease/1"


def test_further_files_of_a_package_are_left_alone(part):
    """The pickle in it is never opened, so it need not be right."""
    (part / "model" / "model.joblib").write_bytes(b"cos\nsystem\n(S'false'\ntR.")

    assert model.load(part).title == "heart_disease/1"


@pytest.mark.parametrize("name", SERVED)
def test_a_missing_file_is_named(part, name):
    """Each that is served."""
    (part / name).unlink()

    assert name in refusal(part)


@pytest.mark.parametrize("name", SERVED)
def test_a_folder_in_the_place_of_a_file_is_named(part, name):
    """It is not the file."""
    (part / name).unlink()
    (part / name).mkdir()

    assert name in refusal(part)


@pytest.mark.parametrize("name", SEALED)
def test_a_flipped_bit_is_found(part, name):
    """In the middle of any served file."""
    content = bytearray((part / name).read_bytes())
    content[len(content) // 2] ^= 1
    (part / name).write_bytes(content)

    assert refusal(part) == f"{part}: {name} has changed"


@pytest.mark.parametrize("kept", [0, 1, 500, -2])
def test_a_truncated_manifest_is_named(part, kept):
    """Nothing else can be checked then."""
    (part / MANIFEST).write_bytes((part / MANIFEST).read_bytes()[:kept])

    assert refusal(part).startswith(f"{part}/{MANIFEST}: ")


def test_a_manifest_with_another_threshold_is_named(part):
    """It decides about labels, and is under the seal too."""
    known = json.loads((part / MANIFEST).read_bytes())
    (part / MANIFEST).write_bytes(json_bytes(known | {"threshold": 0.99}))

    assert refusal(part) == f"{part}: {MANIFEST} has changed"


def test_everything_that_is_wrong_is_named_at_once(part):
    """A person mends it in one go."""
    (part / SERVED_MODEL).unlink()
    (part / "MODEL_CARD.md").write_text("better")

    assert refusal(part) == f"{part}: {SERVED_MODEL} is missing; MODEL_CARD.md has changed"


def test_a_folder_that_is_none_is_named(tmp_path):
    """As a mistyped path is."""
    assert refusal(tmp_path / "nowhere") == (
        f"{tmp_path / 'nowhere'} holds no {MANIFEST}: it is not a package"
    )


def test_a_changed_golden_answer_is_found_behind_a_forged_manifest(part):
    """The digests agree, the model does not."""
    golden = json.loads((part / GOLDEN).read_bytes())
    golden["patients"][3]["probability"] += 2e-5
    forge(part, GOLDEN, json_bytes(golden))

    assert refusal(part) == (
        "heart_disease/1 answers 1 of 16 golden patients otherwise than the champion, "
        "by up to 2e-05"
    )


@pytest.mark.parametrize(
    ("golden", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"{}", "Field required"),
        (b'{"patients": []}', "at least 1 item"),
        (b'{"patients": [{"patient": {}, "probability": NaN}]}', "finite number"),
    ],
    ids=["empty file", "no patients", "an empty list", "no number"],
)
def test_golden_patients_that_prove_nothing_are_refused(part, golden, reason):
    """A model without golden patients is not proven, whatever the manifest says."""
    forge(part, GOLDEN, golden)

    message = refusal(part)
    assert message.startswith(f"{part}: {GOLDEN}: ")
    assert reason in message


@pytest.mark.parametrize("name", [GOLDEN, SERVED_MODEL])
def test_a_package_that_never_had_a_file_to_serve_is_refused(part, name):
    """Although nothing is missing that its manifest lists."""
    disown(part, name)

    assert refusal(part) == f"{part} holds no {name}"


def test_the_model_of_another_family_is_found_by_the_golden_patients(part, packages, served):
    """Behind a forged manifest; it is a good model, and not the champion."""
    for family in set(FAMILIES) - {served.about.family}:
        other = packages / f"{registered_name(family)}_model_v1" / SERVED_MODEL
        forge(part, SERVED_MODEL, other.read_bytes())

        assert "golden patients otherwise than the champion" in refusal(part)


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage" * 99, lambda known: known[:-50], lambda known: known[:50]],
    ids=["empty", "garbage", "its end is missing", "only its head"],
)
def test_what_is_no_onnx_model_is_refused_behind_a_forged_manifest(part, content):
    """In one line that names the file."""
    known = (part / SERVED_MODEL).read_bytes()
    forge(part, SERVED_MODEL, content if isinstance(content, bytes) else content(known))

    assert refusal(part).startswith(f"{part}: {SERVED_MODEL} cannot be run: ")


FORM = "(float[n, 13] patients) => (float[n] probability)"
AGE = "probability = Gather <axis = 1> (patients, first)"
UNDEFINED = """
    zero = Sub (patients, patients)
    undefined = Div (zero, zero)
    probability = Gather <axis = 1> (undefined, first)
"""
MATRIX = "(float[n, 13] patients) => (float[n, 13] probability)"
NUMBER = "(float[n, 13] patients) => (float probability)"
CANNOT_BE_RUN = f"{SERVED_MODEL} cannot be run: "
NOT_ONE_EACH = "does not answer one probability for each patient"
NOT_THE_CHAMPION = "answers 16 of 16 golden patients otherwise than the champion"


@pytest.mark.parametrize(
    ("form", "nodes", "reason"),
    [
        (FORM.replace("patients", "people"), AGE.replace("patients", "people"), CANNOT_BE_RUN),
        (FORM.replace("probability", "score"), AGE.replace("probability", "score"), CANNOT_BE_RUN),
        (FORM.replace("13", "12"), AGE, CANNOT_BE_RUN),
        (FORM.replace("float", "double"), AGE, CANNOT_BE_RUN),
        (MATRIX, "probability = Neg (patients)", NOT_ONE_EACH),
        (NUMBER, "probability = ReduceMax <keepdims = 0> (patients)", NOT_ONE_EACH),
        (FORM, AGE, NOT_THE_CHAMPION),
        (FORM, UNDEFINED, NOT_THE_CHAMPION),
    ],
    ids=["input", "output", "fields", "double", "a matrix", "a number", "the age", "no number"],
)
def test_an_onnx_model_that_is_not_the_champion_is_refused(part, form, nodes, reason):
    """One of another form, and one that answers something else."""
    text = f'<ir_version: 9, opset_import: ["": 18]> a {form} <int64 first = {{0}}> {{{nodes}}}'
    forge(part, SERVED_MODEL, onnx.parser.parse_model(text).SerializeToString())

    assert reason in refusal(part)
