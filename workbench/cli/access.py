"""The options that say who may see the pages, and the command that writes a user's password."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.app import Answer
from workbench.cli.options import Asked, command

if TYPE_CHECKING:
    from workbench.dashboards.access import Access, OAuth, PasswordFile

ACCESS = (
    click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        metavar="ADDRESS",
        help="Where to listen; an address that other machines reach needs a login.",
    ),
    click.option(
        "--auth-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Let in who has a password in it; `workbench password` writes it.",
    ),
    click.option(
        "--oauth-provider",
        metavar="NAME",
        help="Let in whom it knows: github, google, gitlab, azure, okta, auth0, generic, ...",
    ),
    click.option(
        "--oauth-user",
        "oauth_users",
        multiple=True,
        metavar="PATTERN",
        help="Who of them: ann@example.com, '*@example.com', '*'. Repeatable.",
    ),
    click.option(
        "--allow-origin",
        "origins",
        multiple=True,
        metavar="ORIGIN",
        help="Where else the pages are opened, as https://events.example.com. Repeatable.",
    ),
    click.option(
        "--tls-cert",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Serve by TLS, with this certificate in PEM.",
    ),
    click.option(
        "--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="Its key, in PEM."
    ),
    click.option(
        "--audit-log",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Append a line of JSON for every export: who, what of which history, how many rows.",
    ),
    click.option(
        "--edit-code",
        is_flag=True,
        help="Let projections be written on the pages; their code runs here. On 127.0.0.1 alone.",
    ),
    click.option(
        "--revisions",
        is_flag=True,
        help="Let git revisions of projections be compared; their code runs here. "
        "On 127.0.0.1 alone.",
    ),
    click.option(
        "--ready",
        type=click.IntRange(0),
        default=20,
        show_default=True,
        metavar="N",
        help="Make so many sessions ahead, for those who will come; each takes 4 MiB of memory.",
    ),
)


@dataclass(frozen=True)
class Guard:
    """What was asked with the options of `ACCESS`."""

    host: str
    auth_file: Path | None
    oauth_provider: str | None
    oauth_users: tuple[str, ...]
    origins: tuple[str, ...]
    tls_cert: Path | None
    tls_key: Path | None
    audit_log: Path | None
    edit_code: bool = False
    revisions: bool = False
    ready: int = 0

    def access(self) -> Access:
        """Return it as the pages take it, once it is known to be safe.

        Raises
        ------
        AccessError
            If strangers would see the pages, or nobody could.
        """
        from workbench.dashboards.access import Access

        found = Access(
            self.host,
            self._login(),
            self.origins,
            self.tls_cert,
            self.tls_key,
            self.audit_log,
            writes=self.edit_code,
            revisions=self.revisions,
            ready=self.ready,
        )
        found.check()
        if not (found.is_local or found.is_secret):
            click.echo(
                "workbench: passwords and events will travel unencrypted. "
                "Add --tls-cert and --tls-key, or serve on 127.0.0.1 behind a proxy with TLS.",
                err=True,
            )
        return found

    def _login(self) -> PasswordFile | OAuth | None:
        from workbench.dashboards.access import OAuth, PasswordFile

        if self.auth_file is not None and self.oauth_provider is not None:
            msg = "Give --auth-file or --oauth-provider, not both."
            raise click.UsageError(msg)
        if self.oauth_provider is not None:
            return OAuth.of_environment(self.oauth_provider, self.oauth_users)
        if self.oauth_users:
            msg = "--oauth-user needs --oauth-provider."
            raise click.UsageError(msg)
        return None if self.auth_file is None else PasswordFile(self.auth_file)


@command(
    "password",
    click.argument("file", type=click.Path(path_type=Path)),
    click.argument("user"),
    examples=["password users ann", "password users ann < password.txt"],
    has_bar=False,
    is_keyed=False,
)
def password(_asked: Asked, file: Path, user: str) -> Answer:
    """Write a user's password into a file for `serve`, as a hash.

    The file is what `serve --auth-file` takes, and is made if there is none. The password is
    asked for on a terminal, and else read from the first line of standard input. A user who
    is in the file gets the new one, and has to log in again.
    """
    from workbench import passwords

    passwords.write(file, user, _asked_for(user))
    return Answer(
        lambda: {"file": str(file), "user": user},
        lambda screen: screen.line(f"{user} can log in with --auth-file {file}"),
    )


def _asked_for(user: str) -> str:
    if sys.stdin.isatty():
        found: str = click.prompt(
            f"Password for {user}", hide_input=True, confirmation_prompt=True, err=True
        )
        return found
    return sys.stdin.readline().rstrip("\r\n")
