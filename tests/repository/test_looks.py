"""What pictures look like: which are nearly the same, and what stands for them until they have come."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import pytest
from django.test import Client
from PIL import Image as Picture
from PIL import ImageEnhance

from mezzotint.errors import GivenUp
from mezzotint.repository import looks, services
from mezzotint.repository.models import Image, Installation
from mezzotint.repository.readers import EVERYBODY, EVERYTHING
from mezzotint.repository.tables import Look, LookBand
from mezzotint.repository.upkeep import looking
from mezzotint.transforms import likeness
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import Server
from tests.repository.adding import add_image
from tests.waiting import until


def put(engine: Engine, shown: Picture.Image, form: str = "PNG", collection: str = "shelf", **options: object) -> Image:
    buffer = io.BytesIO()
    shown.save(buffer, form, **options)
    base = engine.bases.add([buffer.getvalue()])
    services.at_once("tester", lambda s: add_image(s, base, {}, {collection: collection.title()}))
    return Image.objects.get(ident=base.ident)


def look_at_all() -> None:
    looking.Looking()._look_at_all()


def nearest(image: Image) -> list[int]:
    return [one.pk for one in looks.near(image, EVERYTHING)]


def test_what_was_only_saved_otherwise_is_nearly_the_same(repository: Engine) -> None:
    scene = pictures.photograph(640, 480, seed=1)
    first = put(repository, scene)
    others = [
        put(repository, scene, "JPEG", quality=60),
        put(repository, scene.resize((200, 150))),
        put(repository, ImageEnhance.Brightness(scene).enhance(1.15), "JPEG", quality=90),
        put(repository, scene.convert("L")),
        put(repository, scene.crop((4, 4, 636, 476))),
    ]
    strangers = [put(repository, pictures.photograph(640, 480, seed=seed)) for seed in range(2, 22)]
    look_at_all()
    assert set(nearest(first)) == {one.pk for one in others}
    assert not {one.pk for one in strangers} & set(nearest(first))
    assert first.pk in nearest(others[1])


def test_what_is_of_one_tone_is_like_nothing(repository: Engine) -> None:
    white, gray = (put(repository, Picture.new("RGB", (90, 60), tone)) for tone in ("white", (128, 128, 128)))
    clear = put(repository, Picture.new("RGBA", (90, 60), (0, 0, 0, 0)))
    look_at_all()
    assert nearest(white) == nearest(gray) == nearest(clear) == []
    assert Look.objects.count() == 3 and not LookBand.objects.exists()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (31, 33)])
def test_whatever_comes_in_has_a_small_placeholder_in_its_shape(
    repository: Engine, mode: str, size: tuple[int, int]
) -> None:
    image = put(repository, pictures.photograph(*size).convert(mode), "TIFF")
    look_at_all()
    text = looks.placeholders([image])[image.pk]
    data = base64.b64decode(text.removeprefix("data:image/webp;base64,"))
    shown = Picture.open(io.BytesIO(data))
    assert max(shown.size) == 12 and len(data) < 220
    assert (shown.width > shown.height) == (size[0] > size[1]) or max(size) < 40


def test_each_is_looked_at_once_and_what_is_new_later(repository: Engine) -> None:
    first = put(repository, pictures.photograph(90, 60, seed=1))
    look_at_all()
    for model in (Look, LookBand):
        model.objects.all().delete()
    second = put(repository, pictures.photograph(90, 60, seed=2))
    look_at_all()
    assert set(Look.objects.values_list("pk", flat=True)) == {second.pk} and first.pk < second.pk
    services.at_once("tester", lambda s: services.remove_image(s, second.ident))
    assert not Look.objects.exists() and not LookBand.objects.exists()


def test_what_is_lost_is_passed_over(repository: Engine) -> None:
    first, second = (put(repository, pictures.photograph(90, 60, seed=seed)) for seed in (1, 2))
    repository.bases.life.discard(first.ident)  # type: ignore[arg-type]
    look_at_all()
    assert set(Look.objects.values_list("pk", flat=True)) == {second.pk}
    assert Installation.objects.get().looked == second.pk


def test_it_ends_when_it_is_asked_to(repository: Engine) -> None:
    put(repository, pictures.photograph(90, 60, seed=1))
    worker = looking.Looking()
    worker.start()
    worker.stop()
    until(lambda: not worker.is_alive())


def test_pages_show_it_to_who_may_see_it(repository: Engine) -> None:
    scene = pictures.photograph(640, 480, seed=1)
    first, second = put(repository, scene), put(repository, scene, "JPEG", collection="hidden")
    look_at_all()
    page = Client().get(f"/image/{first.ident}/").content.decode()
    assert "Nearly the same" in page and f"/image/{second.ident}/" in page and 'src="data:image/webp' in page
    services.at_once("tester", lambda s: services.put_collection(s, "hidden", {"visibility": "login"}, 1))
    page = Client().get(f"/image/{first.ident}/").content.decode()
    assert second.ident not in page and looks.near(first, EVERYBODY) == []


def test_bands_meet_where_three_bits_differ() -> None:
    for flipped in ((0, 17, 34), (5, 6, 7), (63, 0, 31)):
        other = sum(1 << bit for bit in flipped)
        assert set(looks.bands(0)) & set(looks.bands(other))


def test_a_likeness_has_64_bits() -> None:
    for seed in range(20):
        small = pictures.encoded(pictures.photograph(32, 32, seed=seed), "PNG")
        found = likeness.likeness(small)
        assert found is None or 0 <= found < 1 << 64


def test_near_is_counted_over_all_64_bits(repository: Engine) -> None:
    first, second, third = (put(repository, pictures.photograph(90, 60, seed=seed)) for seed in (1, 2, 3))
    looks.keep(first.pk, 1 << 63 | 0x1234, b"")
    looks.keep(second.pk, 0x1234, b"")
    looks.keep(third.pk, 1 << 63 | ((1 << 47) - 1) << 16 | 0x1234, b"")
    assert nearest(first) == [second.pk] and nearest(second) == [first.pk] and nearest(third) == []


def test_what_takes_too_long_is_looked_at_again_and_then_passed_over(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (put(repository, pictures.photograph(90, 60, seed=seed)) for seed in (1, 2))
    real = looking.look_at

    def late(image: Image) -> None:
        if image.pk == first.pk:
            raise GivenUp("this takes too long")
        real(image)

    monkeypatch.setattr(looking, "look_at", late)
    worker = looking.Looking()
    for _ in range(2):
        with pytest.raises(GivenUp):
            worker._look_at_all()
    worker._look_at_all()
    assert set(Look.objects.values_list("pk", flat=True)) == {second.pk}


def test_hidden_ones_take_no_place_of_others(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "_SHOWN", 1)
    scene = pictures.photograph(640, 480, seed=1)
    first, hidden = put(repository, scene), put(repository, scene, "JPEG", collection="hidden")
    seen = put(repository, ImageEnhance.Brightness(scene).enhance(1.15), "JPEG", quality=70)
    look_at_all()
    services.at_once("tester", lambda s: services.put_collection(s, "hidden", {"visibility": "login"}, 1))
    assert [one.pk for one in looks.near(first, EVERYBODY)] == [seen.pk] and hidden.pk != seen.pk


def test_a_server_looks_at_what_comes_in(serve: Callable[..., Server]) -> None:
    server = serve(MEZZOTINT_LOOKS="true")
    scene = pictures.photograph(300, 200, seed=5)
    first, second = (server.upload(pictures.encoded(scene, form)) for form in ("PNG", "BMP"))
    until(lambda: f"/image/{second}/" in server.http.get(f"/image/{first}/").text.partition("Nearly the same")[2])
    server.stop()
    again = serve(server.data, MEZZOTINT_LOOKS="true")
    assert "Nearly the same" in again.http.get(f"/image/{first}/").text
