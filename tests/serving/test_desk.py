"""The review desk without a browser: order, editing of large pictures, several people, restoring on the spot."""

import io
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError

from faceinpaint.data.archives import members
from faceinpaint.errors import InputError
from faceinpaint.inference.proposals import ProposalRow, ProposalTable
from faceinpaint.serving.decisions import ConflictError
from faceinpaint.serving.desk import Desk
from faceinpaint.serving.engine import Reply
from faceinpaint.serving.pictures import open_pictures
from faceinpaint.serving.preview import CANVAS, as_layer, from_layers, merged, on_canvas, shrunk_mask
from faceinpaint.serving.queue import LEASE, ReviewQueue
from faceinpaint.serving.review import TRIES, Review
from faceinpaint.storage import write_bytes
from tests.data.test_zip_names import old_zip


def rows():
    given = [("sure.png", "proposed", 0.99), ("doubt.png", "proposed", 0.91), ("clean.png", "clean", 0.98)]
    return [ProposalRow(key=key, status=status, confidence=sure, parts=1) for key, status, sure in given] + [
        ProposalRow(key="unsure.png", status="unsure", confidence=0.4, reason="suspected at 0.60")
    ]


def png(array):
    sink = io.BytesIO()
    Image.fromarray(array).save(sink, "PNG")
    return sink.getvalue()


@pytest.fixture
def place(tmp_path):
    """A folder of pictures, and a detection's output beside it."""
    for key in ("sure.png", "doubt.png", "clean.png", "unsure.png"):
        write_bytes(f"{tmp_path}/photos/{key}", png(np.full((50, 40, 3), 90, np.uint8)))
    table = ProposalTable(str(tmp_path / "out"))
    table.open()
    table.add(rows())
    table.flush()
    mask = np.zeros((50, 40), np.uint8)
    mask[10:20, 10:15] = 255
    for key in ("sure.png", "doubt.png"):
        write_bytes(f"{tmp_path}/out/masks/{key}.png", png(mask))
    return tmp_path


@pytest.fixture
def desk(place):
    return Desk(str(place / "out"), open_pictures(str(place / "photos")), lambda key, picture, mask: picture)


def test_most_doubtful_first_and_each_to_one_person_until_the_lease_ends():
    now = [0.0]
    decided = {}
    queue = ReviewQueue(rows(), decided, clock=lambda: now[0])
    assert queue.take("ann").key == "unsure.png"
    assert queue.take("ann").key == "unsure.png"  # a reload shows the same
    assert queue.take("ben").key == "doubt.png"
    queue.skip("unsure.png", "ann")
    assert queue.take("ann").key == "sure.png"
    assert queue.take("cem").key == "unsure.png"
    assert queue.take("dee") is None
    now[0] = LEASE + 1
    assert queue.take("dee").key == "unsure.png"
    queue.skip("unsure.png", "cem")  # whose lease has run out: it stays dee's
    assert queue.take("ben").key == "doubt.png"
    decided["doubt.png"] = decided["sure.png"] = 1
    assert queue.progress() == (2, 3)


def test_accepting_keeps_the_mask_and_an_edit_changes_it(desk, place):
    shown = desk.next("ann")
    assert shown.row.key == "unsure.png"
    painted = shown.mask.copy()
    painted[0:5, 0:5] = 1
    assert desk.decide(shown, painted, "ann").verdict == "edited"
    assert np.asarray(Image.open(place / "out/masks/unsure.png.png"))[:5, :5].all()
    shown = desk.next("ann")
    assert desk.decide(shown, shown.mask, "ann").verdict == "accepted"
    shown = desk.next("ann")
    assert desk.decide(shown, None, "ann").verdict == "rejected"
    assert not (place / "out/masks/sure.png.png").exists()
    assert desk.next("ann") is None
    again = Desk(str(place / "out"), desk.pictures, desk.restore_picture)
    assert again.next("ann") is None
    back = again.undo("ann")
    assert back.row.key == "sure.png"
    assert back.mask.sum() == 50


def test_two_people_on_one_picture_lose_nothing(desk):
    row = desk.queue.row("doubt.png")
    first, second = desk.show(row), desk.show(row)
    desk.decide(first, first.mask, "ann")
    with pytest.raises(ConflictError):
        desk.decide(second, None, "ben")
    assert desk.decisions.mask("doubt.png") is not None


def test_a_picture_that_cannot_be_read_is_passed_over(desk, place):
    (place / "photos/unsure.png").write_bytes(b"broken")
    assert desk.next("ann").row.key == "doubt.png"


def test_restoring_on_the_spot_sends_the_edited_mask_and_keeps_nothing(desk, place):
    seen = []
    desk.restore_picture = lambda key, picture, mask: seen.append((key, mask)) or picture
    shown = desk.show(desk.queue.row("doubt.png"))
    edited = np.zeros_like(shown.mask)
    edited[40:45, 30:35] = 1
    before, after = desk.restored(shown, edited)
    assert np.array_equal(before, after)
    sent = np.asarray(Image.open(io.BytesIO(seen[0][1])))
    assert sent.sum() == 25 * 255
    assert sent[40:45, 30:35].all()
    assert desk.decisions.latest == {}


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ([BackPressureError(64, 64)], "all models are busy"),
        ([RayActorError()] * TRIES, "the models do not answer"),
        ([RayActorError()] * (TRIES - 1), None),  # a replica died, and another one does it
    ],
)
def test_a_person_is_told_in_words_why_nothing_was_restored(failures, said):
    left = list(failures)

    class Answer:
        def result(self):
            if left:
                raise left.pop()
            return Reply(row={}, file=b"restored")

    page = Review.__new__(Review)
    page.engine = SimpleNamespace(restore=SimpleNamespace(remote=lambda request: Answer()))
    if said is None:
        assert page._restore("a", b"", b"") == b"restored"
        return
    with pytest.raises(InputError, match=said):
        page._restore("a", b"", b"")


def test_an_edit_of_a_preview_leaves_the_rest_of_a_large_mask_exact():
    full = np.zeros((3600, 2400), np.uint8)
    full[1000:1003, 100:900] = 1  # a hair that the preview shows a pixel wide
    full[3000:3300, 2000:2300] = 1
    shown = shrunk_mask(full, 1200, 800)
    assert shown[333:335, 40:300].any(0).all()
    edited = shown.copy()
    edited[990:1110, 660:770] = 0  # erase the square
    edited[100:110, 100:110] = 1  # paint another
    result = merged(full, shown, edited, 3600, 2400)
    assert np.array_equal(result[1000:1003], full[1000:1003])
    assert not result[2990:3310, 1990:2310].any()
    assert result[300:330, 300:330].all()
    assert result.sum() == 3 * 800 + 900


@pytest.mark.parametrize("shape", [(50, 40), (CANVAS, 300), (7, CANVAS)])
def test_the_editors_square_gives_a_mask_back_as_it_was(shape):
    mask = (np.random.default_rng(0).random(shape) < 0.3).astype(np.uint8)
    assert np.array_equal(from_layers([on_canvas(as_layer(mask))], *shape), mask)


def test_pictures_of_folders_zips_and_parquet_are_found_by_key(tmp_path):
    import zipfile

    data = png(np.zeros((20, 20, 3), np.uint8))
    write_bytes(f"{tmp_path}/folder/a/b.png", data)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a/b.png", data)
    pq.write_table(pa.table({"key": ["x", "a/b.png"], "image": [b"0", data]}), tmp_path / "p.parquet")
    for name in ("folder", "z.zip", "p.parquet"):
        pictures = open_pictures(str(tmp_path / name))
        assert pictures.read("a/b.png") == data
        for wrong in ("a/c.png", "../folder/a/b.png", "/etc/passwd"):
            with pytest.raises(InputError):
                pictures.read(wrong)
    keys = pa.array(["a", None, "a", "b"], pa.string())
    table = pa.table({"key": keys, "image": [b"0", b"1", b"2", b"3"]})
    pq.write_table(table, tmp_path / "keys.parquet", row_group_size=2)
    pictures = open_pictures(str(tmp_path / "keys.parquet"))  # under the keys that bulk jobs give them
    assert [pictures.read(key) for key in ("a", "a#2", "b")] == [b"0", b"2", b"3"]
    raw = [name.encode("cp866") for name in ("Фото/дедушка.jpg", "бабушка.png", "./a.png", "a.png")]
    (tmp_path / "old.zip").write_bytes(old_zip(raw))  # names in an old alphabet, and one name in two ways
    given = {key: how() for key, _, how in members(str(tmp_path / "old.zip"))}
    assert list(given) == ["Фото/дедушка.jpg", "бабушка.png", "a.png", "a.png#2"]
    pictures = open_pictures(str(tmp_path / "old.zip"))
    assert {key: pictures.read(key) for key in given} == given
    for name in ("t.tar", "t.txz"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match="unpack it first"):
            open_pictures(str(tmp_path / name))
