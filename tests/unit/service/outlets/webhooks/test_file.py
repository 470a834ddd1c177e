"""The file of webhooks: what is wrong in it is said, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from takt.core.errors import ConfigurationError
from takt.outlets.webhooks.file import Secrets, read_webhooks
from takt.outlets.webhooks.posting import Target

SECOND = '[[webhook]]\nurl = "https://b.example"\n'
OLD, NEW = "whsec_" + "AAAA" * 8, "whsec_" + "BBBB" * 8


def written(path: Path, url: str = "https://mes.example/takt", *, more: str = "") -> Path:
    file = path / "webhooks.toml"
    file.write_text(f'[[webhook]]\nname = "mes"\nurl = "{url}"\nsecrets = ["{OLD}"]\n{more}')
    return file


def test_a_webhook_has_a_url_secrets_and_the_verdicts_that_it_wants(tmp_path: Path) -> None:
    (one,) = read_webhooks(written(tmp_path, more='verdicts = ["defect", "undecided"]'))
    assert one.target(()) == Target(True, "mes.example", 443, "/takt")
    assert (one.verdicts, len(one.keys)) == (("defect", "undecided"), 1)
    (all_of_them,) = read_webhooks(written(tmp_path))
    assert all_of_them.verdicts == ("good", "defect", "undecided")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("secret = 5", "webhook.0.secret: Extra inputs are not permitted"),
        ('verdicts = ["bad"]', "Input should be 'good', 'defect' or 'undecided'"),
        ("verdicts = []", "at least 1 item"),
        ("[", "is not TOML"),
        (f'{SECOND}name = "mes"\nsecrets = ["{NEW}"]', "two webhooks named mes"),
        (f'{SECOND}name = "b"\nsecrets = ["whsec_short"]', "secret 1 of the webhook b is no"),
        (f'{SECOND}name = "B b"\nsecrets = []', "webhook.1.name"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_without_a_secret(
    tmp_path: Path, more: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_webhooks(written(tmp_path, more=more))
    assert said in str(refused.value)
    assert "AAAA" not in str(refused.value) and "short" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://mes.example", "write https://host/path"),
        ("https://", "write https://host/path"),
        ("https://mes.example/hooks/word word", "write https://host/path"),
        ("http://mes.example/hooks/word", "is http://mes.example; it must be"),
        ("https://mes.example:port/", "is no URL"),
        ("https://me:word@mes.example/", "the signature says who posts"),
        ("http://mes.example/", "it must be https://, unless mes.example is named"),
        ("https://10.0.0.7/", "has the private address 10.0.0.7"),
        ("https://[::1]/", "has the private address ::1"),
    ],
)
def test_a_url_that_may_not_be_is_refused_at_the_start_with_what_to_do(
    tmp_path: Path, url: str, said: str
) -> None:
    (one,) = read_webhooks(written(tmp_path, url))
    with pytest.raises(ConfigurationError) as refused:
        one.target(())
    assert said in str(refused.value)
    assert "word" not in str(refused.value).replace("password", "")


@pytest.mark.parametrize("url", ["http://MES.example:8080/", "https://10.0.0.7", "http://[::1]/"])
def test_a_private_host_that_is_named_may_be_posted_to(tmp_path: Path, url: str) -> None:
    (one,) = read_webhooks(written(tmp_path, url))
    assert one.target({"mes.example", "10.0.0.7", "::1"}).path == "/"


def test_secrets_are_exchanged_while_the_server_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path)
    (one,) = read_webhooks(file)
    secrets = Secrets(file, one)
    (old,) = secrets.current()
    file.write_text(file.read_text().replace(f'["{OLD}"]', f'["{NEW}", "{OLD}"]'))
    new, second = secrets.current()
    assert second == old != new
    file.write_text("[")
    assert secrets.current() == (new, old)
    assert "the last good secrets of mes stay in force" in caplog.text
    file.unlink()
    assert secrets.current() == (new, old)


def test_secrets_that_may_not_be_read_are_in_force_once_they_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path)
    (one,) = read_webhooks(file)
    secrets = Secrets(file, one)
    (old,) = secrets.current()
    file.write_text(file.read_text().replace(f'["{OLD}"]', f'["{NEW}"]'))
    # As root, who runs these tests at times, reads whatever its mode is.
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", not_allowed)
        assert secrets.current() == secrets.current() == (old,)
    assert caplog.text.count("the last good secrets of mes stay in force") == 1
    file.chmod(0o640)
    assert secrets.current() != (old,)


def not_allowed(*_: object) -> str:
    raise PermissionError("Permission denied")
