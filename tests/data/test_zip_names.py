"""Names in archives of old tools are the words that they were, whatever code page wrote them."""

import io
import struct
import zipfile
import zlib

import pytest

from faceinpaint.data.archives import members
from faceinpaint.data.zip_names import code_page, member_names

NAMES = {
    "cp437": ["Café Müller.png", "Größe/Ä.jpg", "señor.jpg", "Zürich/IMG_01.jpg"],
    "cp850": ["São João.jpg", "Conceição.jpg"],
    "cp852": ["Zdjęcia/babcia Łódź.jpg", "Přátelé.jpg", "žluťoučký.png"],
    "cp866": ["Фото/дедушка.jpg", "бабушка.png", "Москва.jpg"],
    "cp1251": ["Фото/дедушка.jpg", "бабушка.png"],
    "cp932": ["写真/家族.jpg", "おじいさん.png", "アルバム.jpg"],
    "cp936": ["照片/全家福.jpg", "中文.png", "爷爷和奶奶1952.jpg"],
    "cp949": ["사진/가족.jpg", "할머니.png", "서울.jpg"],
    "cp950": ["照片/爺爺.jpg", "臺北.png", "祖母與祖父.jpg"],
    "utf-8": ["Café.png", "照片.jpg"],
}


class Old(zipfile.ZipInfo):
    """A member as old tools write it: its name in a code page, without the flag that says which."""

    def __init__(self, name: bytes, extra: bytes = b""):
        super().__init__("x" * len(name))
        self.raw, self.extra = name, extra

    def _encodeFilenameFlags(self):  # noqa: N802
        return self.raw, self.flag_bits & ~0x800


def old_zip(names, extra=b""):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(Old(name, extra), b"picture %d" % number)
    return sink.getvalue()


@pytest.mark.parametrize("page", NAMES)
def test_names_of_a_code_page_are_read_as_they_were_written(page):
    raw = [name.encode(page) for name in NAMES[page]]
    assert [name.decode(code_page(raw)) for name in raw] == NAMES[page]
    with zipfile.ZipFile(io.BytesIO(old_zip(raw))) as archive:
        assert member_names(archive.infolist()) == NAMES[page]


@pytest.mark.parametrize("suffix", [".zip", ".ZIP"])
def test_a_member_is_read_under_its_own_name(tmp_path, suffix):
    raw = [name.encode("cp936") for name in NAMES["cp936"]]
    (tmp_path / f"photos{suffix}").write_bytes(old_zip(raw))
    found = {key: how() for key, _, how in members(str(tmp_path / f"photos{suffix}"))}
    assert found == {name: b"picture %d" % number for number, name in enumerate(NAMES["cp936"])}


def test_a_unicode_name_beside_the_old_one_is_believed():
    raw, name = b"caf?.png", "café.png"
    body = b"\1" + struct.pack("<I", zlib.crc32(raw)) + name.encode()
    with zipfile.ZipFile(io.BytesIO(old_zip([raw], struct.pack("<HH", 0x7075, len(body)) + body))) as archive:
        assert member_names(archive.infolist()) == [name]


def test_folders_of_dos_are_folders():
    member = zipfile.ZipInfo("album\\1952\\a.png")
    member.create_system = 0
    assert member_names([member]) == ["album/1952/a.png"]
