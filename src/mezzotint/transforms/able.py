"""What this installation's libraries are and can do: tried, not believed."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pyvips
from PIL import features

from mezzotint.names import FORMATS, OUTPUTS, Format
from mezzotint.transforms.libvips.loading import LOADERS
from mezzotint.transforms.structure import CONFINED

USES = {
    "libvips": "everything else",
    "Pillow": "JPEG 2000, rarer TIFF, EXIF",
    "OpenJPEG": "JPEG 2000, in a child",
    "libtiff of Pillow": "rarer TIFF, in a child",
    "Little CMS of Pillow": "LAB, in a child",
    "pi-heif": "HEIC, in a child: libheif and libde265",
    "pyjpegxl": "JPEG XL, in a child: libjxl",
    "PDFium": "pages of documents, in processes of their own",
}
_TRY = "from mezzotint.transforms.children import confine; import sys; sys.exit(not confine.no_network())"


def libraries() -> dict[str, str]:
    """Their versions, or `missing`."""
    return {
        "libvips": ".".join(str(pyvips.version(part)) for part in range(3)),
        "Pillow": metadata.version("pillow"),
        "OpenJPEG": str(features.version("jpg_2000") or "missing"),
        "libtiff of Pillow": str(features.version("libtiff") or "missing"),
        "Little CMS of Pillow": str(features.version("littlecms2") or "missing"),
        "pi-heif": _version("pi-heif"),
        "pyjpegxl": _version("pyjpegxl"),
        "PDFium": _version("pypdfium2"),
    }


def formats() -> dict[str, dict[str, object]]:
    """Of each format whether it is read and written here, and by what."""
    missing = {name for name, version in libraries().items() if version == "missing"}
    odd = {"heic": "pi-heif", "jxl": "pyjpegxl", "jp2": "OpenJPEG"}
    written = {str(one) for one in OUTPUTS} - ({str(Format.JXL)} if "pyjpegxl" in missing else set())
    found: dict[str, dict[str, object]] = {}
    for name in FORMATS:
        by = "libvips" if name in LOADERS else odd.get(name, "numpy")
        if not FORMATS[name].base:
            found[name] = {"read": False, "written": True, "by": "Pillow, in a child"}
            continue
        read = _loads(name) if name in LOADERS else by not in missing
        where = f"{by}, in a child" if name in CONFINED else by
        found[name] = {"read": read, "written": name in written, "by": where}
    return found


def confined() -> bool:
    """Whether children can be kept from the network here."""
    return subprocess.run([sys.executable, "-c", _TRY], check=False).returncode == 0  # noqa: S603  this program's own


def _loads(name: str) -> bool:
    return bool(pyvips.type_find("VipsOperation", LOADERS[name][1]))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"
