"""Passwords of cameras are shown nowhere, in whatever form an address has."""

import pytest

from ssmtl.core.errors import InputError
from ssmtl.watching import address as addresses
from ssmtl.watching.address import Address, address, shown, usable

SECRET = "S3cretPw"
FORMS = {
    f"http://cam.local/v.cgi?user=admin&password={SECRET}": "http://cam.local",
    f"rtsp://cam.local/user=admin&password={SECRET}&channel=1&stream=0.sdp?": "rtsp://cam.local",
    f"rtsp://admin:pa#{SECRET}@cam.local/ch1": "rtsp://cam.local",
    f"rtsp://admin:pa/{SECRET}@cam.local/ch1": "rtsp://cam.local",
    f"rtsp://admin:pa?{SECRET}@cam.local/ch1": "rtsp://cam.local",
    f"rtsp://admin:pa[{SECRET}@cam.local/ch1": "rtsp://cam.local",
    f"rtsp://admin:{SECRET}@cam.local:554/ch1": "rtsp://cam.local",
    f"rtsp://admin:pa:{SECRET}@cam.local/ch1": "rtsp://cam.local",
    f"rtsp://admin:{SECRET}@x@cam.local/ch1": "rtsp://cam.local",
    f"rtsp://{SECRET}@cam.local/ch1": "rtsp://cam.local",
    f"rtsp://admin:%40{SECRET}@cam.local/ch1": "rtsp://cam.local",
    f"rtsp://admin:pä\\{SECRET}@cam.local/ch1": "rtsp://cam.local",
    f"rtsp://admin:p@x/{SECRET}@cam.local/ch1": "rtsp://...",
    f"http://cam.local/a?mail=a@b&token={SECRET}": "http://...",
    f"http://cam.local/{SECRET}/live.m3u8#{SECRET}": "http://cam.local",
    f"https://admin:{SECRET}@[fe80::1]:8443/ch1": "https://[fe80::1]",
    f"rtmp://cam.local/live/{SECRET}": "rtmp://cam.local",
    f"srt://cam.local:9000?passphrase={SECRET}": "srt://cam.local",
    f"rtsp://кам:{SECRET}@камера.рф/ch1": "rtsp://камера.рф",
    f"http://admin:12/{SECRET}@cam.local/": "http://...",
}


@pytest.mark.parametrize("url", FORMS)
def test_scheme_and_host_are_all_that_is_shown(url):
    assert shown(url) == FORMS[url]
    found = address(url)
    assert SECRET not in found.name and SECRET not in repr(found)


def test_credentials_reach_ffmpeg_whatever_is_in_them():
    assert usable("rtsp://a:pa#s/?[@cam/ch1") == "rtsp://a:pa%23s%2F%3F%5B@cam/ch1"
    assert usable("rtsp://a:p%23@cam/ch1?x=1") == "rtsp://a:p%23@cam/ch1?x=1"
    assert usable("http://cam/v?p=a@b") == "http://cam/v?p=a@b"


def test_an_address_comes_from_the_environment_or_a_file(monkeypatch, tmp_path, caplog):
    url = f"rtsp://admin:{SECRET}@cam.local/ch1"
    monkeypatch.setenv("CAMERA", f" {url}\n")
    (tmp_path / "url").write_text(url + "\n")
    for source in ("env:CAMERA", f"file:{tmp_path / 'url'}"):
        found = address(source)
        assert isinstance(found, Address) and (found.url, found.name) == (url, "rtsp://cam.local")
    assert not caplog.text
    address(url)
    assert "processes" in caplog.text and SECRET not in caplog.text


def test_what_holds_no_address_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("OTHER", f"/nowhere/{SECRET}")
    (tmp_path / "two").write_text(f"rtsp://{SECRET}@a\nrtsp://{SECRET}@b\n")
    for source, words in (
        ("env:ABSENT", "env:ABSENT: no such environment variable"),
        ("env:OTHER", "the environment variable OTHER: no such file"),
        (f"file:{tmp_path / 'none'}", "cannot be read (No such file or directory)"),
        (f"file:{tmp_path / 'two'}", "not one line"),
        ("gopher://cam/1", "gopher://: no such way to a camera"),
        ("/nowhere/at/all.mp4", "no such file, folder or device"),
    ):
        with pytest.raises(InputError) as error:
            address(source)
        assert words in str(error.value) and SECRET not in str(error.value)


def test_a_path_is_never_taken_for_a_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("12:30:05.mp4", "env:CAMERA", "file:x"):
        (tmp_path / name).touch()
        assert str(address(name)) == name
    (tmp_path / "http:" / "cam").mkdir(parents=True)
    assert str(address("http://cam")) == "http:/cam"


def test_a_camera_opens_no_files():
    for scheme, protocols in addresses.PROTOCOLS.items():
        assert "file" not in protocols.split(",") and scheme in protocols.split(",")
