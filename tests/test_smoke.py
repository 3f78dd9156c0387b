from tests import pictures
from tests.conftest import Server


def test_a_picture_comes_back_in_another_size(server: Server) -> None:
    ident = server.upload(pictures.jpeg(800, 600, seed=1), title="A plate")
    answer = server.http.get(f"/images/{ident}-400x300.jpg")
    assert answer.status_code == 200
    assert pictures.opened(answer.content).size == (400, 300)
