"""Formats of the web, held against Chromium's own canvas, pixel for pixel."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy
import pytest
from PIL import Image

from mezzotint.transforms.colour import icc, made
from tests.pictures import clear, photograph
from tests.transforms.rendering import file_of, saved
from tests.transforms.rendering import made as made_of
from tests.transforms.test_fidelity import BMPS, CHART, RAMP, WHOLE, chunk, gif, png_with, swapped, with_code_points
from tests.waiting import PATIENCE

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="Chromium is not installed: apt-get install chromium"
)
PAGE = b"""<!doctype html><script>
async function draw(number) {
  let found = 'none';
  try {
    const image = new Image();
    image.src = URL.createObjectURL(await (await fetch('/file/' + number)).blob());
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const head = new Uint32Array([canvas.width, canvas.height]);
    found = new Blob([head, pixels]);
  } catch (error) { found = String(error); }
  await fetch('/drawn/' + number, {method: 'POST', body: found});
}
(async () => {
  const count = Number(await (await fetch('/count')).text());
  for (let number = 0; number < count; number++) await draw(number);
  await fetch('/done', {method: 'POST', body: ''});
})();
</script>"""
TYPES = {
    b"\x89PNG": "image/png",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
}


def drawn(files: Sequence[bytes], profile: Path) -> list[numpy.ndarray | None]:
    """RGBA of each as Chromium shows it; None where it does not."""
    found: list[numpy.ndarray | None] = [None] * len(files)
    with _serving(files, found) as (port, done):
        command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        command += [f"--user-data-dir={profile}", f"http://127.0.0.1:{port}/"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            ended = done.wait(PATIENCE)
            browser.kill()
    assert ended
    return found


@contextmanager
def _serving(files: Sequence[bytes], found: list[numpy.ndarray | None]) -> Iterator[tuple[int, threading.Event]]:
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def do_GET(self) -> None:
            body, kind = PAGE, "text/html"
            if self.path == "/count":
                body, kind = str(len(files)).encode(), "text/plain"
            elif self.path.startswith("/file/"):
                body = files[int(self.path[6:])]
                kind = next((kind for magic, kind in TYPES.items() if body.startswith(magic)), "image/avif")
            self._answer(body, kind)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/done":
                done.set()
            elif len(body) > 8:
                width, height = struct.unpack_from("<II", body)
                if len(body) == 8 + 4 * width * height:
                    pixels = numpy.frombuffer(body, "uint8", offset=8).reshape(height, width, 4)
                    found[int(self.path[7:])] = pixels
            self._answer(b"", "text/plain")

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, done
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def cicp(*points: int) -> Callable[[], bytes]:
    return lambda: png_with(RAMP.convert("RGB"), chunk(b"cICP", bytes(points)))


def gama(gamma: int, mode: str = "RGB") -> Callable[[], bytes]:
    return lambda: png_with(RAMP.convert(mode), chunk(b"gAMA", struct.pack(">I", gamma)))


CHRM = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
P3 = made._profile(made.PRIMARIES[12], icc.srgb_curve, False)
GRAY = made._profile(made.BT709, lambda value: value, True)
FILES: dict[str, Callable[[], bytes]] = {
    **{
        f"{name}": make
        for name, make in WHOLE.items()
        if not name.startswith(("heic", "jpeg 2000", "webp", "jpeg without", "bmp"))
    },
    **{f"bmp of {name}": lambda data=data: data for name, data in BMPS.items()},  # type: ignore[misc]
    "jpeg": lambda: file_of(photograph(96, 64), "JPEG"),
    "jpeg of inks": lambda: file_of(CHART.convert("CMYK"), "JPEG", quality=95),
    "jpeg in Display P3": lambda: file_of(CHART, "JPEG", quality=95, icc_profile=P3),
    "png that lies about its profile": lambda: file_of(CHART, "PNG", icc_profile=swapped("sRGB IEC61966-2.1")),
    "png in Display P3": lambda: file_of(CHART, "PNG", icc_profile=P3),
    "gray png with a gray profile": lambda: file_of(RAMP, "PNG", icc_profile=GRAY),
    "gray png with a profile of colours": lambda: file_of(RAMP, "PNG", icc_profile=P3),
    "png with alpha": lambda: file_of(clear(64, 48), "PNG"),
    "png of gray and alpha": lambda: file_of(clear(64, 48).convert("LA"), "PNG"),
    "png of few colours": lambda: file_of(photograph(96, 64).quantize(12), "PNG"),
    "png of gamma 1": gama(100_000),
    "png of gamma 1/1.8": gama(55_556),
    "png of gamma 1/2.2": gama(45_455),
    "gray png of gamma 1": gama(100_000, "L"),
    "png of chromaticities alone": lambda: png_with(CHART, CHRM),
    "png of gamma and chromaticities": lambda: png_with(CHART, chunk(b"gAMA", struct.pack(">I", 45_455)), CHRM),
    "png of sRGB and another gamma": lambda: png_with(
        CHART, chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100_000))
    ),
    "png in Display P3 by code points": cicp(12, 13, 0, 1),
    "png of video by code points": cicp(1, 1, 0, 1),
    "png of linear light by code points": cicp(1, 8, 0, 1),
    "png of a limited range": cicp(12, 13, 0, 0),
    "gray steps in PQ": cicp(9, 16, 0, 1),
    "gray steps in HLG": cicp(9, 18, 0, 1),
    "webp": lambda: file_of(photograph(96, 64), "WEBP", lossless=True),
    "webp with alpha": lambda: file_of(clear(64, 48), "WEBP", lossless=True),
    "avif": lambda: file_of(CHART, "AVIF", quality=100, subsampling="4:4:4"),
    "gray avif": lambda: file_of(RAMP, "AVIF", quality=100),
    "avif in Display P3": lambda: with_code_points(file_of(CHART, "AVIF", quality=100, subsampling="4:4:4"), 12, 13),
    "avif of video": lambda: with_code_points(file_of(CHART, "AVIF", quality=100, subsampling="4:4:4"), 1, 1),
    "gif": lambda: file_of(photograph(96, 64).quantize(32), "GIF"),
    "gif beside whose first frame nothing is": lambda: gif([((10, 10, 20, 10), 0, 1)]),
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, numpy.ndarray | None]:
    files = [make() for make in FILES.values()]
    return dict(zip(FILES, drawn(files, tmp_path_factory.mktemp("chromium")), strict=True))


@pytest.mark.parametrize("name", FILES)
def test_a_picture_is_as_chromium_shows_it(tmp_path: Path, shown: dict[str, numpy.ndarray | None], name: str) -> None:
    theirs = shown[name]
    assert theirs is not None, "Chromium does not show it"
    ours = numpy.asarray(Image.open(io.BytesIO(made_of(saved(tmp_path, FILES[name]()), ".png"))).convert("RGBA"))
    assert ours.shape == theirs.shape
    seen = theirs[..., 3] > 200
    difference = numpy.abs(ours[seen][:, :3].astype(int) - theirs[seen][:, :3])
    assert difference.mean() < 1.5 and difference.max(initial=0) <= (16 if "avif" in name or "inks" in name else 6)
    assert numpy.abs(ours[..., 3].astype(int) - theirs[..., 3]).mean() < 1
