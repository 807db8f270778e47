"""faceinpaint weights: what is listed says under which licence it comes."""

from faceinpaint.commands.weights import main


def test_folders_are_listed_with_the_licence_of_their_card(tmp_path, monkeypatch, capsys):
    for name, card in (("mine", "| Licence | for my own use |"), ("other", "no table")):
        (tmp_path / "weights" / name).mkdir(parents=True)
        (tmp_path / "weights" / name / "config.yaml").touch()
        (tmp_path / "weights" / name / "README.md").write_text(f"# {name}\n\n| | |\n|---|---|\n{card}\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEINPAINT_WEIGHTS", "elsewhere")
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("  SHA-256: ") == 10  # public files
    assert "\n  weights/mine: for my own use\n" in shown
    assert "\n  weights/other: no licence stated: ask whoever trained it\n" in shown
    assert "\n  elsewhere: no licence stated" in shown


def test_without_any_folder_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACEINPAINT_WEIGHTS", raising=False)
    assert main(["list"]) == 0
    assert "weights folders here:\n  none:" in capsys.readouterr().out
