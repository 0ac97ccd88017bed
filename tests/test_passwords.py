"""A file of passwords: what is in it, and who gets in by it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import passwords
from workbench.dashboards.attempts import MOST_FOR, MOST_FROM, MOST_KEPT, Attempts
from workbench.errors import AccessError

TEXT = "correct horse battery"


@pytest.fixture(scope="module", autouse=True)
def cheap():
    """Make hashes of little cost, as many are made here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "N", 16)
        yield


def test_cost_of_a_hash(tmp_path):
    """A password that is written with the real cost takes 32 MiB to try, three times over."""
    command = [sys.executable, "-m", "workbench", "password", str(tmp_path / "users"), "ann"]
    subprocess.run(command, input=f"{TEXT}\n", text=True, check=True, capture_output=True)
    found = passwords.read(tmp_path / "users")["ann"]
    assert (128 * found.n * found.r, found.p) == (32 * 2**20, 3)
    assert found.fits(TEXT)


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "users"
    passwords.write(found, "ann", TEXT)
    return found


def test_password_fits_its_own_entry_alone(path):
    """The password that was written fits, no other does."""
    passwords.write(path, "bob", "another password")
    found = passwords.read(path)
    assert list(found) == ["ann", "bob"]
    assert found["ann"].fits(TEXT)
    assert not found["ann"].fits("another password")
    assert not found["ann"].fits("")


def test_no_password_is_in_the_file(path):
    """The file has a salt and a hash; two users with one password have different lines."""
    passwords.write(path, "bob", TEXT)
    text = path.read_text()
    assert TEXT not in text
    ann, bob = passwords.read(path).values()
    assert ann.salt != bob.salt
    assert ann.key != bob.key


def test_only_the_owner_reads_the_file(path):
    """The file is readable for its owner alone, also once it was written again."""
    before = os.umask(0)
    try:
        passwords.write(path, "bob", TEXT)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["users"]


def test_new_password_takes_the_place_of_the_old(path):
    """A user who is in the file gets the new password, and the old one no longer fits."""
    passwords.write(path, "ann", "new password")
    found = passwords.read(path)
    assert (len(found), found["ann"].fits("new password"), found["ann"].fits(TEXT)) == (
        1,
        True,
        False,
    )


@settings(max_examples=10, deadline=None)
@given(st.text(min_size=passwords.LEAST, max_size=60))
def test_any_text_is_a_password(text):
    """A password of any characters fits the entry that was made of it, and its own line."""
    entry = passwords.hashed(text)
    assert entry.fits(text)
    assert not entry.fits(text + "x")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "$a", "#a", "a\nb", "n" * 129])
def test_name_that_would_break_the_file_is_refused(path, name):
    """A name with what separates the parts of a line is refused, and the file is as before."""
    before = path.read_text()
    with pytest.raises(AccessError, match="Cannot take"):
        passwords.write(path, name, TEXT)
    assert path.read_text() == before


@pytest.mark.parametrize("password", ["", "short", "n" * 1025])
def test_password_of_a_bad_length_is_refused(path, password):
    """What is too short is refused, and the message does not quote it."""
    with pytest.raises(AccessError, match="Choose one of 8 to 1,024") as caught:
        passwords.write(path, "ann", password)
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "ann:secret-in-plain-text",
        "ann:$scrypt$n=3,r=8,p=1,since=1$AAAAAAAAAAAAAAAA$" + "A" * 44,
        "ann:$scrypt$n=1048576,r=32,p=1,since=1$AAAAAAAAAAAAAAAA$" + "A" * 44,
        "ann:$scrypt$n=16,r=8,p=1,since=1$AAAAAAAAAAAAAAA=A$" + "A" * 44,
    ],
)
def test_line_that_is_no_entry_is_named_but_not_shown(path, line):
    """A line with a plain password, or a cost that nobody can pay, is refused by its number."""
    path.write_text(f"# users\n\n{line}\n")
    with pytest.raises(AccessError, match="line 3 is no entry") as caught:
        passwords.read(path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("data", [None, b"\xff\xfe"])
def test_file_that_cannot_be_read_is_refused(tmp_path, data):
    """No file, or one that is no text, says how to write one."""
    path = tmp_path / "users"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(AccessError, match="workbench password users USER"):
        passwords.read(path)


def test_folder_that_is_not_there_is_refused(tmp_path):
    """A place that cannot be written to is said."""
    with pytest.raises(AccessError, match="Choose another place"):
        passwords.write(tmp_path / "none" / "users", "ann", TEXT)


class Clock:
    """A double of the clock, which a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


def test_few_wrong_passwords_from_one_address():
    """From one address few may be tried in a minute, for any user; others may try on."""
    clock = Clock()
    tries = Attempts(clock)
    found = [tries.begin("10.0.0.1", f"user{n}") for n in range(MOST_FROM + 1)]
    assert found == [True] * MOST_FROM + [False]
    assert tries.begin("10.0.0.2", "ann")
    clock.now = 61.0
    assert tries.begin("10.0.0.1", "ann")


def test_few_wrong_passwords_for_one_user():
    """For one user few may be tried in a minute, from however many addresses."""
    tries = Attempts(Clock())
    found = [tries.begin(f"10.0.{n}.1", "ann") for n in range(MOST_FOR + 1)]
    assert found == [True] * MOST_FOR + [False]
    assert tries.begin("10.1.0.1", "bob")


def test_addresses_of_one_network_count_as_one():
    """Of IPv6, where one has 2 to the 64 addresses, the network counts."""
    tries = Attempts(Clock())
    found = [tries.begin(f"2001:db8::{n + 1:x}", f"u{n}") for n in range(MOST_FROM + 1)]
    assert found[-1] is False
    assert tries.begin("2001:db8:0:1::1", "ann")


def test_right_password_does_not_count():
    """Who logs in and out all day is never refused."""
    tries = Attempts(Clock())
    for _ in range(3 * MOST_FOR):
        assert tries.begin("10.0.0.1", "ann")
        tries.passed("10.0.0.1", "ann")


def test_refused_attempt_does_not_prolong_the_wait():
    """Trying on while one is refused does not keep the right user out for longer."""
    clock = Clock()
    tries = Attempts(clock)
    for _ in range(100):
        tries.begin("10.0.0.1", "ann")
    clock.now = 60.5
    assert tries.begin("10.0.0.1", "ann")


def test_memory_of_attempts_is_bounded():
    """However many addresses and users were tried, few are remembered."""
    tries = Attempts(Clock())
    for n in range(MOST_KEPT + 50):
        tries.begin(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", f"user{n}")
    assert len(tries._kept) == MOST_KEPT
