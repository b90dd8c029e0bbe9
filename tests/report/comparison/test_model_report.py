"""The model report as a text and as a page: what it says of every verdict there can be."""

import re

import pytest

from pipeline.base.names import METRIC_TITLES
from pipeline.gate.comparison import Comparison
from pipeline.report import comparison
from pipeline.report.model_report import Champion, Refit
from pipeline.report.rows import DECIDING, RANKING, leading_checks, metric_rows
from tests.gate import gate_cases
from tests.gate.gate_cases import BETTER, FIT, WON, between, fit_but, won_but
from tests.outline import Outline
from tests.report.comparison.conftest import FIGURES, report_of

CASES = list(gate_cases.cases())
HEADLINES = {"promote": "Promote", "keep": "Keep the champion", "refuse": "Refuse"}
TAMPERED = {"champion": "heart_disease/7", "problem": "model.skops has changed"}
UNREACHABLE = "the registry at http://127.0.0.1:1 does not answer"
OUT_OF_REACH = {"champion": "the live champion", "problem": UNREACHABLE}
UNKNOWN = Champion(title="the live champion", problem=UNREACHABLE, known=False)
# Longer than a comment on a pull request may be.
LONGEST = 65_536


def pages(report):
    """Return the report in both forms."""
    return comparison.pages(report, FIGURES)


def markdown(report):
    """Return the report as Markdown."""
    return pages(report)["model-report.md"]


def page(report):
    """Return the report as a page."""
    return pages(report)["model-report.html"]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_case_of_the_gate_has_a_report(case):
    """Missing figures, figures that are no numbers and empty slices included."""
    report = report_of(case.evaluation, case.comparison, case.policy)

    first, _, others = markdown(report).partition("\n")
    assert first == f"## Model report: {HEADLINES[case.outcome].lower()}"
    assert f"**{HEADLINES[case.outcome]}**: " in others.partition("<details>")[0]
    outline = Outline(page(report))
    assert outline.open == []
    assert HEADLINES[case.outcome] in outline.texts
    assert not re.search(r"nan ±|\[nan", markdown(report))


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (report_of(), "the first champion: every absolute check passed"),
        (report_of(FIT, WON), "better than heart_disease/7 on equal folds"),
        (report_of(FIT, won_but(roc_auc=between(0, 0.1))), "heart_disease/7 stays: ROC-AUC better"),
        (report_of(gate_cases.fit_without("brier")), "Brier score: the figure is missing"),
        (
            report_of(FIT, {"champion": "heart_disease/7", "identical": True}),
            "the same model as heart",
        ),
        (report_of(FIT, TAMPERED), "heart_disease/7 cannot be compared"),
        (report_of(FIT, OUT_OF_REACH, champion=UNKNOWN), "the live champion cannot be compared"),
        (report_of(policy={"mode": "disabled"}), "the gate is disabled: nothing was checked"),
    ],
    ids=["first", "promote", "keep", "refuse", "identical", "problem", "unreachable", "disabled"],
)
def test_the_verdict_stands_below_the_changes_with_its_reason(report, said):
    """Above everything else, in both forms."""
    assert said in markdown(report).splitlines()[8]
    assert f"</ul>\n<p><strong>{report.headline}</strong>: {said}" in page(report)


def test_the_libraries_of_a_change_are_told_by_what_they_do():
    """For each family whose champion others fitted, and for one that they cannot fit."""
    refits = (
        Refit(family="svm", rows=920, difference=0.0314),
        Refit(family="random_forest", rows=920, difference=None),
    )
    said = markdown(report_of(refits=refits))

    assert "fitted again by the libraries of this change" in said
    assert "- SVM: at most 3.1e-02 apart on 920 patients\n" in said
    assert "- Random forest: it cannot be fitted again, or gives no answers any more\n" in said
    assert "fitted again" not in markdown(report_of())


@pytest.mark.parametrize(
    ("comparison", "champion", "shown"),
    [(TAMPERED, None, True), (OUT_OF_REACH, UNKNOWN, False), (WON, None, False)],
    ids=["damaged", "unreachable", "beaten"],
)
def test_a_champion_that_cannot_be_compared_has_a_way_out(comparison, champion, shown):
    """A registry that was not reached says nothing about its champion."""
    report = report_of(FIT, comparison, **({"champion": champion} if champion else {}))

    assert ("registry promote --version NAME/N --reason TEXT" in markdown(report)) == shown


def test_what_changed_stands_first():
    """In words, right below the heading."""
    lines = [
        "feature age_bands: 45, 55, 65 -> 50, 60",
        "threshold: fixed 0.5 -> cost 4",
        "svm gamma: 0.5 -> scale",
    ]

    assert markdown(report_of()).splitlines()[2:8] == [
        "What changed since the newest registered version of each family:",
        "",
        *(f"- {line}" for line in lines),
        "",
    ]
    _, items = page(report_of()).split("</h1>\n")[1].split("<ul>\n", 1)
    assert [item.replace("&gt;", ">") for item in re.findall("<li>(.*)</li>", items)][:3] == lines


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((), "nothing since the newest registered version of each family"),
        (None, "no registered version to compare with"),
    ],
    ids=["nothing", "unknown"],
)
def test_without_changes_there_is_no_list_of_them(changes, said):
    """One line says why."""
    report = report_of(changes=changes)

    assert markdown(report).splitlines()[2:5:2] == [
        f"What changed: {said}.",
        "**Promote**: the first champion: every absolute check passed.",
    ]
    assert f"<p>What changed: {said}.</p>\n<p><strong>Promote" in page(report)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (report_of(), "none, because no version holds heart_disease@champion."),
        (report_of(FIT, WON), "heart_disease/7 (SVM)."),
        (report_of(FIT, TAMPERED), "heart_disease/7, which cannot be compared: model.skops has"),
        (report_of(FIT, OUT_OF_REACH, champion=UNKNOWN), "not known: the registry at http:"),
    ],
    ids=["no champion", "a champion", "tampered", "unreachable"],
)
def test_the_first_lines_say_who_is_champion(report, said):
    """Or why the report shows none."""
    assert f"- Live champion: {said}" in markdown(report).partition("<details>")[0]
    assert f"Live champion: {said}" in page(report).partition("<details>")[0]


def test_without_an_answer_of_the_registry_there_is_no_verdict():
    """A registry that does not answer refuses no model."""
    report = report_of(FIT, OUT_OF_REACH, champion=UNKNOWN)

    assert report.headline == "No verdict"
    assert "**No verdict**: the live champion cannot be compared." in markdown(report)
    assert not report.verdict.moves_alias


def test_an_unfit_model_is_refused_whatever_the_champion():
    """Its own checks need no registry."""
    report = report_of(fit_but(brier=gate_cases.around(0.3)), OUT_OF_REACH, champion=UNKNOWN)

    assert report.headline == "Refuse"
    assert "| Brier score | failed | 0.300 |" in markdown(report)
    assert f"not known: {UNREACHABLE}" in page(report)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("enabled", "experiment tracking moves the champion alias by its verdict"),
        ("report-only", "the alias stays, whatever the verdict"),
        ("disabled", "nothing is checked, and the best family is promoted"),
    ],
)
def test_the_report_says_how_the_gate_is_set(mode, said):
    """A reader knows what the verdict does."""
    report = report_of(FIT, WON, {"mode": mode})

    assert f"- Gate: {mode}, {said}." in markdown(report)
    assert f"Gate: {mode}, {said}." in page(report)


def test_one_table_compares_the_models():
    """Both figures with their errors, and the difference with its interval."""
    text = markdown(report_of(FIT, WON))

    assert "| | challenger | champion | difference, 95 % interval |" in text
    row = "| ROC-AUC | 0.910 ± 0.010 | 0.910 ± 0.010 | +0.011 [+0.001, +0.020] **better** |"
    assert row in text


@pytest.mark.parametrize(
    ("metric", "difference", "reading"),
    [
        ("roc_auc", between(0.01, 0.02), "better"),
        ("roc_auc", between(-0.02, -0.01), "worse"),
        ("roc_auc", between(-0.01, 0.01), ""),
        ("roc_auc", between(0.0, 0.02), ""),
        ("brier", between(-0.02, -0.01), "better"),
        ("brier", between(0.01, 0.02), "worse"),
        ("log_loss", between(-0.01, 0.01), ""),
        ("roc_auc", between(gate_cases.NAN, gate_cases.NAN), ""),
    ],
)
def test_a_difference_is_read_only_where_its_whole_interval_is_on_one_side(
    metric, difference, reading
):
    """And less of a loss is better."""
    report = report_of(FIT, won_but(**{metric: difference}))

    (row,) = metric_rows(report, [metric])

    assert row.reading == reading


def test_every_metric_is_shown_once():
    """In the main table or at the operating point."""
    assert sorted((*RANKING, *DECIDING)) == sorted(METRIC_TITLES)


def test_the_checks_to_look_at_first_are_shown_with_limit_and_figure():
    """In both forms, above all that is folded; how many failed is said above them."""
    report = report_of(fit_but(brier=gate_cases.around(0.2)))
    shown = markdown(report).partition("<details>")[0]

    assert "- 1 of 27 checks failed." in shown
    assert "The checks to look at first, of 27:" in shown
    assert "| Brier score | failed | 0.200 | [0.180, 0.220] | <= 0.15 |" in shown
    assert len(re.findall("<tbody>.*?</tbody>", page(report), re.DOTALL)[0].split("<tr>")) == 6


OTHER_THRESHOLD = {
    **WON,
    "other_threshold": True,
    "differences": dict.fromkeys((*BETTER, "sensitivity", "specificity"), gate_cases.around(0.1)),
}
FAILING = {"log_loss": 0.9, "brier": 0.3, "calibration_error": 0.2, "calibration_slope": 9.0}


@pytest.mark.parametrize(
    ("report", "names"),
    [
        (
            report_of(FIT, WON),
            "ROC-AUC better; Log loss; Brier score; Calibration error; ROC-AUC at hungarian",
        ),
        (
            report_of(FIT, {**WON, "same_data": False, "same_recipe": True}),
            "ROC-AUC not worse; Log loss; Brier score; Calibration error; ROC-AUC at hungarian",
        ),
        (
            report_of(FIT, OTHER_THRESHOLD),
            "Decisions; Log loss; Brier score; Calibration error; ROC-AUC at hungarian",
        ),
        (
            report_of(),
            "ROC-AUC; Log loss; Brier score; Calibration error; ROC-AUC at hungarian",
        ),
        (
            report_of(FIT, won_but(brier=between(0.1, 0.2))),
            "Brier score not worse; ROC-AUC better; Log loss; Brier score; Calibration error",
        ),
        (
            report_of(FIT.model_copy(update={"slices": (gate_cases.group("male", 0.76),)})),
            "ROC-AUC; Log loss; Brier score; Calibration error; ROC-AUC, male",
        ),
        (
            report_of(FIT.model_copy(update={"slices": (gate_cases.group("male", 0.76, 9, 4),)})),
            "ROC-AUC; Log loss; Brier score; Calibration error; ROC-AUC at hungarian",
        ),
        (
            report_of(
                fit_but(
                    **{name: gate_cases.around(value) for name, value in FAILING.items()},
                    roc_auc=gate_cases.around(0.99),
                )
            ),
            "Brier score; Log loss; Calibration error; Calibration slope; Leak alarm: ROC-AUC",
        ),
        (report_of(policy={"mode": "disabled"}), ""),
    ],
    ids=[
        *(
            "promote",
            "other data",
            "other threshold",
            "first",
            "failed",
            "slice",
            "few",
            "many failed",
            "disabled",
        ),
    ],
)
def test_five_checks_are_looked_at_first(report, names):
    """Those that failed, then those that decide."""
    assert "; ".join(check.name for check in leading_checks(report)) == names


def test_a_challenger_that_is_not_the_best_family_says_so():
    """It has the champion's own recipe, and the best family does not win."""
    own = Comparison(**WON, same_recipe=True, same_data=False)
    lost = Comparison(**won_but(brier=between(0.1, 0.2)))
    report = report_of(FIT, WON)
    others = dict.fromkeys(report.comparisons, lost)
    better = report.challenger.model_copy(
        update={"metrics": {**FIT.metrics, "roc_auc": gate_cases.around(0.95)}}
    )
    changed = report.model_copy(
        update={
            "comparisons": {**others, "random_forest": own},
            "evaluations": {**report.evaluations, "svm": better},
        }
    )

    assert "- Challenger: SVM, the best of the four families." in markdown(report)
    assert "- Challenger: Random forest, as the champion is." in markdown(changed)


def test_a_slice_that_is_too_small_says_so():
    """It was not judged, and the reason stands beside it."""
    women = gate_cases.group("female", 0.6, rows=100, positives=9)
    report = report_of(FIT.model_copy(update={"slices": (women,)}))

    assert "| female (9 patients of one outcome, 10 needed) | 100 | 9 |" in markdown(report)
    assert "14 passed" not in markdown(report)
    assert ", 1 not judged." in markdown(report)
    assert ", 1 not judged." in page(report)


def test_details_are_folded_away():
    """Every fold has a title and an end."""
    text = markdown(report_of(FIT, WON))

    titles = re.findall(r"<details><summary>(.*)</summary>", text)
    assert titles == [
        "Cross-validation",
        "All 34 checks",
        "By sex and age",
        "With fields left out",
        "At hospitals that no model was trained on",
        "Operating point",
        "Behaviour",
        "All four families",
        "Lineage",
    ]
    assert text.count("</details>") == len(titles)
    # GitHub reads Markdown inside of a fold only after an empty line.
    assert text.count("</summary>\n\n") == len(titles)


@pytest.mark.parametrize(
    "report",
    [report_of(), report_of(FIT, WON), report_of(FIT, TAMPERED)],
    ids=["no champion", "a champion", "problem"],
)
def test_every_table_has_as_many_cells_in_each_row(report):
    """A table that lost or gained a cell would not be shown as one."""
    tables = re.findall(r"(?:^\|.*\n)+", markdown(report), re.MULTILINE)

    assert len(tables) == 10 + bool(report.verdict.checks)
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
        assert len(table.splitlines()) > 2


def test_without_a_champion_no_column_is_empty():
    """The absolute part stands alone."""
    report = report_of()

    assert "| | challenger |\n|---|---:|\n" in markdown(report)
    assert "champion</th>" not in page(report).partition("<h2>All four families</h2>")[0]


def test_the_caveat_of_switzerland_is_in_both_forms():
    """Its 8 patients without disease."""
    for text in pages(report_of(FIT, WON)).values():
        assert "8 patients without disease, so its ROC-AUC ranks nothing" in " ".join(text.split())


def test_lineage_names_commit_data_and_models():
    """And that the work tree had changes."""
    for text in pages(report_of(FIT, WON)).values():
        assert f"{'c' * 40}, with changes" in text
        assert "d" * 64 in text
        assert "e" * 64 in text
        assert "From the champion's recipe to the challenger's: feature age_bands: 45" in text
        assert "Trained for this report: SVM." in text


def test_the_page_has_its_figures_with_texts_for_those_who_do_not_see_them():
    """Seven, each inside of the page."""
    outline = Outline(page(report_of(FIT, WON)))
    images = [attributes for tag, attributes in outline.tags if tag == "img"]

    assert len(images) == len(FIGURES)
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert all(len(image["alt"]) > 30 for image in images)
    assert all("the challenger and the champion" in image["alt"] for image in images)


def test_the_page_has_headings_and_loads_nothing():
    """One page that stands alone, for phones, dark rooms and paper too."""
    text = page(report_of(FIT, WON))
    outline = Outline(text)

    assert outline.headings == [
        "Model report: promote",
        "Cross-validation",
        "All 34 checks",
        "By sex and age",
        "With fields left out",
        "At hospitals that no model was trained on",
        "Operating point",
        "Behaviour",
        "All four families",
        "Lineage",
    ]
    assert not {"script", "link", "iframe"} & {tag for tag, _ in outline.tags}
    for needed in ("width=device-width", "prefers-color-scheme: dark", "@media print"):
        assert needed in text


HOSTILE = "</details><img src=x onerror=alert(1)> | [a](http://evil.example) @alice #12 `b` *c*"
NEUTRAL = (
    r"&lt;/details>&lt;img src=x onerror=alert(1)> \| [a\](http:\//evil.example) "
    r"@&#8203;alice #&#8203;12 \`b\` \*c\*"
)


def hostile_report():
    """Return a report in which every text that comes from elsewhere is an attack."""
    slices = (FIT.slices[0].model_copy(update={"name": HOSTILE}),)
    behaviour = FIT.behaviour.model_copy(update={"differences": {HOSTILE: 1.0}})
    lost = FIT.model_copy(update={"slices": slices, "behaviour": behaviour})
    return report_of(lost, {**WON, "champion": HOSTILE})


def test_hostile_text_is_text_in_the_markdown():
    """It opens no tag, ends no cell, links nothing and notifies no user."""
    text = markdown(hostile_report())

    assert NEUTRAL in text
    assert "<img" not in text
    assert re.search(r"(?<!\\)\]\(", text) is None
    assert re.search(r"[@#]\w", text.replace("&#8203;", " ")) is None
    assert text.count("</details>") == 9


def test_hostile_text_is_text_on_the_page():
    """Every place escapes it."""
    text = page(hostile_report())

    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "@alice #12 `b` *c*" in text
    outline = Outline(text)
    assert outline.open == []
    assert "a" not in {tag for tag, _ in outline.tags}
    assert len(outline.attributes("details")) == 9


def test_every_part_that_scrolls_has_a_name_of_its_own():
    """A reader who cannot see the tables and the figures chooses among them."""
    regions = Outline(page(report_of(FIT, WON))).regions

    assert len(regions) == 11 + len(FIGURES)
    assert len(set(regions)) == len(regions)


def test_the_page_has_the_reasons_that_a_comment_cuts():
    """It has the room."""
    report = report_of(FIT, {"champion": "heart_disease/7", "problem": "a cause; " * 200 + "end"})

    assert "end" not in markdown(report).partition("<details>")[0].rpartition("; ")[2]
    assert "a cause; end" in page(report)


def test_the_longest_reasons_fit_into_a_comment():
    """Whatever a registry says, the text stays below what a comment may hold."""
    long = "a file that should not be there; " * 5_000
    report = report_of(FIT, {"champion": "heart_disease/7", "problem": long})

    assert len(markdown(report).encode()) < LONGEST / 4
    assert len(markdown(report_of(FIT, WON)).encode()) < 12_000


def test_the_same_report_is_the_same_bytes():
    """Nothing of the time or place is in it."""
    assert pages(report_of(FIT, WON)) == pages(report_of(FIT, WON))
