"""The data contract: every rule has a file or a table that breaks it, and is named for it."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.base.errors import ContractError
from pipeline.dataset import rules, tables
from pipeline.dataset.contract import Kind
from pipeline.table import parsing
from pipeline.table.contract import (
    BY_NAME,
    COHORT,
    CONTRACT,
    EXTERNAL,
    FEATURES,
    FIELDS,
    RAW_COLUMNS,
    RAW_TARGET,
    TARGET,
    TRAINING,
)

ROW = 7

some_examples = hypothesis_settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def training(parsed):
    """Return a training table of the test's own."""
    return parsing.training_table(parsed).copy()


@pytest.fixture
def external(parsed):
    """Return an external table of the test's own."""
    return parsing.external_table(parsed)


@pytest.fixture
def parse_with(raw_files):
    """Return a function that parses Cleveland's file, changed by a function of its lines."""

    def parse(change):
        lines = change(raw_files["cleveland"].decode().splitlines())
        content = "".join(f"{line}\n" for line in lines).encode("latin-1", "replace")
        return parsing.parse_file(TRAINING, content)

    return parse


@pytest.fixture
def table_with(parse_with):
    """Return a function that tells the table of such a file, which must be good."""

    def table(change):
        parsed, breaches = parse_with(change)
        assert breaches == []
        return parsed.table

    return table


@pytest.fixture
def breaches_with(parse_with):
    """Return a function that tells the breaches of such a file."""
    return lambda change: parse_with(change)[1]


def cell(column, text, row=ROW):
    """Return a change of one cell."""

    def change(lines):
        fields = lines[row - 1].split(",")
        fields[RAW_COLUMNS.index(column)] = text
        return [*lines[: row - 1], ",".join(fields), *lines[row:]]

    return change


def refused(check, table):
    """Return the breaches that ``check`` finds in ``table``."""
    with pytest.raises(ContractError) as error:
        check(CONTRACT, table)
    return error.value.breaches


class TestParsing:
    """What the files become."""

    def test_the_tables_have_the_rows_and_the_columns_of_the_contract(self, training, external):
        """303 and 617 patients; features as float64, then the target as int64."""
        assert training.shape == (303, 14)
        assert external.shape == (617, 15)
        assert list(training) == [*FEATURES, TARGET]
        assert list(external) == [COHORT, *FEATURES, TARGET]
        assert {str(kind) for kind in training[[*FEATURES]].dtypes} == {"float64"}
        assert str(training[TARGET].dtype) == "int64"

    def test_the_rows_keep_the_order_of_the_files(self, training, external, raw_files):
        """Row n of a table is line n of its file."""
        for table, names in (
            (training, ["cleveland"]),
            (external, [hospital.name for hospital in EXTERNAL]),
        ):
            lines = [line for name in names for line in raw_files[name].decode().splitlines()]
            assert table["age"].tolist() == [float(line.split(",")[0]) for line in lines]

    def test_disease_is_any_narrowing_above_zero(self, table_with):
        """Each severity from 1 to 4 is disease, 0 is none."""

        def severities(lines):
            for row, severity in enumerate("01234", start=1):
                lines = cell(RAW_TARGET, severity, row)(lines)
            return lines

        table = table_with(severities)
        assert table[TARGET].head(5).tolist() == [0, 1, 1, 1, 1]

    @pytest.mark.parametrize("column", FEATURES[3:])
    def test_a_question_mark_is_missing(self, table_with, column):
        """Every nullable field may be unknown."""
        table = table_with(cell(column, "?"))
        assert np.isnan(table.loc[ROW - 1, column])

    @pytest.mark.parametrize("column", ["chol", "trestbps"])
    def test_an_impossible_zero_is_missing_and_counted(self, parse_with, column):
        """Zero cholesterol and zero blood pressure are missing values."""
        parsed, _ = parse_with(cell(column, "0.0"))
        assert np.isnan(parsed.table.loc[ROW - 1, column])
        assert parsed.zeros[column] == 1

    def test_the_zeros_of_every_hospital_are_counted(self, parsed):
        """All of Switzerland and 49 at VA have no cholesterol, one at VA no blood pressure."""
        assert parsed["switzerland"].zeros == {"trestbps": 0, "chol": 123}
        assert parsed["va"].zeros == {"trestbps": 1, "chol": 49}

    def test_negative_st_depression_is_real(self, external):
        """The 12 patients with an ST elevation are kept."""
        assert (external["oldpeak"] < 0).sum() == 12

    @pytest.mark.parametrize(
        ("text", "value"), [("2", 2), ("2.", 2), ("2.5", 2.5), (".7", 0.7), ("-.5", -0.5)]
    )
    def test_every_notation_of_the_hospitals_is_a_number(self, table_with, text, value):
        """Each hospital writes decimals in its own way."""
        table = table_with(cell("oldpeak", text))
        assert table.loc[ROW - 1, "oldpeak"] == value


def wrong_values():
    """Yield for every field each kind of value that it must refuse."""
    for field in FIELDS:
        must = f"must be {field.allowed}"
        for value in (field.low - 1, field.high + 1):
            if not (field.zero_is_missing and value == 0):
                yield pytest.param(field.name, f"{value:g}", must, id=f"{field.name}={value:g}")
        if field.kind in {Kind.NOMINAL, Kind.BINARY}:
            yield pytest.param(field.name, "0.5", must, id=f"{field.name}=0.5")
        if field.kind is Kind.COUNT:
            yield pytest.param(field.name, "0.5", "must be a whole number", id=f"{field.name}=0.5")


class TestFiles:
    """Breaches in the text and the values of a file."""

    @pytest.mark.parametrize(("column", "text", "rule"), [*wrong_values()])
    def test_a_value_that_the_contract_forbids_is_named(self, breaches_with, column, text, rule):
        """The one breach names the file, the column, the rule, the row and the cell."""
        expected = f"{column} {rule} (row {ROW} has {text})"
        assert breaches_with(cell(column, text)) == [expected]

    @pytest.mark.parametrize("column", [field.name for field in FIELDS if not field.nullable])
    def test_a_required_field_is_never_missing(self, breaches_with, column):
        """Age, sex and chest pain are known for every patient."""
        expected = f"{column} must not be missing (row {ROW})"
        assert breaches_with(cell(column, "?")) == [expected]

    @pytest.mark.parametrize(
        ("column", "text"),
        [
            *((column, "nan") for column in FEATURES),
            *(("chol", text) for text in ("", " ", "inf", "1e2", "2_00", "0x1", "+200", "é")),
            pytest.param("chol", "\N{ARABIC-INDIC DIGIT TWO}00", id="chol-arabic"),
        ],
    )
    def test_text_that_is_no_number_is_named_once(self, raw_files, column, text):
        """What Python would read as a number, but UCI never writes, is refused as well."""
        lines = raw_files["cleveland"].decode().splitlines()
        content = "\n".join(cell(column, text)(lines)).encode()
        _, breaches = parsing.parse_file(TRAINING, content)
        shown = ascii(text.encode().decode("latin-1"))
        assert breaches == [f"{column} must be a number or ? (row {ROW} has {shown})"]

    @pytest.mark.parametrize("text", ["?", "5", "-1", "1.0", "", "x"])
    def test_a_severity_that_does_not_exist_is_named(self, breaches_with, text):
        """The outcome is 0 to 4 and never missing."""
        expected = f"num must be 0, 1, 2, 3 or 4 (row {ROW} has {text!r})"
        assert breaches_with(cell(RAW_TARGET, text)) == [expected]

    def test_a_long_cell_is_cut(self, breaches_with):
        """The message stays one line that a person can read."""
        (breach,) = breaches_with(cell("age", "x" * 5000))
        assert breach == f"age must be a number or ? (row {ROW} has '{'x' * 20}')"

    def test_lines_with_too_few_or_too_many_fields_are_named(self, breaches_with):
        """A line that is cut or has a column too many is not guessed at."""

        def change(lines):
            return [lines[0] + ",1", lines[1].rsplit(",", 1)[0], "", *lines[3:]]

        assert breaches_with(change) == [
            "must have 14 fields in each line (row 1 has 15, row 2 has 13, row 3 has 1)"
        ]

    def test_line_ends_of_windows_are_named(self, breaches_with):
        """A file that an editor converted is not the file we know."""
        (breach,) = breaches_with(lambda lines: [f"{line}\r" for line in lines])
        assert breach.startswith("must end its lines with LF alone (row 1, row 2,")
        assert breach.endswith("and 298 more)")

    @pytest.mark.parametrize(
        ("change", "rows"),
        [
            pytest.param(lambda lines: lines[:-1], 302, id="one too few"),
            pytest.param(lambda lines: [*lines, lines[0][1:]], 304, id="one too many"),
        ],
    )
    def test_another_number_of_rows_is_named(self, breaches_with, change, rows):
        """Neither a lost nor an added patient goes unseen."""
        assert f"has {rows} rows, not 303" in breaches_with(change)

    def test_an_empty_file_is_named(self, breaches_with):
        """Nothing is a breach too."""
        assert breaches_with(lambda _: []) == ["has 0 rows, not 303"]

    def test_a_repeated_row_is_named(self, breaches_with):
        """At Cleveland no two rows are the same."""
        rule = "must not have more than 0 rows that repeat an earlier one"
        assert breaches_with(lambda lines: [*lines[:-1], lines[3]]) == [f"{rule} (row 303)"]

    def test_one_class_only_is_named(self, breaches_with):
        """Nothing can be learned where everybody is healthy."""
        healthy = breaches_with(lambda lines: [line[:-1] + "0" for line in lines])
        assert healthy == ["has only one class: disease is always 0"]

    def test_every_breach_of_every_file_is_named_at_once(self, raw_files):
        """One run tells a person everything that is to be mended."""
        changed = {
            "cleveland": cell("chol", "5000")(raw_files["cleveland"].decode().splitlines()),
            "va": cell("age", "old")(raw_files["va"].decode().splitlines())[:-1],
        }
        contents = {name: "\n".join(lines).encode() for name, lines in changed.items()}
        with pytest.raises(ContractError) as error:
            parsing.parse({**raw_files, **contents})
        assert error.value.breaches == (
            "processed.cleveland.data chol must be 60 to 700 mg/dl (row 7 has 5000)",
            "processed.va.data has 199 rows, not 200",
            "processed.va.data age must be a number or ? (row 7 has 'old')",
        )
        assert str(error.value).startswith("the raw data breaks the data contract: processed.cle")

    def test_only_the_first_rows_are_listed_and_the_others_counted(self, breaches_with):
        """A broken column does not fill the screen."""

        def change(lines):
            for row in range(11, 21):
                lines = cell("age", "200", row)(lines)
            return lines

        (breach,) = breaches_with(change)
        assert breach == (
            "age must be 18 to 110 years (row 11 has 200, row 12 has 200, row 13 has 200, "
            "row 14 has 200, row 15 has 200 and 5 more)"
        )

    @some_examples
    @given(text=st.text(st.characters(codec="latin-1", exclude_characters="\r\n,"), max_size=8))
    @example(text="9" * 400)
    def test_any_text_in_a_cell_is_a_patient_or_a_breach(self, parse_with, text):
        """No text escapes as another error, and none enters as a value out of range."""
        chol = BY_NAME["chol"]
        parsed, breaches = parse_with(cell("chol", text))
        value = parsed.table.loc[ROW - 1, "chol"]
        if breaches:
            assert f"(row {ROW} has" in breaches[0]
        else:
            assert np.isnan(value) or chol.low <= value <= chol.high

    @some_examples
    @given(content=st.binary(max_size=200))
    def test_any_bytes_are_refused_in_words(self, content):
        """A file of anything at all is a breach and no crash."""
        assert parsing.parse_file(TRAINING, content)[1]


def copies():
    """Yield ways in which a feature can give the target away."""
    yield pytest.param("oldpeak", lambda disease: disease * 1.0, id="the target itself")
    yield pytest.param("oldpeak", lambda disease: 1.0 - disease, id="the target turned round")
    yield pytest.param(
        "chol", lambda disease: 200.0 + 100 * disease + np.arange(303) % 90, id="ranks, ascending"
    )
    yield pytest.param(
        "chol", lambda disease: 300.0 - 100 * disease + np.arange(303) % 90, id="ranks, descending"
    )
    yield pytest.param(
        "chol",
        lambda disease: np.where(np.arange(303) % 2, np.nan, 200.0 + 100 * disease),
        id="where it is known",
    )
    yield pytest.param(
        "cp", lambda disease: np.where(disease, 2.0 + 2 * (np.arange(303) % 2), 3.0), id="codes"
    )
    yield pytest.param(
        "ca", lambda disease: np.where(disease, np.nan, 1.0), id="missing means disease"
    )


class TestTables:
    """Breaches in a processed table, which the next task checks again."""

    def test_good_tables_come_back_as_they_went(self, training, external):
        """A table that keeps the contract is passed on."""
        assert rules.check_training(CONTRACT, training) is training
        assert rules.check_external(CONTRACT, external) is external

    def test_tables_keep_the_contract_after_being_written_and_read(self, training, external):
        """Parquet changes no type and no value."""
        rules.check_training(CONTRACT, tables.read_table(tables.table_bytes(training)))
        rules.check_external(CONTRACT, tables.read_table(tables.table_bytes(external)))

    def test_a_missing_column_is_named(self, training):
        """A lost column is no crash."""
        assert refused(rules.check_training, training.drop(columns="thal")) == (
            "has no column thal",
        )

    def test_a_column_too_many_is_named(self, training):
        """What the contract does not know does not come in."""
        breaches = refused(rules.check_training, training.assign(num=training[TARGET]))
        assert breaches == ("has an unknown column num",)

    def test_another_order_of_columns_is_named(self, training):
        """The order is part of the contract, and the message says it."""
        (breach,) = refused(rules.check_training, training[list(training)[::-1]])
        assert breach == f"must have its columns in the order {', '.join([*FEATURES, TARGET])}"

    @pytest.mark.parametrize(
        ("column", "kind", "name"),
        [("age", "int64", "int64"), ("ca", "str", "str"), ("thal", "object", "object")],
    )
    def test_a_column_of_another_type_is_named(self, training, column, kind, name):
        """Numbers as text and whole numbers as integers are not the contract's float64."""
        (breach,) = refused(rules.check_training, training.astype({column: kind}))
        assert breach == f"{column} must be of type float64, not {name}"

    def test_text_among_the_numbers_is_named_by_its_column_alone(self, training):
        """Where the type is wrong, nothing is said about the values."""
        table = training.astype({"thal": "object"})
        table.loc[3, "thal"] = "normal"
        (breach,) = refused(rules.check_training, table)
        assert breach == "thal must be of type float64, not object"

    def test_an_infinite_value_is_named(self, training):
        """Infinity lies in no range."""
        training.loc[4, "chol"] = np.inf
        (breach,) = refused(rules.check_training, training)
        assert breach == "chol must be 60 to 700 mg/dl (row 5 has inf)"

    def test_a_target_of_two_is_named(self, training):
        """The processed target has two classes."""
        training.loc[0, TARGET] = 2
        assert refused(rules.check_training, training) == ("disease must be 0 or 1 (row 1 has 2)",)

    @pytest.mark.parametrize(("column", "copy"), [*copies()])
    def test_a_feature_that_copies_the_target_is_named(self, training, column, copy):
        """However a single feature gives the target away, it is found."""
        table = training.assign(**{column: copy(training[TARGET].to_numpy())})
        assert f"{column} copies the target: it alone separates the classes" in refused(
            rules.check_training, table
        )

    def test_a_nearly_perfect_feature_is_a_copy_as_well(self, training):
        """One patient on the wrong side does not hide a leak."""
        disease = training[TARGET].to_numpy().copy()
        disease[0] = 1 - disease[0]
        table = training.assign(chol=200.0 + 100 * disease + np.arange(303) % 90)
        assert any("chol copies" in breach for breach in refused(rules.check_training, table))

    def test_an_empty_table_is_named(self, training):
        """What pandera alone would let through is found."""
        assert refused(rules.check_training, training.head(0)) == ("has 0 rows, not 303",)

    def test_an_unknown_hospital_is_named(self, external):
        """Every patient belongs to a hospital of the contract."""
        external.loc[616, COHORT] = "cleveland"
        breaches = refused(rules.check_external, external)
        assert "hospital must be one of hungarian, switzerland, va (row 617 has cleveland)" in (
            breaches
        )
        assert "va has 199 rows, not 200" in breaches

    def test_a_lost_hospital_is_named(self, external):
        """The external table is complete or refused."""
        table = external[external[COHORT] != "switzerland"]
        assert refused(rules.check_external, table) == ("switzerland has 0 rows, not 123",)

    def test_rows_that_repeat_are_counted_hospital_by_cohort(self, external):
        """Hungary may have one, as UCI's file has; a second one is a breach, by its row."""
        external.loc[0] = external.loc[1]
        rule = "must not have more than 1 rows that repeat an earlier one"
        assert refused(rules.check_external, external) == (f"hungarian {rule} (row 2, row 103)",)

    def test_an_external_table_without_its_hospitals_is_named(self, external):
        """The column that tells the hospitals apart is part of the contract."""
        assert refused(rules.check_external, external.drop(columns=COHORT)) == (
            "has no column hospital",
        )
