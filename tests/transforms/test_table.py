"""The table of formats, and what stands beside it: nothing is known of in one place and not in another."""

from __future__ import annotations

import re
from pathlib import Path

from mezzotint.names import FORMATS, OUTPUTS, Format
from mezzotint.names.formats import BASES, EXTENSIONS, PREFERRED, WORDS
from mezzotint.settings import parsing
from mezzotint.transforms import structure
from mezzotint.transforms.children import odd
from mezzotint.transforms.libvips import loading, saving

NAMES = Path(__file__).parents[2] / "docs/names.md"


def test_every_format_can_be_checked_and_read_and_every_output_written() -> None:
    assert structure.CHECKS.keys() == BASES.keys()
    assert loading.LOADERS.keys() | odd.OPENERS.keys() == BASES.keys()
    assert loading.LOADERS.keys() & odd.OPENERS.keys() == {"tif"}
    assert saving.SAVERS.keys() == OUTPUTS.keys() == set(Format) - {Format.AUTO}


def test_no_word_and_no_extension_means_two_formats() -> None:
    extensions = [extension for known in BASES.values() for extension in known.extensions]
    assert len(extensions) == len(set(extensions)) == len(EXTENSIONS)
    words = [word for name, known in FORMATS.items() for word in (name, *known.words)]
    assert len(words) == len(set(words))
    assert len({known.media_type for known in FORMATS.values()}) == len(FORMATS)
    assert all(known.extensions[0] == name for name, known in FORMATS.items())


def test_the_settings_know_the_same_outputs() -> None:
    for word, output in WORDS.items():
        if word == (FORMATS[output].words or (output,))[0]:
            assert parsing.parse_resize_format(word.upper()) == word


def test_the_settings_know_the_same_bases() -> None:
    assert BASES.keys() - {"svg"} == parsing.BASE_FORMATS


def test_auto_prefers_what_is_smaller() -> None:
    assert PREFERRED == (Format.JXL, Format.AVIF, Format.WEBP)


def test_the_documentation_has_every_output_its_side_and_its_quality() -> None:
    text = NAMES.read_text()
    (listed,) = re.findall(r"^format    = (.*) ;$", text, re.MULTILINE)
    assert re.findall(r'"(\w+)"', listed) == [str(one) for one in Format]
    (sides,) = re.findall(r"A side holds (.*?)\. More", text, re.DOTALL)
    for name, output in OUTPUTS.items():
        (side,) = re.findall(rf"([\d,]+)(?: pixels)? as (?:[a-z][a-z0-9]*,?\s)*?{name}\b", sides)
        assert int(side.replace(",", "")) == output.max_side
    (qualities,) = re.findall(r"the encoder's quality for (.*?) \|", text)
    assert dict(re.findall(r"(\w+) \((\d+)", qualities)) == {
        str(name): str(output.quality) for name, output in OUTPUTS.items() if output.quality
    }
