import re
from pathlib import Path

import pytest

from evit_nas.errors import InputError
from evit_nas.latency.predictor.public_rows import read_public_rows

HEADER = "key,block,hw_in,cin,cout,expand,stride,kernel,act,se,v_scale,norm,pixel4_ms"
GOOD = "a,conv,64,16,24,4,2,3,hard_swish,0,,,0.9"


def write(folder: Path, *lines: str) -> Path:
    path = folder / "blocks.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_reads_blocks_and_times(tmp_path: Path) -> None:
    rows = read_public_rows(write(tmp_path, HEADER, GOOD), "pixel4_ms")
    (block,) = rows.blocks
    assert (block.block, block.hw_in, block.cout, block.expand, block.se) == ("conv", 64, 24, 4, 0)
    assert rows.ms.tolist() == [0.9]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (GOOD.replace("0.9", "nan"), "pixel4_ms nan is not above 0"),
        (GOOD.replace("0.9", "-1"), "pixel4_ms -1 is not above 0"),
        (GOOD.replace("0.9", "0"), "pixel4_ms 0 is not above 0"),
        (GOOD.replace("0.9", ""), "pixel4_ms '' is not a number"),
        (GOOD.replace("conv", "convv"), "block 'convv'"),
        (GOOD.replace("64", "0"), "hw_in '0' is not a whole number"),
        (GOOD.replace(",4,2,", ",,2,"), "expand '' is not a whole number"),
    ],
)
def test_names_file_row_and_column_of_a_bad_value(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(InputError, match=re.escape(complaint)) as caught:
        read_public_rows(write(tmp_path, HEADER, GOOD, line), "pixel4_ms")
    assert "blocks.csv:3" in str(caught.value)


def test_refuses_an_unknown_device_and_a_disagreeing_duplicate(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, GOOD, GOOD.replace("0.9", "1.9"))
    with pytest.raises(InputError, match="pixel4_ms"):
        read_public_rows(path, "pixel5_ms")
    with pytest.raises(InputError, match="disagree"):
        read_public_rows(path, "pixel4_ms")
