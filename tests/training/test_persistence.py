"""Models as files: the same bytes for the same training, and nothing that runs when loaded."""

import io
import json
import os
import pickletools
import zipfile

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from pipeline.base.errors import ArtifactError
from pipeline.base.names import FAMILIES
from pipeline.evaluation import cross_validation
from pipeline.training import persistence
from pipeline.training.blocks import ShareOfPrediction

every_family = pytest.mark.parametrize("family", FAMILIES)


class Stranger(BaseEstimator):
    """An estimator that is none of ours."""


@pytest.fixture(scope="module")
def dumped(fitted):
    """Return each family's model file."""
    return {family: persistence.dump(pipeline) for family, pipeline in fitted.items()}


def members(content):
    """Return the members of a zip archive, and their content by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.infolist(), {name: archive.read(name) for name in archive.namelist()}


def archived(files):
    """Return a zip archive of ``files``."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


@every_family
def test_a_loaded_model_answers_as_the_one_that_was_dumped(fitted, dumped, patients, family):
    """Bit for bit."""
    loaded = persistence.load(dumped[family])

    assert (
        cross_validation.probability(loaded, patients)
        == cross_validation.probability(fitted[family], patients)
    ).all()


@every_family
def test_a_loaded_model_can_sit_the_exam_again(dumped, training, plan, answers, family):
    """The champion is fitted anew in every fold, and answers as it did."""
    loaded = {family: persistence.load(dumped[family])}

    again = cross_validation.cross_validate(loaded, training, plan, 1)[family]

    before = answers[family].query("repeat == 0")
    assert (again["probability"] == before["probability"]).all()


@every_family
def test_the_same_training_gives_the_same_bytes(build, training, dumped, family):
    """So that a sha256 identifies a model."""
    assert persistence.dump(cross_validation.fit(build(family), training)) == dumped[family]


@every_family
def test_dumping_the_same_model_twice_gives_the_same_bytes(fitted, dumped, family):
    """Dumping changes nothing in the model."""
    assert persistence.dump(fitted[family]) == dumped[family]


def test_another_model_gives_other_bytes(build, training, dumped):
    """One patient fewer is another model."""
    other = cross_validation.fit(build("logistic_regression"), training.iloc[1:])

    assert persistence.dump(other) != dumped["logistic_regression"]


def test_skops_alone_would_not_give_the_same_bytes(build, training):
    """The rewriting is needed: memory addresses differ from training to training."""
    first, second = (cross_validation.fit(build("logistic_regression"), training) for _ in range(2))

    assert skops.io.dumps(first) != skops.io.dumps(second)


def test_whether_two_equal_numbers_are_one_object_changes_no_byte():
    """Python shares some and not others, as it happens to come."""
    one, other = float("220"), float("220")
    shared = make_pipeline(ShareOfPrediction(one), ShareOfPrediction(one))
    apart = make_pipeline(ShareOfPrediction(one), ShareOfPrediction(other))

    assert one is not other
    assert persistence.dump(shared) == persistence.dump(apart)


@every_family
def test_entries_have_a_fixed_time_and_are_stored(dumped, family):
    """Neither the clock nor a version of zlib is in the bytes."""
    entries, _ = members(dumped[family])

    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}


@every_family
def test_entries_are_arrays_under_running_numbers_and_one_schema(dumped, family):
    """No name is made from a memory address."""
    entries, _ = members(dumped[family])

    arrays = [f"{number}.npy" for number in range(1, len(entries))]
    assert [entry.filename for entry in entries] == [*arrays, "schema.json"]


@every_family
def test_no_entry_is_a_pickle(dumped, family):
    """Neither a member by itself nor an array of objects, which numpy would unpickle."""
    _, files = members(dumped[family])
    schema = json.loads(files.pop("schema.json"))

    for content in files.values():
        assert content.startswith(b"\x93NUMPY")
        assert np.load(io.BytesIO(content), allow_pickle=False).dtype != object
        with pytest.raises(ValueError, match="opcode"):
            list(pickletools.genops(content))
    assert schema["__class__"] == "Pipeline"


@every_family
def test_every_type_of_a_model_is_trusted_by_name(dumped, family):
    """Asked for what it does not know, skops names none that is not in our own list."""
    unknown = skops.io.get_untrusted_types(data=dumped[family])

    assert set(unknown) <= set(persistence.TRUSTED_TYPES)


def test_no_type_is_trusted_that_no_model_has(dumped):
    """The list is as short as it can be, but for the names in models that were stored earlier."""
    needed = {
        name for content in dumped.values() for name in skops.io.get_untrusted_types(data=content)
    }

    assert needed | set(persistence.OLD_NAMES) == set(persistence.TRUSTED_TYPES)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (FunctionTransformer(os.system), "posix.system"),
        (FunctionTransformer(eval), "builtins.eval"),
        (Stranger(), "Stranger"),
    ],
    ids=["a shell command", "an expression", "an unknown class"],
)
def test_a_model_of_another_type_is_refused_with_its_name(part, name):
    """However deep in the pipeline it hides, and before anything of it is built."""
    crafted = skops.io.dumps(make_pipeline(StandardScaler(), make_pipeline(part)))

    with pytest.raises(ArtifactError, match=rf"the model file is refused: .*{name}"):
        persistence.load(crafted)


def test_a_type_cannot_be_smuggled_into_a_file_of_ours(dumped):
    """A renamed class in the schema of a real model is refused too."""
    _, files = members(dumped["logistic_regression"])
    schema = files["schema.json"].replace(b'"Bands"', b'"Popen"', 1)
    schema = schema.replace(b'"pipeline.training.blocks"', b'"subprocess"')

    with pytest.raises(ArtifactError, match="is refused"):
        persistence.load(archived({**files, "schema.json": schema}))


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a zip archive", archived({}), archived({"schema.json": b"{"})],
    ids=["nothing", "two bytes", "a text", "an empty archive", "half a schema"],
)
def test_something_else_than_a_model_file_is_damaged(content):
    """An expected error, not a defect."""
    with pytest.raises(ArtifactError, match="the model file is damaged"):
        persistence.load(content)


@pytest.mark.parametrize("schema", [b"null", b"[]", b"1", b"{}", b"\xff", b'{"__loader__": 1}'])
def test_a_schema_that_says_nothing_is_damaged(schema):
    """Whatever JSON it is, or none."""
    with pytest.raises(ArtifactError, match="the model file is damaged"):
        persistence.load(archived({"schema.json": schema}))


def test_a_missing_array_is_damaged(dumped):
    """The schema names it, the archive lacks it."""
    _, files = members(dumped["logistic_regression"])
    del files["1.npy"]

    with pytest.raises(ArtifactError, match=r"the model file is damaged: .*1\.npy"):
        persistence.load(archived(files))


@settings(max_examples=20)
@given(share=st.floats(0, 0.999))
def test_a_truncated_model_file_is_damaged(dumped, share):
    """Wherever the download broke off."""
    content = dumped["logistic_regression"]

    with pytest.raises(ArtifactError, match="the model file is damaged"):
        persistence.load(content[: int(share * len(content))])


@settings(max_examples=50)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_damage_or_changes_no_answer(dumped, fitted, training, place, bit):
    """Checksums of the archive catch it, or it lies where no reader looks."""
    content = bytearray(dumped["logistic_regression"])
    content[int(place * len(content))] ^= 1 << bit

    try:
        loaded = persistence.load(bytes(content))
    except ArtifactError:
        return
    expected = cross_validation.probability(fitted["logistic_regression"], training)
    assert (cross_validation.probability(loaded, training) == expected).all()
