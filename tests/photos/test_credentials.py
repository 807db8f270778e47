"""Content credentials: signed with a certificate made here, read back by the standard's own reader."""

import datetime
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image

from faceinpaint.data.mask_spec import parse_masks
from faceinpaint.encoding import mask_png
from faceinpaint.errors import InputError
from faceinpaint.inference.document import examine, finish
from faceinpaint.inference.options import Options, check_options
from faceinpaint.inference.travel import Painted, Settings
from faceinpaint.photos.credentials import LABEL, Credentials
from faceinpaint.photos.provenance import SOURCE_TYPE

c2pa = pytest.importorskip("c2pa")
x509 = pytest.importorskip("cryptography.x509")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402

FACE = np.ascontiguousarray(skimage.data.astronaut()[:320, 60:380])
HOLE = np.zeros((320, 320), np.uint8)
HOLE[118:150, 135:185] = 1
INSIDE = HOLE > 0
DAY = datetime.timedelta(days=1)


def certificate(name, key, issuer, issuer_key, authority):
    """One link of a chain, as the standard wants it (C2PA 2.1, section 14.5)."""
    now = datetime.datetime.now(datetime.UTC)
    named = [
        x509.Name(
            [
                x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "An archive"),
                x509.NameAttribute(x509.NameOID.COMMON_NAME, who),
            ]
        )
        for who in (name, issuer)
    ]
    uses = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(named[0])
        .issuer_name(named[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 30 * DAY)
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
        .add_extension(x509.KeyUsage(not authority, key_cert_sign=authority, crl_sign=authority, **uses), True)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private(key):
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


@pytest.fixture(scope="module", params=["P-256", "RSA"])
def signer(request, tmp_path_factory):
    """Credentials, and the root of their chain."""
    folder = tmp_path_factory.mktemp("signer")
    root = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1()) if request.param == "P-256" else rsa.generate_private_key(65537, 2048)
    anchor = certificate("root", root, "root", root, True)
    (folder / "chain.pem").write_bytes(certificate("signer", key, "root", root, False) + anchor)
    (folder / "key.pem").write_bytes(private(key))
    return Credentials(certificate=str(folder / "chain.pem"), key=str(folder / "key.pem")), anchor.decode()


def coded(kind, **options):
    damaged = FACE.copy()
    damaged[INSIDE] = 255
    sink = io.BytesIO()
    Image.fromarray(damaged).save(sink, kind, **options)
    return sink.getvalue()


def restored(data, name, tmp_path, credentials, **options):
    (tmp_path / "mask.png").write_bytes(mask_png(HOLE))
    settings = Settings(
        output=str(tmp_path),
        masks=parse_masks(str(tmp_path / "mask.png")),
        image_size=64,
        alignment="celeba",
        model_sha256="m" * 64,
        credentials=credentials,
        **options,
    )
    examined = examine(name, data, None, settings)
    assert examined.row.status is None, examined.row
    row = finish(Painted(examined=replace(examined), patches=examined.plan.crops), settings).row
    return row, (tmp_path / row.output).read_bytes()


def read(data, mime, anchor):
    trust = {"trust": {"trust_anchors": anchor}, "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    return c2pa.Reader(mime, io.BytesIO(data), context=c2pa.Context(c2pa.Settings.from_dict(trust)))


KINDS = {
    "a.jpg": ("JPEG", {"quality": 90}, "image/jpeg"),
    "a.png": ("PNG", {}, "image/png"),
    "a.tif": ("TIFF", {"compression": "tiff_lzw"}, "image/tiff"),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_credentials_say_what_was_done_and_nothing_else_changes(name, signer, tmp_path):
    kind, options, mime = KINDS[name]
    data = coded(kind, **options)
    credentials, anchor = signer
    row, signed = restored(data, name, tmp_path, credentials)
    plain_row, plain = restored(data, name, tmp_path, None)
    assert (row.status, row.reason, row.fidelity) == (plain_row.status, plain_row.reason, plain_row.fidelity)
    assert row.output_sha256 != plain_row.output_sha256
    reader = read(signed, mime, anchor)
    assert reader.get_validation_state() == "Trusted"
    manifest = json.loads(reader.json())
    manifest = manifest["manifests"][manifest["active_manifest"]]
    said = {each["label"]: each["data"] for each in manifest["assertions"]}
    actions = said["c2pa.actions.v2"]["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"] == SOURCE_TYPE
    assert said[LABEL] == {
        "input_sha256": row.input_sha256,
        "mask_sha256": row.mask_sha256,
        "model_sha256": "m" * 64,
        "hole_ratio": pytest.approx(row.hole_ratio),
        "status": "restored",
    }
    assert [each["relationship"] for each in manifest["ingredients"]] == ["parentOf"]
    assert "thumbnail" not in json.dumps(manifest)
    before, after, unsigned = (np.asarray(Image.open(io.BytesIO(each))) for each in (data, signed, plain))
    assert np.array_equal(after, unsigned)
    far = (
        np.ones((320, 320), bool)
        if kind != "JPEG"
        else np.pad(np.zeros((80, 96), bool), ((96, 144), (112, 112)), constant_values=True)
    )
    assert np.array_equal(after[far & ~INSIDE], before[far & ~INSIDE])


def test_a_changed_byte_is_found(signer, tmp_path):
    credentials, anchor = signer
    _, signed = restored(coded("PNG"), "a.png", tmp_path, credentials)
    broken = bytearray(signed)
    broken[-30] ^= 1
    assert read(bytes(broken), "image/png", anchor).get_validation_state() == "Invalid"


def test_credentials_that_the_input_had_come_along(signer, tmp_path):
    credentials, anchor = signer
    _, once = restored(coded("JPEG"), "a.jpg", tmp_path, credentials)
    row, twice = restored(once, "a.jpg", tmp_path, credentials)
    assert row.dropped is None
    found = json.loads(read(twice, "image/jpeg", anchor).json())
    assert len(found["manifests"]) == 2
    parent = found["manifests"][found["active_manifest"]]["ingredients"][0]
    assert parent["active_manifest"] == json.loads(read(once, "image/jpeg", anchor).json())["active_manifest"]
    unsigned, _ = restored(once, "a.jpg", tmp_path, None)
    assert "content credentials" in unsigned.dropped


def test_what_is_not_signed_says_so(signer, tmp_path):
    pages = io.BytesIO()
    with tifffile.TiffWriter(pages) as writer:
        for _ in range(2):
            writer.write(FACE, photometric="rgb", metadata=None)
    for name, data in {"a.bmp": coded("BMP"), "a.tif": pages.getvalue()}.items():
        row, plain = restored(data, name, tmp_path, signer[0])
        assert row.status == "restored"
        assert row.reason.startswith("not signed: content credentials are ")
        assert b"c2pa" not in plain
    row, signed = restored(coded("BMP"), "a.bmp", tmp_path, signer[0], as_png=True)
    assert row.reason is None
    assert read(signed, "image/png", signer[1]).get_validation_state() == "Trusted"


def test_a_wrong_certificate_or_key_is_told_at_once(signer, tmp_path, tiny_weights):
    other = private(ec.generate_private_key(ec.SECP384R1()))
    (tmp_path / "other.pem").write_bytes(other)
    (tmp_path / "text.pem").write_text("no key")
    Image.fromarray(FACE).save(tmp_path / "a.png")
    certificate, key = signer[0].certificate, signer[0].key
    common = {"input": str(tmp_path / "a.png"), "masks": "squares", "output": "/nowhere/out", "weights": tiny_weights}
    for files, complaint in (
        ((certificate, str(tmp_path / "other.pem")), "cannot be signed with"),
        ((certificate, str(tmp_path / "text.pem")), "no private key in PEM"),
        ((certificate, str(tmp_path / "missing.pem")), "cannot be read"),
        ((str(tmp_path / "text.pem"), key), "cannot be signed with"),
        ((certificate, None), "give both"),
    ):
        options = Options(**common, credentials_certificate=files[0], credentials_key=files[1])
        with pytest.raises(InputError, match=complaint):
            check_options(options)
    check_options(Options(**common, credentials_certificate=certificate, credentials_key=key))
