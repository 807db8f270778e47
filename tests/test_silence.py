import os

from faceinpaint.silence import silent


def test_only_what_is_said_meanwhile_is_lost(capfd):
    os.write(2, b"before ")
    with silent():
        os.write(2, b"meanwhile ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_the_stream_comes_back_after_an_error(capfd):
    try:
        with silent():
            raise ValueError
    except ValueError:
        os.write(2, b"told")
    assert capfd.readouterr().err == "told"
