"""Settings: read once, from the environment, each refusal naming its variable."""

from __future__ import annotations

import dataclasses
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidInput
from mezzotint.settings import Settings, machine
from mezzotint.settings.parsing import parse_bool, parse_bytes, parse_count

VARIABLES = [next(iter(field.metadata["variables"])) for field in dataclasses.fields(Settings) if field.metadata]


def test_the_defaults_are_those_of_the_design() -> None:
    settings = Settings.read({})
    assert settings.data == Path("data").absolute()
    assert settings.bind == ("127.0.0.1", 8000)
    assert settings.public_url is None
    assert settings.store_url == f"file://{settings.data}/store"
    assert settings.cache == settings.data / "cache"
    assert settings.cache_max_size == 10 * 2**30
    assert settings.public_read is True
    assert settings.max_pixels == 250_000_000
    assert settings.max_upload == 2 * 2**30
    assert settings.allow_svg is False
    assert settings.worker_count >= 1
    assert settings.render_threads >= 1


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("17", 17), ("1K", 1024), ("1k", 1024), ("250M", 250 * 2**20), ("10G", 10 * 2**30), ("2T",
    2 * 2**40), (" 5M ", 5 * 2**20)],
)  # fmt: skip
def test_sizes_take_suffixes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "K", "-1", "1.5G", "1 G", "1GB", "1KK", "0x10", "1_000", "ten", "1P", "\u0661", "1\n2"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_bytes(text)
    with pytest.raises(ValueError):
        parse_count(text)


@given(st.integers(0, 10**12))
def test_plain_numbers_mean_themselves(number: int) -> None:
    assert parse_bytes(str(number)) == parse_count(str(number)) == number


def test_counts_are_decimal() -> None:
    assert parse_count("250M") == 250_000_000
    assert parse_count("3K") == 3000


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "on", " True "])
def test_many_words_are_true_and_their_opposites_false(text: str) -> None:
    opposite = {"true": "false", "1": "0", "yes": "no", "on": "off"}[text.strip().lower()]
    assert parse_bool(text) is True
    assert parse_bool(opposite) is False


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MEZZOTINT_BIND", "8000"),
        ("MEZZOTINT_BIND", "127.0.0.1"),
        ("MEZZOTINT_BIND", "127.0.0.1:"),
        ("MEZZOTINT_BIND", ":8000"),
        ("MEZZOTINT_BIND", "127.0.0.1:65536"),
        ("MEZZOTINT_BIND", "127.0.0.1:http"),
        ("MEZZOTINT_WORKERS", "0"),
        ("MEZZOTINT_WORKERS", "-1"),
        ("MEZZOTINT_WORKERS", "two"),
        ("MEZZOTINT_WORKERS", "100000"),
        ("MEZZOTINT_CACHE_MAX_SIZE", "10 gigabytes"),
        ("MEZZOTINT_MAX_PIXELS", "-5"),
        ("MEZZOTINT_MAX_UPLOAD", "2.5G"),
        ("MEZZOTINT_PUBLIC_READ", "maybe"),
        ("MEZZOTINT_ALLOW_SVG", "2"),
        ("MEZZOTINT_PUBLIC_URL", "pictures.example.org"),
        ("MEZZOTINT_PUBLIC_URL", "ftp://example.org"),
        ("MEZZOTINT_RENDER_QUEUE", "0"),
        ("MEZZOTINT_PYRAMIDS", "never"),
        ("MEZZOTINT_NAME", "x" * 101),
        ("MEZZOTINT_FOOTER", "x" * 501),
        ("MEZZOTINT_COLOURS", "#7a3b12"),
        ("MEZZOTINT_COLOURS", "brown,#e0a070"),
        ("MEZZOTINT_COLOURS", "#cccccc,#e0a070"),
        ("MEZZOTINT_COLOURS", "#7a3b12,#333333"),
        ("MEZZOTINT_NAME", "a\x07b"),
        ("MEZZOTINT_VIEWERS", "Mirador"),
        ("MEZZOTINT_VIEWERS", "M=ftp://example.org/{manifest}"),
        ("MEZZOTINT_VIEWERS", "M=https://example.org/"),
        ("MEZZOTINT_VIEWERS", "M=javascript:{manifest}"),
        ("MEZZOTINT_VIEWERS", "One=https://example.org/{manifest}, =https://example.org/{manifest}"),
        ("MEZZOTINT_GRACE", "a week"),
        ("COVER_ART_CACHE_CLEANUP_INTERVAL", "0"),
        ("COVER_ART_CACHE_CLEANUP_INTERVAL", "soon"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "redis://localhost:0"),
        ("MEZZOTINT_FETCH_ALLOW", "10.0.0.0/33"),
        ("MEZZOTINT_FETCH_ALLOW", "exa$mple"),
        ("MEZZOTINT_FETCH_KEEP", "10.0.0.0/8"),
        ("MEZZOTINT_FETCH_PORTS", "80,http"),
        ("MEZZOTINT_FETCH_PORTS", ","),
        ("MEZZOTINT_RESIZE_FORMAT", "psd"),
        ("MEZZOTINT_CHECKPOINT_SEGMENTS", "0"),
        ("MEZZOTINT_FETCH_TIMEOUT", "30"),
        ("MEZZOTINT_STORE_CONNECTIONS", "some"),
        ("PDF_RASTERIZER_DPI", "0"),
        ("PDF_RASTERIZER_DPI", "4801"),
        ("PDF_RASTERIZER_DPI", "300dpi"),
        ("PDF_RASTERIZER_FALLBACK_DPI", "-72"),
        ("PDF_RASTERIZER_FORMAT", "gif"),
        ("PDF_RASTERIZER_MAX_LENGTH", "-1"),
        ("PDF_RASTERIZER_MAX_LENGTH", "2K"),
        ("PDF_RASTERIZER_THREAD_COUNT", "0"),
        ("PDF_RASTERIZER_USE_CROPBOX", "maybe"),
        ("WEB_SERVER_SCHEME", "ftp"),
        ("WEB_SERVER_HOSTNAME", "http://example.org"),
        ("WEB_SERVER_HOSTNAME", "example.org:port"),
        ("DLCS_API_ROOT", "api.example.org"),
        ("ENGINE_WORKER_COUNT", "-1"),
        ("ENGINE_WORKER_TIMEOUT", "0"),
    ],
)
def test_a_refusal_names_the_variable_and_what_it_takes(variable: str, text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.read({variable: text})
    assert refused.value.field == variable
    assert repr(text) in refused.value.detail
    assert refused.value.limit


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("nothing", ["", "  "])
def test_a_variable_that_is_empty_is_a_variable_that_is_not_set(variable: str, nothing: str) -> None:
    assert Settings.read({variable: nothing}) == Settings.read({})


def test_variables_have_names_of_their_own() -> None:
    assert len(set(VARIABLES)) == len(VARIABLES)


def test_addresses_are_read(tmp_path: Path) -> None:
    settings = Settings.read(
        {
            "MEZZOTINT_BIND": "[::1]:9000",
            "MEZZOTINT_PUBLIC_URL": "https://pictures.example.org/",
            "MEZZOTINT_STORE": "memory://",
        }
    )
    assert settings.bind == ("::1", 9000)
    assert settings.public_url == "https://pictures.example.org"
    assert settings.store_url == "memory://"


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("PDF_RASTERIZER_DPI", "4800", "page_dpi", 4800),
        ("PDF_RASTERIZER_DPI", " 1 ", "page_dpi", 1),
        ("PDF_RASTERIZER_FORMAT", "JPEG", "page_format", "jpg"),
        ("PDF_RASTERIZER_FORMAT", "tiff", "page_format", "tif"),
        ("PDF_RASTERIZER_MAX_LENGTH", "0", "page_max_length", 0),
        ("WEB_SERVER_SCHEME", "HTTPS", "web_scheme", "https"),
        ("WEB_SERVER_HOSTNAME", "example.org:8000", "web_host", "example.org:8000"),
        ("WEB_SERVER_HOSTNAME", "[::1]:8000", "web_host", "[::1]:8000"),
        ("ENGINE_WORKER_COUNT", "0", "engine_workers", 0),
    ],
)
def test_what_composites_are_set_by_is_read(variable: str, text: str, field: str, value: object) -> None:
    assert getattr(Settings.read({variable: text}), field) == value


def test_everything_lies_below_the_data_directory(tmp_path: Path) -> None:
    settings = Settings.read({"MEZZOTINT_DATA": str(tmp_path / "data")})
    assert settings.cache.is_relative_to(settings.data)
    assert settings.sqlite is not None
    assert settings.sqlite.is_relative_to(settings.data)
    assert settings.store_url.startswith(f"file://{settings.data}/")
    assert not settings.data.exists()


def test_other_databases_are_refused_by_name(tmp_path: Path) -> None:
    settings = Settings.read({"DATABASE_URL": "mysql://localhost/x"})
    with pytest.raises(InvalidInput) as refused:
        _ = settings.sqlite
    assert refused.value.field == "DATABASE_URL"
    assert Settings.read({"DATABASE_URL": "postgresql://localhost/x"}).sqlite is None
    assert Settings.read({"DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3"}).sqlite == tmp_path / "x.sqlite3"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings.read({}).max_pixels = 1  # type: ignore[misc]


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("MEZZOTINT_MAX_UPLOAD=5M\nMEZZOTINT_MAX_PIXELS=7\nUNKNOWN\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEZZOTINT_MAX_PIXELS", "9")
    monkeypatch.delenv("MEZZOTINT_MAX_UPLOAD", raising=False)
    settings = Settings.read()
    assert (settings.max_upload, settings.max_pixels) == (5 * 2**20, 9)


def test_a_given_secret_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    data = {"MEZZOTINT_DATA": str(tmp_path / "data")}
    assert Settings.read(data | {"MEZZOTINT_SECRET_KEY": "given"}).secret_key == "given"
    assert Settings.read(data | {"DJANGO_SECRET_KEY": "old"}).secret_key == "old"
    both = Settings.read(data | {"DJANGO_SECRET_KEY": "old", "MEZZOTINT_SECRET_KEY": "given"})
    assert both.secret_key == "given"
    assert not (tmp_path / "data").exists()


def test_a_secret_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    environment = {"MEZZOTINT_DATA": str(tmp_path / "data")}
    first = Settings.read(environment).secret_key
    assert len(first) >= 32
    assert Settings.read(environment).secret_key == first
    (kept,) = list((tmp_path / "data").iterdir())
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    other = Settings.read({"MEZZOTINT_DATA": str(tmp_path / "other")}).secret_key
    assert other != first


def test_processes_that_start_together_agree_on_the_secret(tmp_path: Path) -> None:
    barrier, seen = threading.Barrier(8), list[str]()

    def start() -> None:
        barrier.wait()
        seen.append(Settings.read({"MEZZOTINT_DATA": str(tmp_path / "data")}).secret_key)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("MEZZOTINT_PUBLIC_RAED", "MEZZOTINT_PUBLIC_READ"), ("MEZZOTINT_CACHE_SIZE", "MEZZOTINT_CACHE_MAX_SIZE")],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(name: str, nearest: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.read({name: "x"})
    assert refused.value.field == name
    assert nearest in str(refused.value)


def test_what_kubernetes_sets_for_a_service_is_no_setting() -> None:
    names = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8000_TCP", "PORT_8000_TCP_PROTO")
    Settings.read({f"MEZZOTINT_{web}{name}": "x" for web in ("", "WEB_") for name in names})


def test_a_containers_memory_is_the_machines(tmp_path: Path) -> None:
    limit, none = tmp_path / "memory.max", tmp_path / "none"
    whole = machine.memory((none,))
    limit.write_text("max\n")
    assert machine.memory((none, limit)) == whole
    limit.write_text("123456789\n")
    assert machine.memory((none, limit)) == 123456789
    assert Settings.read({"MEZZOTINT_RENDER_MEMORY": "1G"}).memory_for_renders == 1 << 30
    assert Settings.read({}).memory_for_renders >= 256 << 20


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[Place]", "lowercase letters"),
        ("['custom.x']", "lowercase letters"),
        ("place = 3", "a table for each field"),
        ("[place]\nlabels = 'x'", "'labels'"),
        ("[place]\nkind = 'colour'", "text, long, date"),
        ("[place]\nkind = ['text']", "text, long, date"),
        ("[place]\nkind = 'choice'", "choices where its kind is choice"),
        ("[place]\nchoices = ['a']", "choices where its kind is choice"),
        ("[place]\nkind = 'choice'\nchoices = ['a', 'a']", "different texts"),
        ("[place]\nkind = 'choice'\nchoices = [3]", "different texts"),
        ("[place]\nseveral = 'yes'", "true or false"),
        ("[place]\nrequired = 'Shelf'", "true, or a list of slugs"),
        ("[place]\ncollections = ['The shelf']", "a list of slugs"),
        ("[place]\nlabel = {}", "a label"),
        ("[place]\nlabel = {english = 'Place'}", "by language"),
        ("[place]\nhelp = ''", "up to 200"),
        ("[place", "a file of TOML"),
        ("[place]\n[place]", "a file of TOML"),
        ("".join(f"[p{number}]\n" for number in range(51)), "up to 50 fields"),
    ],
)
def test_a_file_of_fields_that_is_wrong_ends_the_start_with_what_is_right(tmp_path: Path, toml: str, told: str) -> None:
    path = tmp_path / "fields.toml"
    path.write_text(toml)
    with pytest.raises(InvalidInput) as refused:
        Settings.read({"MEZZOTINT_FIELDS": str(path)})
    assert refused.value.field == "MEZZOTINT_FIELDS" and told in str(refused.value)


def test_a_file_of_fields_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.toml: No such file"):
        Settings.read({"MEZZOTINT_FIELDS": str(tmp_path / "none.toml")})


def test_fields_are_in_the_order_of_their_file(tmp_path: Path) -> None:
    (tmp_path / "fields.toml").write_text("[b]\nlabel = {de = 'Bé', fr = 'Bée'}\n[a]\nkind = 'date'\nrequired = true\n")
    b, a = Settings.read({"MEZZOTINT_FIELDS": str(tmp_path / "fields.toml")}).own_fields or ()
    assert [b.label(language) for language in ("de-AT", "fr", "en", "")] == ["Bé", "Bée", "Bé", "Bé"]
    assert (a.label(), a.kind, a.required, a.several, a.facet) == ("A", "date", True, False, False)
