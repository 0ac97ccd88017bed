"""No secret of a target is ever shown: in names, errors, logs, recipes, answers or files."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from workbench import errors, open_history
from workbench.cli import main
from workbench.redaction import SECRETS, redacted, without

SECRET = "s3cr3t-of-9"

# Whatever a password may hold that is not percent-encoded, though it should be.
passwords = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=8).map(
    lambda text: f"{SECRET}{text}"
)


@given(
    st.sampled_from(["postgresql", "nats", "kafka", "umadb", "unknown", "POSTGRES"]),
    st.sampled_from(["user:{}@", ":{}@", "user:x/{}@", "user:{}?@", "user:p@{}@", "user:{}/@"]),
    passwords,
    st.sampled_from(["host", "host:1/db", "host/db?application=a", "[::1]/a"]),
)
def test_password_of_a_url_is_hidden(scheme, login, password, rest):
    """Whatever stands in a password, it is not shown."""
    assert SECRET not in redacted(f"{scheme}://{login.format(password)}{rest}")


@pytest.mark.parametrize("name", [*SECRETS, "Password", "API_KEY"])
@pytest.mark.parametrize(
    "form", ["nats://h/S?{}={}", "kafka://h/t?a=b&{}={}&c=d", "host=h {}='{}'"]
)
def test_secret_option_is_hidden(name, form):
    """An option that is a secret is shown without its value; what follows is kept."""
    shown = redacted(form.format(name, SECRET))
    assert (SECRET in shown, name in shown) == (False, True)
    assert shown.endswith("c=d") == form.endswith("c=d")


def test_token_is_hidden():
    """What stands alone before the @ may be a token."""
    assert redacted(f"nats://{SECRET}@host/S") == "nats://***@host/S"


@pytest.mark.parametrize(
    "target",
    [
        "shop.db",
        "sqlite:////a/b@c.db?application=x",
        "postgresql://ann@h:5/db?application=s",
        "a@b",
    ],
)
def test_what_is_no_secret_is_shown(target):
    """Paths, users and other options are shown as they are."""
    assert redacted(target) == target


def test_foreign_message_is_cleaned():
    """A client's message is shown without the secrets that were given to it."""
    assert without(f"no entry for {SECRET}", None, "", SECRET) == "no entry for ***"


@pytest.mark.parametrize(
    "url", ["mysql://user:{}@host/db", "sqlite://user:{}@host/db", "nonsense://{}@host/x"]
)
def test_error_of_a_target_hides_it(url):
    """An error that quotes the target quotes it without the secret."""
    with pytest.raises(errors.UnknownTargetError) as caught:
        open_history(url.format(SECRET))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("command", ["open", "types", "tail", "serve"])
def test_answer_of_a_command_hides_it(command):
    """The envelope of `--json`, and standard error, show the target without the secret."""
    url = f"mysql://user:{SECRET}@host/db"
    found = CliRunner().invoke(main, [command, url, "--json"])
    assert found.exit_code == 2
    assert SECRET not in found.output
    assert "mysql://***@host/db" in found.output
