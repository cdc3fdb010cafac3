"""Whatever stands in a file or a variable, it is taken or refused with a place and a reason."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st

from longwire.server.config import SettingsError, load_settings
from longwire.server.setting_fields import sections, setting_fields

PLACE = re.compile(r"^(longwire\.toml(:\d+)?|LONGWIRE_\w+|default): .+", re.DOTALL)

names = st.sampled_from(sorted({*sections(), *(key for _, key in setting_fields()), "x", "prot"}))
values = st.one_of(
    st.integers(-5, 100_000).map(str),
    st.floats(allow_nan=False).map(lambda number: f"{number:.3f}"),
    st.sampled_from(
        ["true", '"none"', '"text"', '["same"]', '["a", 1]', "[]", "{ a = 1 }", "nan", "inf",
         "1979-05-27", '"""\nmany\nlines"""', "'lit'", "", "="]
    ),
)  # fmt: skip
lines = st.one_of(
    names.map("[{}]".format),
    names.map("[[{}]]".format),
    st.tuples(names, values).map(" = ".join),
    st.tuples(names, names, values).map(lambda parts: f"{parts[0]}.{parts[1]} = {parts[2]}"),
    st.text(max_size=8),
)


def check(text: str, environment: dict[str, str]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "longwire.toml"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load_settings(file, environment)
        except SettingsError as error:
            assert error.problems
            for problem in error.problems:
                told = str(problem).removeprefix(f"{folder}/")
                assert PLACE.match(told), told
                line = re.match(r"longwire\.toml:(\d+)", told)
                if line is not None:
                    assert 1 <= int(line[1]) <= text.count("\n") + 1


@given(st.lists(lines, max_size=8).map("\n".join))
@example('[server]\nport = """\n1"""\n')
def test_any_file_is_taken_or_explained(text: str) -> None:
    check(text, {})


@given(
    st.dictionaries(
        st.sampled_from(sorted(field.variable for field in setting_fields().values()))
        | st.from_regex(r"LONGWIRE_[A-Z_]{1,12}", fullmatch=True),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
        max_size=4,
    )
)
def test_any_variables_are_taken_or_explained(environment: dict[str, str]) -> None:
    environment.pop("LONGWIRE_CONFIG", None)
    check("", environment)
