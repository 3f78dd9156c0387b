"""Documents into the repository: one collection, one commit, from the command line and over HTTP."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.documents import anything, pdf, request, scan_page, text_page, text_pdf, with_objects
from tests.origin import Origin
from tests.servers import PROGRAM, Server, environment, rows, run
from tests.waiting import PATIENCE, until

FAST = {"PDF_RASTERIZER_DPI": "36"}
OPEN = {"MEZZOTINT_FETCH_ALLOW": "127.0.0.0/8", "MEZZOTINT_FETCH_PORTS": "*"}


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return FAST | OPEN | {"SCRATCH_DIRECTORY": str(tmp_path / "scratch")}


def test_a_document_becomes_a_collection_in_one_commit(
    tmp_path: Path, serve: Callable[..., Server], variables: dict[str, str]
) -> None:
    data, document = tmp_path / "data", tmp_path / "report.pdf"
    document.write_bytes(
        pdf(
            [*(text_page(f"Page {n}") for n in range(1, 4)), text_page("Page 2"), scan_page(150, 200, 36, seed=4)],
            info=b"/Title (Annual report) /Author (Ada Lovelace) /CreationDate (D:20240301)",
            catalog=b"/Lang (en)",
        )
    )
    done = run(data, "composite", "add", str(document), "--collection", "Annual report 2024", "--json", **variables)
    said = json.loads(done.stdout)
    assert (done.returncode, said["status"], said["pages_done"], said["pages_total"]) == (0, "COMPLETED", 5, 5)
    server = serve(data, **variables)
    [collection] = server.http.get("/api/collections/").json()["results"]
    assert (collection["slug"], collection["title"]) == ("annual-report-2024", "Annual report 2024")
    for text in ("Author: Ada Lovelace", "Language: en", "Created: 2024-03-01", "Source: report.pdf"):
        assert text in collection["description"]
    listed = server.http.get("/api/images/", params={"collection": collection["slug"]}).json()["results"]
    titles = rows(
        data,
        "SELECT title FROM repository_membership JOIN repository_image ON image_id = repository_image.id "
        "ORDER BY position",
    )
    assert titles == [(f"Annual report 2024, page {number}",) for number in (1, 2, 3, 5)], "equal pages are one image"
    assert {(image["creator"], image["captured"], image["source"]) for image in listed} == {
        ("Ada Lovelace", "2024-03-01", "report.pdf")
    }
    assert server.http.get(f"/images/{listed[0]['ident']}").headers["content-type"] == "image/jpeg"
    commits = [one for one in server.writer.get("/api/commits/").json()["results"] if one["added"]]
    assert [(one["added"], one["by"]) for one in commits] == [(4, "composite")]
    digest = hashlib.sha256(document.read_bytes()).hexdigest()
    kept = [path for path in (data / "store" / "documents").rglob("*") if path.is_file()]
    assert sorted(path.name for path in kept) == [f"{digest}.json", f"{digest}.pdf"]
    assert [path.read_bytes() == document.read_bytes() for path in kept if path.suffix == ".pdf"] == [True]
    for command in (["verify", "--json"], ["reconcile", "--json"]):
        assert run(data, *command, **variables).returncode == 0, "what lies beside bases is no stray"
    again = run(data, "composite", "add", str(document), "--collection", "Annual report 2024", **variables)
    assert again.returncode == 0, again.stderr
    assert len(server.http.get("/api/images/").json()["results"]) == 4


def test_an_outline_is_ranges_and_the_document_is_had_from_its_manifest(
    tmp_path: Path, serve: Callable[..., Server], variables: dict[str, str]
) -> None:
    """Page n of these documents is object 2n + 2."""
    data, document = tmp_path / "data", tmp_path / "book.pdf"
    outline = {
        50: b"<< /Type /Outlines /First 51 0 R /Last 53 0 R /Count 3 >>",
        51: b"<< /Title (One) /Parent 50 0 R /Next 53 0 R /Dest [4 0 R /Fit] /First 52 0 R /Last 52 0 R /Count 1 >>",
        52: b"<< /Title (Within) /Parent 51 0 R /Dest [6 0 R /Fit] >>",
        53: b"<< /Title (Two) /Parent 50 0 R /Prev 51 0 R /Dest [8 0 R /Fit] >>",
    }
    document.write_bytes(with_objects(text_pdf(4, catalog=b"/Outlines 50 0 R"), outline))
    assert run(data, "composite", "add", str(document), "--collection", "Buch: 1/2", **variables).returncode == 0
    server = serve(data, **variables)
    [slug] = [one["slug"] for one in server.http.get("/api/collections/").json()["results"]]
    manifest = server.http.get(f"/iiif/presentation/3/collections/{slug}/manifest.json").json()
    canvases = [canvas["id"] for canvas in manifest["items"]]
    one, two = manifest["structures"]
    assert (one["label"], two["label"]) == ({"none": ["One"]}, {"none": ["Two"]})
    assert [item["id"] for item in one["items"][:1]] == canvases[:1] and one["items"][1]["label"] == {
        "none": ["Within"]
    }
    assert [item["id"] for item in one["items"][1]["items"]] == canvases[1:2]
    assert [item["id"] for item in two["items"]] == canvases[2:]
    [rendering] = manifest["rendering"]
    assert rendering["format"] == "application/pdf"
    said = document.read_bytes()
    whole = server.http.get(rendering["id"])
    assert whole.content == said and whole.headers["content-type"] == "application/pdf"
    assert whole.headers["content-disposition"].startswith('attachment; filename="Buch_ 1_2.pdf"')
    part = server.http.get(rendering["id"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, said[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(said)}"
    assert server.http.get(rendering["id"], headers={"Range": f"bytes={len(said)}-"}).status_code == 416
    assert server.http.get(rendering["id"], headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    head = server.http.head(rendering["id"])
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(said)), b"")
    hidden = {"version": 1, "visibility": "login"}
    assert server.writer.patch(f"/api/collections/{slug}/", json=hidden).status_code == 200
    assert server.http.get(rendering["id"]).status_code == 404
    assert server.writer.get(rendering["id"]).content == said, "a token sees it as a login does"


def test_a_document_over_http_needs_a_token_and_becomes_a_collection(
    serve: Callable[..., Server], variables: dict[str, str]
) -> None:
    server = serve(**variables)
    with Origin() as origin:
        url = origin.picture("/a.pdf", text_pdf(3, info=b"/Title (Sketches)"), content_type="application/pdf")
        body = request(anything(origin=url, compositeId="Sketch book"))
        assert server.http.post("/customers/1/queue", json=body).status_code == 401
        answer = server.writer.post("/customers/1/queue", json=body)
        assert answer.status_code == 202
        member = answer.json()["members"][0]["id"].removeprefix("http://localhost:8000")
        done = until(lambda: (found := server.http.get(member).json())["status"] in {"COMPLETED", "ERROR"} and found)
        assert (done["status"], done["image_count"]) == ("COMPLETED", 3)
        page = server.http.get(done["collection"].removeprefix("http://localhost:8000"))
        assert (page.status_code, "Sketches" in page.text) == (200, True)
        assert "dlcs_uris" not in done
        assert server.http.delete(member).status_code == 401
        assert server.writer.delete(member).status_code == 409
        refused = server.writer.post("/customers/1/queue", json=request(anything(compositeId="???")))
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "compositeId")
        shut = server.http.get(f"/collections/{'0' * 8}-0000-0000-0000-{'0' * 12}")
        assert (shut.status_code, shut.content) == (404, b"")


def test_what_cannot_be_added_is_told(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "page.pdf").write_bytes(b"<html></html>")
    done = run(tmp_path / "data", "composite", "add", str(tmp_path / "page.pdf"), **variables)
    assert (done.returncode, "it is not a PDF" in done.stderr) == (2, True)
    assert "WARNING" not in done.stderr, "said once, not in the log as well"
    told = json.loads(run(tmp_path / "data", "composite", "status", "--json", **variables).stdout)
    assert [(one["status"], one["error"]) for one in told] == [("ERROR", "it is not a PDF")]
    assert "it is not a PDF" in run(tmp_path / "data", "composite", "status", **variables).stdout
    for wrong, why in (("nothing", "a UUID"), ("0" * 32, "there is no member")):
        done = run(tmp_path / "data", "composite", "retry", wrong, **variables)
        assert (done.returncode, why in done.stderr) == (2, True), done.stderr


def test_adding_that_is_stopped_is_gone_on_with(
    tmp_path: Path, serve: Callable[..., Server], variables: dict[str, str]
) -> None:
    data, document = tmp_path / "data", tmp_path / "long.pdf"
    document.write_bytes(text_pdf(400))
    slow = variables | {"PDF_RASTERIZER_DPI": "150"}
    process = subprocess.Popen(
        [PROGRAM, "composite", "add", str(document)], env=environment(data, **slow), cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def pages() -> int:
        if not (data / "mezzotint.sqlite3").exists():
            return 0
        found = rows(data, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'composites_page'")
        return int(rows(data, "SELECT COUNT(*) FROM composites_page")[0][0]) if found[0][0] else 0

    until(lambda: pages() > 5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "goes on" in said
    kept = pages()
    assert 5 < kept < 400
    server = serve(data, **slow)
    until(lambda: rows(data, "SELECT status FROM composites_member") == [("COMPLETED",)])
    assert server.http.get("/api/collections/").json()["results"][0]["title"] == "long"
    assert rows(data, "SELECT attempts, pages_done FROM composites_member") == [(1, 400)]


def test_members_are_cancelled_and_tried_again_by_command(
    serve: Callable[..., Server], variables: dict[str, str]
) -> None:
    server = serve(**variables)
    with Origin() as origin:
        answer = server.writer.post("/customers/1/queue", json=request(anything(origin=origin.url("/late.pdf"))))
        collection = answer.json()["id"].rpartition("/")[2]
        until(lambda: rows(server.data, "SELECT error FROM composites_member WHERE attempts > 0"))
        cancelled = run(server.data, "composite", "cancel", collection, **variables)
        assert (cancelled.returncode, "1 were cancelled" in cancelled.stdout) == (0, True)
        assert rows(server.data, "SELECT error FROM composites_member") == [("it was cancelled",)]
        origin.picture("/late.pdf", text_pdf(2), content_type="application/pdf")
        again = run(server.data, "composite", "retry", collection, **variables)
        assert (again.returncode, "1 are tried again" in again.stdout) == (0, True)
        until(lambda: rows(server.data, "SELECT status FROM composites_member") == [("COMPLETED",)])
        assert run(server.data, "composite", "retry", collection, **variables).returncode == 1
        assert run(server.data, "composite", "cancel", collection, **variables).returncode == 1
