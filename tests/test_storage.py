"""Local paths and a real S3 server behind the same functions, faults included."""

import errno
import os
import shutil
import subprocess
import sys

import pyarrow.fs as pafs
import pytest

from faceinpaint import storage
from faceinpaint.errors import InputError, JobError


@pytest.fixture(params=["local", "s3"])
def root(request, tmp_path):
    return str(tmp_path / "root") if request.param == "local" else request.getfixturevalue("bucket")


def test_write_read_list_delete(root):
    for name in ("b/two.bin", "a.bin", "b/c/three é.bin"):
        storage.write_bytes(storage.join(root, name), name.encode())
    assert storage.read_bytes(storage.join(root, "b/c/three é.bin")) == "b/c/three é.bin".encode()
    assert list(storage.list_files(root)) == [("a.bin", 5), ("b/c/three é.bin", 16), ("b/two.bin", 9)]
    assert sorted(storage.top_names(root)) == ["a.bin", "b/"]
    assert list(storage.list_files(storage.join(root, "b"))) == [("c/three é.bin", 16), ("two.bin", 9)]
    storage.write_bytes(storage.join(root, "a.bin"), b"new")
    assert storage.read_bytes(storage.join(root, "a.bin")) == b"new"
    storage.delete(storage.join(root, "a.bin"))
    assert not storage.exists(storage.join(root, "a.bin"))
    assert storage.kind(storage.join(root, "b")) == pafs.FileType.Directory
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(storage.join(root, "a.bin"))


def test_check_writable_leaves_nothing(root):
    storage.check_writable(storage.join(root, "out"))
    assert list(storage.list_files(root)) == []


def test_a_run_killed_while_it_tries_an_output_leaves_nothing_there(tmp_path):
    """Killed before the first thing that it asks of the system, before the second, and so on."""
    code = """
import os, sys
from faceinpaint.storage import check_writable

def run(steps):
    def count(*_):
        nonlocal steps
        steps -= 1
        if steps < 0:
            os._exit(9)
    sys.addaudithook(count)
    check_writable(sys.argv[1])
    os._exit(0)

killed = 0
while True:
    child = os.fork() or run(killed)
    ended = os.waitpid(child, 0)[1]
    if os.listdir(sys.argv[1]):
        sys.exit(f"left after step {killed}: {os.listdir(sys.argv[1])}")
    if ended == 0:
        break
    killed += 1
print(killed)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 2


def test_an_output_that_cannot_be_written_is_the_users_to_mend(tmp_path, bucket):
    (tmp_path / "file").write_bytes(b"")
    for uri in (str(tmp_path / "file" / "below"), f"{bucket}-absent/out"):
        with pytest.raises(InputError, match="cannot be written"):
            storage.check_writable(uri)


@pytest.mark.parametrize("uri", ["gs://bucket/x", "", "s3://"])
def test_other_schemes_are_refused(uri):
    with pytest.raises(InputError, match=r"write"):
        storage.open_uri(uri)


def test_an_empty_path_is_not_the_working_folder():
    """Of a variable of the shell that is not set."""
    with pytest.raises(InputError, match="'': write a local path"):
        storage.absolute("")


def test_a_failed_local_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    target = tmp_path / "a"
    storage.write_bytes(str(target), b"old")

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        storage.write_bytes(str(target), b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert target.read_bytes() == b"old"


def test_a_full_disk_ends_the_job_in_one_line(tmp_path, monkeypatch):
    """Not an OSError: those cost a picture its row."""
    storage.write_bytes(str(tmp_path / "a"), b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JobError, match="a: cannot be written: No space left on device; make room, and start"):
        storage.write_bytes(str(tmp_path / "a"), b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("fault", ["500", "503", "timeout"])
def test_s3_faults_are_retried(bucket, s3_server, fault):
    uri = storage.join(bucket, "a")
    before = s3_server.spoilt
    s3_server.fail(fault, times=2, method="PUT")
    storage.write_bytes(uri, b"data")
    s3_server.fail(fault, times=2, method="GET")
    assert storage.read_bytes(uri) == b"data"
    s3_server.fail(fault, times=2, method="GET")
    assert list(storage.list_files(bucket)) == [("a", 4)]
    assert s3_server.spoilt == before + 6


def test_links_to_files_count_and_links_to_folders_do_not(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a").write_bytes(b"a")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").symlink_to(tmp_path / "real/a")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert list(storage.list_files(str(tmp_path))) == [("file", 1), ("real/a", 1)]


def test_a_place_that_is_not_utf8_is_refused_and_a_file_in_a_folder_is_read(tmp_path):
    """Arrow takes no such path; the names of an archive's files may be of any bytes."""
    odd = os.fsdecode(b"caf\xe9")
    (tmp_path / odd).write_bytes(b"1")
    assert storage.read_bytes(str(tmp_path / odd)) == b"1"
    assert storage.stamp_of(str(tmp_path / odd)).startswith("1-")
    for look in (storage.exists, storage.open_uri, storage.check_writable):
        with pytest.raises(InputError, match=r"caf\\xe9: the path has bytes that are not UTF-8: rename"):
            look(str(tmp_path / odd))


def test_what_goes_while_a_listing_goes_on_is_left_out(tmp_path):
    """A listing is a stream, and hours may lie between its first file and its last."""
    for name in ("a", "b", "c/d", "e"):
        storage.write_bytes(str(tmp_path / name), b"1")
    (tmp_path / "f").symlink_to("f")
    listing = storage.list_files(str(tmp_path))
    assert next(listing) == ("a", 1)
    (tmp_path / "b").unlink()
    shutil.rmtree(tmp_path / "c")
    assert list(listing) == [("e", 1)]
    with pytest.raises(FileNotFoundError):
        next(storage.list_files(str(tmp_path / "c")))


def test_a_folder_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    """Such as lost+found: whatever is in it would be missing without a word."""
    storage.write_bytes(str(tmp_path / "a"), b"1")
    (tmp_path / "lost+found").mkdir()
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("lost+found"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    for look in (storage.list_files, storage.folder_links):
        with pytest.raises(InputError, match=r"lost\+found: cannot be read: Permission denied; let this user read it"):
            list(look(str(tmp_path)))


def test_what_a_killed_process_left_half_written_is_deleted(tmp_path):
    storage.write_bytes(str(tmp_path / "deep/whole.png"), b"whole")
    (tmp_path / "deep" / f"{storage.PART}x").write_bytes(b"ha")
    storage.delete_parts(str(tmp_path))
    assert [name for name, _ in storage.list_files(str(tmp_path))] == ["deep/whole.png"]
