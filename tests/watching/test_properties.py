"""Properties of addresses and texts over whatever Hypothesis thinks of."""

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssmtl.core.errors import InputError
from ssmtl.core.spreadsheet import FORMULA, safe_cell
from ssmtl.media import polygons
from ssmtl.watching.address import Address, of_text, shown, split, usable

# Never part of a host or a scheme that is made here, so that finding it means a leak.
SECRET = "S3cretPw"
CHARACTERS = st.characters(exclude_categories=("Cs", "Cc", "Z"))
NOISE = st.text(CHARACTERS, max_size=6)
PASSWORDS = st.builds(lambda a, b: f"{a}{SECRET}{b}", NOISE, NOISE)
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z0-9]{1,5}){0,2}", fullmatch=True)
PORTS = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
SCHEMES = st.sampled_from(["rtsp", "http", "https", "rtmp", "srt"])


@given(SCHEMES, NOISE, PASSWORDS, HOSTS, PORTS, NOISE)
@example("rtsp", "a@b/", f"{SECRET}@x", "cam", ":554", "c@d")
@example("http", "a", f"12/{SECRET}", "cam", "", "")
@settings(deadline=None, max_examples=500)
def test_no_password_is_shown(scheme, user, password, host, port, path):
    url = f"{scheme}://{user}:{password}@{host}{port}/{path}"
    assert SECRET not in shown(url) and shown(url).startswith(f"{scheme}://")
    found = of_text(url, "")
    assert isinstance(found, Address) and SECRET not in repr(found)


@given(SCHEMES, HOSTS, PORTS, NOISE, PASSWORDS)
@settings(deadline=None, max_examples=300)
def test_no_token_behind_the_host_is_shown(scheme, host, port, path, token):
    url = f"{scheme}://{host}{port}/{path}?token={token}"
    assert SECRET not in shown(url)
    if "@" not in path + token:
        assert shown(url) == f"{scheme}://{host}" and usable(url) == url


PLAIN = st.text(st.sampled_from("abcXYZ019#/?[]{}|%é€ "), min_size=1, max_size=8)


@given(SCHEMES, PLAIN, HOSTS)
@settings(deadline=None, max_examples=300)
def test_credentials_are_found_and_written_for_ffmpeg(scheme, password, host):
    url = f"{scheme}://user:x{password}@{host}/stream"
    _, credentials, rest = split(url)
    written = usable(url)
    assert credentials == f"user:x{password}" and rest == f"{host}/stream"
    assert shown(url) == f"{scheme}://{host}"
    authority = written.partition("://")[2].partition("/")[0]
    assert authority.endswith(f"@{host}") and not set("#?[]{}| ") & set(authority)
    assert usable(written) == written


@given(st.text())
@settings(deadline=None, max_examples=300)
def test_a_text_is_a_path_an_address_or_one_line(text):
    try:
        of_text(text, "the environment variable CAMERA")
    except InputError as error:
        assert "\n" not in str(error)
    except ValueError as error:  # what no file system takes
        raise AssertionError(text) from error


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_cells_keep_their_text_and_run_nothing(text):
    file = io.StringIO(newline="")
    csv.writer(file).writerow([safe_cell(text)])
    file.seek(0)
    ((found,),) = csv.reader(file)
    assert not found.startswith(FORMULA) and found.removeprefix("'") == text.removeprefix("'")


@given(st.text())
@settings(deadline=None)
def test_polygons_are_read_or_refused(text):
    try:
        found = polygons.parse(text)
    except InputError:
        return
    assert all(len(polygon) >= 3 for polygon in found)
