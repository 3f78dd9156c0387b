"""Pyramids: parts of large bases, the same bytes from whatever is there."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mezzotint.derivatives import pyramids
from mezzotint.derivatives.manager import Derivative
from mezzotint.derivatives.pyramid import name_of
from mezzotint.derivatives.sweeps import Sweep
from mezzotint.errors import DamagedImage, GivenUp, NotFound
from mezzotint.names import Facts, Format, Ident, Region, Rendition, Size, parse
from mezzotint.names.iiif import TILE
from mezzotint.transforms import libvips, tiles
from mezzotint.transforms.geometry import Plan, Stored
from mezzotint.transforms.libvips import Halving, Source
from mezzotint.transforms.rendering import Renderer
from mezzotint.transforms.stopping import Stop
from mezzotint.transforms.tiles import Kind
from mezzotint.wiring import Engine, open_engine
from tests.conftest import engine_on
from tests.pictures import photograph
from tests.waiting import until

WIDTH, HEIGHT = 2311, 1573


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "LARGE", 2_000_000)


def as_jpeg(shown: Image.Image) -> bytes:
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def as_turned_jpeg(shown: Image.Image) -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    shown.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=95, subsampling=0, exif=exif)
    return buffer.getvalue()


def as_progressive(shown: Image.Image) -> bytes:
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=95, progressive=True, subsampling=0)
    return buffer.getvalue()


def as_png(shown: Image.Image) -> bytes:
    buffer = io.BytesIO()
    shown.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def as_tiff(shown: Image.Image) -> bytes:
    buffer = io.BytesIO()
    shown.save(buffer, "TIFF")
    return buffer.getvalue()


def as_bitmap(shown: Image.Image) -> bytes:
    """Which a child decodes."""
    buffer = io.BytesIO()
    shown.save(buffer, "BMP")
    return buffer.getvalue()


KINDS_OF_FILES: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "jpeg": ("RGB", as_jpeg),
    "gray jpeg": ("L", as_jpeg),
    "turned": ("RGB", as_turned_jpeg),
    "progressive": ("RGB", as_progressive),
    "png": ("RGB", as_png),
    "tiff": ("RGB", as_tiff),
    "gray tiff": ("L", as_tiff),
    "alpha": ("RGBA", as_png),
    "in a child": ("RGB", as_bitmap),
}


def picture(mode: str) -> Image.Image:
    shown = photograph(WIDTH, HEIGHT, seed=7)
    if mode == "RGBA":
        alpha = numpy.linspace(0, 255, WIDTH, dtype="uint8")[None].repeat(HEIGHT, 0)
        shown.putalpha(Image.fromarray(alpha))
    return shown.convert(mode)


def halves(shown: Image.Image, times: int) -> numpy.ndarray:
    """By numpy, with the last row and column there twice where a side is odd."""
    pixels = numpy.asarray(shown).astype("float64")
    for _ in range(times):
        odd = [(0, side % 2) for side in pixels.shape[:2]] + [(0, 0)] * (pixels.ndim - 2)
        pixels = numpy.pad(pixels, odd, "edge")
        pixels = (pixels[::2, ::2] + pixels[1::2, ::2] + pixels[::2, 1::2] + pixels[1::2, 1::2]) / 4
    return pixels


def add(engine: Engine, data: bytes) -> tuple[Ident, Facts]:
    base = engine.bases.add([data])
    return base.ident, base.facts


def get(engine: Engine, ident: Ident, name: str) -> Derivative:
    manager = engine.manager
    rendition = parse(f"{ident}-{name}")[1]
    assert rendition is not None
    return manager.request(ident, manager.canonical(rendition, engine.bases.facts(ident))).result(120)


def name_of_tile(tile: tiles.Tile, facts: Facts, image_format: str = "jpg") -> str:
    layer = tiles.layers(facts)[tile.layer]
    place, scale = tiles.region_of(tile, layer), layer.scale
    left, top = place.x * scale, place.y * scale
    width, height = min(place.width * scale, facts.width - left), min(place.height * scale, facts.height - top)
    size = "" if (width, height) == (place.width, place.height) else f"-{place.width}x{place.height}"
    return f"x{left}y{top}w{width}h{height}{size}.{image_format}"


def decoded(made: Derivative) -> numpy.ndarray:
    return numpy.asarray(Image.open(io.BytesIO(made.data))).astype("float64")


@pytest.mark.parametrize("file", KINDS_OF_FILES)
def test_each_tile_shows_its_part_of_the_base(engine: Engine, file: str) -> None:
    mode, encode = KINDS_OF_FILES[file]
    shown = picture(mode)
    ident, facts = add(engine, encode(shown))
    assert (facts.width, facts.height) == (WIDTH, HEIGHT)
    if mode == "RGBA":
        white = Image.new("RGBA", shown.size, "white")
        shown = Image.alpha_composite(white, shown).convert("RGB")
    layers = tiles.layers(facts)
    assert [(layer.width, layer.height) for layer in layers] == [(2311, 1573), (1156, 787)]
    for tile in tiles.tiles(facts):
        made = get(engine, ident, name_of_tile(tile, facts))
        place = tiles.region_of(tile, layers[tile.layer])
        wanted = halves(shown, tile.layer)[place.y : place.y + place.height, place.x : place.x + place.width]
        found = decoded(made)
        assert found.shape == wanted.shape
        assert abs(found - wanted).mean() < 4.5 and abs(found.mean() - wanted.mean()) < 0.7
    engine.manager.pyramids.settle()
    assert engine.manager.pyramids.has(ident, Kind.JPEG)


@pytest.mark.parametrize("file", ["jpeg", "turned", "alpha"])
def test_a_tile_is_the_same_bytes_by_whatever_way(engine: Engine, file: str, tmp_path: Path) -> None:
    mode, encode = KINDS_OF_FILES[file]
    data = encode(picture(mode))
    ident, facts = add(engine, data)
    wanted = [*tiles.tiles(facts)][::3]
    names = [name_of_tile(tile, facts) for tile in wanted] + ["x100y90w800h700-400x350.webp", "x901y333w300h200.jpg"]
    first = [get(engine, ident, name).data for name in names]
    engine.manager.pyramids.settle()
    engine.cache.generation.advance()
    assert [get(engine, ident, name).data for name in names] == first
    engine.cache.purge(ident)
    assert not engine.manager.pyramids.has(ident, Kind.JPEG)
    assert engine.manager.pyramids.make(ident, facts, Kind.JPEG, lambda made, of: None)
    assert [get(engine, ident, name).data for name in names] == first
    with engine_on(tmp_path / "another") as elsewhere:
        add(elsewhere, data)
        assert [get(elsewhere, ident, name).data for name in reversed(names)] == first[::-1]


def test_what_keeps_every_pixel_has_those_of_the_base(engine: Engine) -> None:
    for mode in ("RGBA", "L", "RGB"):
        shown = picture(mode)
        ident, facts = add(engine, as_png(shown))
        for tile in [*tiles.tiles(facts)][:8:3]:
            made = decoded(get(engine, ident, name_of_tile(tile, facts, "png")))
            place = tiles.region_of(tile, tiles.layers(facts)[0])
            part = numpy.asarray(shown)[place.y : place.y + place.height, place.x : place.x + place.width]
            assert (made == part).all()
        off_grid = decoded(get(engine, ident, "x700y300w555h444.png"))
        assert (off_grid == numpy.asarray(shown)[300:744, 700:1255]).all()
        engine.manager.pyramids.settle()
        assert engine.manager.pyramids.has(ident, Kind.EXACT)


def test_off_the_grid_little_is_lost(engine: Engine) -> None:
    """Beside what the encoder loses of the base's own pixels."""
    shown = picture("RGB")
    ident, _ = add(engine, as_png(shown))
    for name, box in {
        "x311y123w900h700.jpg": (311, 123, 1211, 823),
        "x10y20w999h999.webp": (10, 20, 1009, 1019),
    }.items():
        wanted = numpy.asarray(shown.crop(box)).astype("float64")
        buffer = io.BytesIO()
        shown.crop(box).save(buffer, "JPEG" if name.endswith("jpg") else "WEBP", quality=80)
        direct = numpy.asarray(Image.open(buffer)).astype("float64")
        lost = decibels(decoded(get(engine, ident, name)), wanted)
        assert lost > decibels(direct, wanted) - 2.5


def decibels(one: numpy.ndarray, other: numpy.ndarray) -> float:
    return float(10 * numpy.log10(255**2 / ((one - other) ** 2).mean()))


def test_a_whole_viewport_decodes_the_base_twice_and_everything_after_it_never(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for those who wait, once for the pyramid; whoever comes while a sweep goes on takes part, and where it is
    past what they want they wait for the pyramid."""
    ident, facts = add(engine, as_jpeg(picture("RGB")))
    decodings = []
    monkeypatch.setattr(engine.manager.pyramids, "_decoded", lambda: decodings.append(1))
    names = [name_of_tile(tile, facts) for tile in tiles.tiles(facts)]
    with ThreadPoolExecutor(len(names)) as pool:
        made = list(pool.map(lambda name: get(engine, ident, name), names))
    engine.manager.pyramids.settle()
    assert all(one.data for one in made) and 2 <= len(decodings) <= 6
    before = len(decodings)
    for name in names:
        get(engine, ident, name)
    assert len(decodings) == before


def test_two_processes_make_one(engine: Engine, tmp_path: Path) -> None:
    ident, facts = add(engine, as_jpeg(picture("RGB")))
    told: list[int] = []
    with engine_on(tmp_path / "data") as other, ThreadPoolExecutor(2) as pool:
        making = [
            pool.submit(one.manager.pyramids.make, ident, facts, Kind.JPEG, lambda made, of: told.append(made))
            for one in (engine, other)
        ]
        assert sorted(one.result(60) for one in making) == [False, True]
    assert told[-1] == len([*tiles.tiles(facts)])


def test_one_that_is_damaged_or_taken_away_is_made_again(engine: Engine) -> None:
    ident, facts = add(engine, as_jpeg(picture("RGB")))
    manager, name = engine.manager, name_of(ident, Kind.JPEG)
    tile = name_of_tile(tiles.Tile(0, 0, 0), facts)
    manager.pyramids.make(ident, facts, Kind.JPEG, lambda made, of: None)
    first = get(engine, ident, tile).data
    engine.cache.put(name, b"something else that lies there")
    engine.cache.generation.advance()
    assert get(engine, ident, tile).data == first
    manager.pyramids.settle()
    open_one = manager.pyramids.find(ident, facts, Kind.JPEG)
    assert open_one is not None
    engine.cache.purge_file(name)  # as the cleaner does, of which nobody is told
    assert open_one.read(tiles.Tile(0, 0, 0)).data == first and not open_one.is_there
    found = tiles.detail(engine.manager.canonical(parse(f"{ident}-{tile}")[1] or Rendition(Format.JPG), facts), facts)
    assert found is not None and manager.pyramids.ready(ident, found) is None
    assert get(engine, ident, tile).data == first


def test_one_of_a_base_that_is_gone_does_not_come_back(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ident, facts = add(engine, as_jpeg(picture("RGB")))
    true = engine.cache.place

    def removed_meanwhile(*arguments: object) -> None:
        engine.bases.life.discard(ident)
        true(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.cache, "place", removed_meanwhile)
    with pytest.raises(NotFound):
        engine.manager.pyramids.make(ident, facts, Kind.JPEG, lambda made, of: None)
    assert not engine.manager.pyramids.has(ident, Kind.JPEG)
    with pytest.raises(NotFound):
        get(engine, ident, name_of_tile(tiles.Tile(0, 1, 1), facts))


def test_where_there_is_no_room_for_it_tiles_are_given_all_the_same(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident, facts = add(engine, as_jpeg(picture("RGB")))
    tries = []

    def full(self: object, data: bytes) -> None:
        tries.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mezzotint.derivatives.pyramid.Writing._write", full)
    for tile in [*tiles.tiles(facts)][:4]:
        assert get(engine, ident, name_of_tile(tile, facts)).data
        engine.manager.pyramids.settle()
    assert len(tries) == 1  # not again soon
    assert list(engine.cache.directory.rglob("*.part")) == []


def test_a_base_that_turns_out_damaged_says_so_and_leaves_nothing(engine: Engine) -> None:
    data = as_jpeg(picture("RGB"))
    ident, facts = add(engine, data)
    path = engine.store.local_path(f"images/{ident}")
    assert path is not None
    broken = bytearray(data)
    broken[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    path.chmod(0o600)
    path.write_bytes(broken)
    with pytest.raises(Exception) as raised:
        engine.manager.pyramids.make(ident, facts, Kind.JPEG, lambda made, of: None)
    assert raised.type.__name__ in {"DamagedBase", DamagedImage.__name__}
    assert list(engine.cache.directory.rglob("*.part")) == []


def test_a_cache_that_is_too_small_for_it_is_not_filled_by_it(tmp_path: Path) -> None:
    with engine_on(tmp_path / "data", MEZZOTINT_CACHE_MAX_SIZE="8M") as engine:
        ident, facts = add(engine, as_jpeg(picture("RGB")))
        assert get(engine, ident, name_of_tile(tiles.Tile(0, 0, 0), facts)).is_file
        engine.manager.pyramids.settle()
        assert not engine.manager.pyramids.has(ident, Kind.JPEG)


def test_it_ends_with_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While tiles are encoded, and others wait."""
    with ExitStack() as stack:
        engine = stack.enter_context(engine_on(tmp_path / "data"))
        ident, facts = add(engine, as_jpeg(picture("RGB")))
        begun = threading.Event()
        monkeypatch.setattr("mezzotint.derivatives.sweeps.encoded", _slow(begun))
        engine.manager.pyramids.make_later(ident, facts, Kind.JPEG)
        assert begun.wait(60)
        until(lambda: name_of(ident, Kind.JPEG) in engine.manager.pyramids._sweeps)
    assert list((tmp_path / "data" / "cache").rglob("*.part")) == []


def _slow(begun: threading.Event) -> Callable[..., bytes]:
    def encoded(*arguments: object) -> bytes:
        begun.set()
        threading.Event().wait(0.5)
        return b"x"

    return encoded


FACTS = st.builds(
    Facts,
    width=st.integers(2000, 70_000),
    height=st.integers(1000, 30_000),
    format=st.sampled_from(["jpg", "png", "tif"]),
    bytes=st.just(1),
    alpha=st.booleans(),
)


@given(FACTS, st.data())
def test_what_shows_a_region_covers_it(facts: Facts, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, facts.width - 1)), data.draw(st.integers(0, facts.height - 1))
    region = Region(x, y, data.draw(st.integers(1, facts.width - x)), data.draw(st.integers(1, facts.height - y)))
    size = Size(data.draw(st.integers(1, region.width)), data.draw(st.integers(1, region.height)))
    image_format = data.draw(st.sampled_from([Format.JPG, Format.PNG, Format.WEBP]))
    found = tiles.detail(Rendition(image_format, region, size), facts)
    if found is None:
        return
    layer, area, shown = tiles.layers(facts)[found.layer], found.area, found.region
    assert 1 <= len(found.tiles) <= tiles.MOST_TILES
    assert area.x <= shown.x and area.y <= shown.y
    assert shown.x + shown.width <= min(area.x + area.width, layer.width)
    assert shown.y + shown.height <= min(area.y + area.height, layer.height)
    assert all(tile.row < layer.down and tile.column < layer.across for tile in found.tiles)
    if found.layer:  # never more than it has
        assert shown.width >= size.sides[0] and shown.height >= size.sides[1]
    if found.tile is not None:
        assert image_format is Format.JPG and found.tiles == [found.tile]
    assert found.kind in tiles.kinds(facts)


def test_every_tile_of_the_grid_is_one_whole_tile() -> None:
    facts = Facts(9001, 6007, "jpg", 1)
    for tile in tiles.tiles(facts):
        rendition = parse(f"{'a' * 64}-{name_of_tile(tile, facts)}")[1]
        assert rendition is not None
        found = tiles.detail(rendition, facts)
        assert found is not None and found.tile == tile


def test_small_ones_drawings_and_animations_have_none() -> None:
    region = Rendition(Format.JPG, Region(0, 0, 512, 512))
    assert tiles.detail(region, Facts(1000, 1000, "jpg", 1)) is None
    assert tiles.detail(region, Facts(9000, 9000, "svg", 1)) is None
    assert tiles.detail(region, Facts(9000, 9000, "webp", 1, frames=4)) is None
    assert tiles.detail(Rendition(Format.JPG, None, Size(4000, 4000)), Facts(9000, 9000, "jpg", 1)) is None
    assert tiles.kinds(Facts(9000, 9000, "jpg", 1)) == [Kind.JPEG]


def test_noise_takes_no_more_than_is_reckoned(engine: Engine) -> None:
    noise = numpy.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), "uint8")
    ident, facts = add(engine, as_png(Image.fromarray(noise)))
    for kind in Kind:
        engine.manager.pyramids.make(ident, facts, kind, lambda made, of: None)
        file = engine.cache.open(name_of(ident, kind))
        assert file is not None and file.size <= tiles.most_bytes(facts, kind) + 100_000
        file.close()


def test_a_colour_shows_through_what_is_transparent(engine: Engine) -> None:
    """As it does where a picture is made of its base."""
    shown = Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 255, 0))
    ident, _ = add(engine, as_png(shown))
    made = decoded(get(engine, ident, "x100y100w900h700-canvas1000x800xff0000.jpg"))
    assert made.shape == (800, 1000, 3) and (abs(made - (254, 0, 0)) < 4).all()


def test_what_nobody_waits_for_any_more_is_not_made() -> None:
    facts = Facts(9000, 6000, "jpg", 1)
    sweep = Sweep(facts, Kind.JPEG)
    one, other = tiles.Tile(0, 1, 1), tiles.Tile(0, 2, 2)
    for tile in (one, one, other):
        sweep.want(tile)
    sweep.leave([one])
    sweep.leave([other])
    assert sweep.is_wanted
    sweep.leave([one])
    assert not sweep.is_wanted


def test_while_another_process_makes_one_others_are_served(engine: Engine) -> None:
    held, facts = add(engine, as_jpeg(picture("RGB")))
    also, _ = add(engine, as_jpeg(picture("RGB").rotate(180)))
    free, _ = add(engine, as_jpeg(picture("L")))
    tile = name_of_tile(tiles.Tile(0, 1, 1), facts)
    locks = engine.host.locks
    with ThreadPoolExecutor(2) as pool:
        with locks.hold(name_of(held, Kind.JPEG)), locks.hold(name_of(also, Kind.JPEG)):
            waiting = [pool.submit(get, engine, ident, tile) for ident in (held, also)]
            assert get(engine, free, tile).data
            assert not any(one.done() for one in waiting)
        assert all(one.result(60).data for one in waiting)


def test_it_ends_although_another_process_makes_the_same(engine: Engine) -> None:
    ident, facts = add(engine, as_jpeg(picture("RGB")))
    ending = open_engine(engine.settings)
    with engine.host.locks.hold(name_of(ident, Kind.JPEG)):
        flight = ending.manager.request(ident, tile_of(ident, facts, engine), None)
        ending.manager.pyramids.make_later(ident, facts)
        ending.close()
        with pytest.raises(GivenUp):
            flight.result(60)


def tile_of(ident: Ident, facts: Facts, engine: Engine) -> Rendition:
    rendition = parse(f"{ident}-{name_of_tile(tiles.Tile(0, 1, 1), facts)}")[1]
    assert rendition is not None
    return engine.manager.canonical(rendition, facts)


def test_where_a_sweep_takes_too_much_memory_the_base_does(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ident, facts = add(engine, as_jpeg(picture("RGB")))
    monkeypatch.setattr("mezzotint.transforms.libvips.memory_of_sweep", lambda source, plan: 1 << 60)
    made = get(engine, ident, name_of_tile(tiles.Tile(0, 1, 1), facts))
    assert made.is_file and decoded(made).shape == (512, 512, 3)


def test_one_that_takes_too_long_at_first_is_made_in_more_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ident, facts = add(engine, as_jpeg(picture("RGB")))
    monkeypatch.setattr(engine.manager.pyramids._turns, "_seconds", 0.01)
    monkeypatch.setattr(pyramids, "_LONGER", 100_000)
    sweeps: list[Stop] = []

    def slow(
        self: Renderer, source: Source, plan: Plan, begin: Callable[[], Halving], scratch: Path, stop: Stop
    ) -> None:
        """The first does not go on before its time is over."""
        sweeps.append(stop)
        if len(sweeps) == 1:
            until(lambda: stop.error is not None)
        real(self, source, plan, begin, scratch, stop)

    real = Renderer.sweep
    monkeypatch.setattr(Renderer, "sweep", slow)
    with suppress(GivenUp):  # or the second has begun already as this comes to wait, and it has its tile from that
        get(engine, ident, name_of_tile(tiles.Tile(0, 2, 2), facts))
    until(lambda: engine.manager.pyramids.has(ident, Kind.JPEG))
    assert len(sweeps) == 2


def test_a_tall_one_is_reckoned_by_its_width(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(as_jpeg(Image.new("L", (64, 64))))
    stored = Stored(2500, 100_000, 1)
    plan = tiles.plan_of_all(Facts(2500, 100_000, "jpg", 1), stored, Kind.JPEG)
    assert libvips.memory_of_sweep(libvips.Source(tmp_path / "one.jpg", stored, "jpg"), plan) < 200 << 20


@pytest.mark.parametrize(("width", "height"), [(30_000, 26_319), (11_558, 11_081), (5117, 3467)])
def test_what_viewers_ask_for_at_the_edges_is_a_whole_tile(width: int, height: int) -> None:
    """Sizes of public reports of tiles that were missing or torn (libvips 1621 and 1818, zimeon/iiif 4)."""
    facts = Facts(width, height, "jpg", 1)
    for layer in tiles.layers(facts):
        side = TILE * layer.scale
        for x in range(0, width, side):
            for y in range(0, height, side):
                region = Region(x, y, min(side, width - x), min(side, height - y))
                size = Size(-(-region.width // layer.scale), -(-region.height // layer.scale))
                found = tiles.detail(Rendition(Format.JPG, region, size), facts)
                assert found is not None and found.tile is not None


@pytest.mark.parametrize(
    ("colour", "box"), [((239, 224, 185, 102), (0, 0, WIDTH, HEIGHT)), ((255, 255, 255, 255), (301, 301, 1777, 1177))]
)
def test_colours_of_what_is_half_transparent_stay_in_all_layers(
    engine: Engine, colour: tuple[int, int, int, int], box: tuple[int, int, int, int]
) -> None:
    """A report of a pyramid that mixed them (libvips 1556), and one of dark edges (libvips 599)."""
    shown = Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 0))
    shown.paste(colour, box)
    ident, _ = add(engine, as_png(shown))
    for name in ("x0y0w512h512.png", "x0y0w1024h1024-512x512.png"):
        made = numpy.asarray(Image.open(io.BytesIO(get(engine, ident, name).data)).convert("RGBA")).astype(int)
        seen = made[made[..., 3] > 0][:, :3]
        assert len(seen) and (abs(seen - colour[:3]) <= 1).all()
