"""Who may see the pages: what is refused before they are served, and by the real server."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import ARGUMENTS, chromium, why_no_browser
from served import PASSWORD, Provider, served, xsrf_of
from servers.certificates import write_certificate
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import create_signed_value
from tornado.websocket import websocket_connect

from workbench import passwords
from workbench.dashboards.access import Access, OAuth, PasswordFile, is_loopback
from workbench.dashboards.gate import Gate
from workbench.errors import AccessError
from workbench.samples import shop_path

REASON = why_no_browser()
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "users"
    passwords.write(path, "ann", PASSWORD)
    passwords.write(path, "<b>bob", PASSWORD)
    passwords.write(path, "cleo", PASSWORD)
    return path


# Before anything is served


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "no.such.host.invalid"])
def test_address_that_others_reach_needs_a_login(host, users):
    """Without a login only this machine's own addresses are taken."""
    with pytest.raises(AccessError, match="without a login"):
        Access(host).check()
    Access(host, PasswordFile(users)).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_own_address_needs_none(host):
    """The machine's own addresses, by number and by name, need no login."""
    assert is_loopback(host)
    Access(host).check()


@pytest.mark.parametrize(
    "origin", ["*", "https://*.example.com", "ftp://a", "a/b", "a b", "", "a:b"]
)
def test_origin_that_is_none_is_refused(origin):
    """An origin is one scheme, host and port; a pattern would let anybody's pages in."""
    with pytest.raises(AccessError, match="Cannot allow the origin"):
        Access(origins=(origin,)).check()


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://Events.example.com", "events.example.com"),
        ("https://events.example.com:443/", "events.example.com"),
        ("https://events.example.com:80", "events.example.com:80"),
        ("http://a:80", "a"),
        ("a:8080", "a:8080"),
        ("http://[::1]:81", "[::1]:81"),
    ],
)
def test_origin_is_compared_as_browsers_write_it(origin, host):
    """A port that is the scheme's own is not written in an origin."""
    assert host in Access(origins=(origin,)).hosts(5006)


def test_generic_name_of_a_machine_is_an_origin(users):
    """Served at every address, the machine's own name opens the pages too."""
    import socket

    found = Access("0.0.0.0", PasswordFile(users)).hosts(5006)
    assert f"{socket.gethostname().lower()}:5006" in found


def test_file_without_a_user_is_refused(tmp_path):
    """Nobody could log in."""
    path = tmp_path / "users"
    path.write_text("# none\n")
    with pytest.raises(AccessError, match="no user is in it"):
        Access(login=PasswordFile(path)).check()


def test_provider_without_users_is_refused():
    """Everybody has an account at a public provider: who may come in has to be said."""
    with pytest.raises(AccessError, match="Name who may"):
        Access(login=OAuth("github", "key", "secret", ())).check()


@pytest.mark.parametrize("provider", ["", "gitbub", "password", "pam"])
def test_unknown_provider_is_refused(provider):
    """Only Panel's providers that ask another place are taken."""
    with pytest.raises(AccessError, match="no provider has that name"):
        Access(login=OAuth(provider, "key", "secret", ("*",))).check()


@pytest.mark.parametrize("option", ["writes", "revisions"])
def test_code_runs_only_for_this_machine(users, option):
    """Where others reach the pages, no code is written or chosen on them, login or not."""
    Access(**{option: True}).check()
    said = f"Leave out --{'edit-code' if option == 'writes' else 'revisions'}"
    with pytest.raises(AccessError, match=said):
        Access("0.0.0.0", PasswordFile(users), **{option: True}).check()
    with pytest.raises(AccessError, match=r"events\.example\.com.*" + said):
        Access(origins=("https://events.example.com",), **{option: True}).check()


def test_provider_that_is_nowhere_is_refused():
    """The generic provider needs its addresses."""
    with pytest.raises(AccessError, match="PANEL_OAUTH_AUTHORIZE_URL is not set"):
        Access(login=OAuth("generic", "key", "secret", ("*",))).check()


def test_key_and_secret_come_from_the_environment(monkeypatch):
    """They are not shown, and without one of them there is no login."""
    monkeypatch.setenv("PANEL_OAUTH_KEY", "the-key")
    with pytest.raises(AccessError, match="PANEL_OAUTH_SECRET is not set"):
        OAuth.of_environment("github", ("*",))
    monkeypatch.setenv("PANEL_OAUTH_SECRET", "the-secret")
    found = repr(OAuth.of_environment("github", ("*",)))
    assert "the-key" not in found
    assert "the-secret" not in found


@pytest.mark.parametrize(
    ("pattern", "user", "is_in"),
    [
        ("ann@example.com", "Ann@Example.com", True),
        ("*@example.com", "ann@example.com", True),
        ("*@example.com", "ann@example.com.evil.org", False),
        ("ann", "anna", False),
        ("*", "anybody", True),
    ],
)
def test_patterns_name_who_may_come_in(pattern, user, is_in):
    """A pattern covers the whole name, in any case."""
    assert OAuth("github", "key", "secret", (pattern,)).lets_in(user) is is_in


@pytest.mark.parametrize("given", ["certificate", "certificate_key"])
def test_half_of_a_certificate_is_refused(tmp_path, given):
    """A certificate without its key, or the other way round, is refused."""
    with pytest.raises(AccessError, match="only one of"):
        Access(**{given: tmp_path / "x.pem"}).check()


def test_certificate_that_is_none_is_refused(tmp_path):
    """Files that are no certificate are named."""
    (tmp_path / "x.pem").write_text("no certificate")
    with pytest.raises(AccessError, match=r"x\.pem"):
        Access(certificate=tmp_path / "x.pem", certificate_key=tmp_path / "x.pem").check()


@pytest.mark.parametrize(
    ("access", "is_secret"),
    [
        (Access(), False),
        (Access(origins=("https://a.example",)), True),
        (Access(origins=("https://a.example", "http://b.example")), False),
        (Access("0.0.0.0", origins=("https://a.example",)), False),
        (Access(certificate=Path("x")), True),
    ],
)
def test_cookies_are_for_tls_alone_where_all_is_tls(access, is_secret):
    """By its own certificate, or behind a proxy whose origin is https."""
    assert access.is_secret is is_secret


# The gate


class Connection:
    """A double of the connection of a request, which is only looked at."""

    context = None


def request(path="/", cookie=None, **headers):
    found = HTTPHeaders({"Host": "localhost:5006", **headers})
    if cookie is not None:
        found["Cookie"] = f"c={cookie}"
    start = RequestStartLine("GET", path, "HTTP/1.1")
    return HTTPServerRequest(start_line=start, headers=found, connection=Connection())


def gate_for(login):
    return Gate(login, "secret", ["localhost:5006"], "c")


def signed(user, age_s=0, secret="secret", *, by_panel=False):
    held = user if by_panel else Gate.held(user)
    return create_signed_value(secret, "c", held, clock=lambda: time.time() - age_s).decode()


def test_cookie_of_the_server_opens_the_gate(users):
    """Who has a cookie that this server signed passes; any other is sent to the login."""
    gate = gate_for(PasswordFile(users))
    assert gate.refusal(request(cookie=signed("ann"))) is None
    for cookie in (
        None,
        "ann",
        signed("ann", secret="other"),
        signed("eve"),
        signed("ann", 90_000),
    ):
        assert gate.refusal(request(cookie=cookie)) == "login"


def test_login_before_a_new_password_is_over(tmp_path):
    """A cookie from before the user's line was written opens nothing; nor does one of nobody."""
    path = tmp_path / "users"
    passwords.write(path, "ann", PASSWORD)
    gate = gate_for(PasswordFile(path))
    before = signed("ann", age_s=100)
    assert gate.refusal(request(cookie=before)) == "login"
    assert gate.refusal(request(cookie=signed("ann", age_s=-2))) is None
    path.write_text("".join(f"{passwords.hashed(PASSWORD).line('bob')}\n"))
    assert gate.refusal(request(cookie=signed("ann", age_s=-2))) == "login"
    path.unlink()
    assert gate.refusal(request(cookie=signed("ann", age_s=-2))) == "login"


def test_ended_login_stays_ended(users):
    """A cookie that was kept beyond the logout opens nothing."""
    gate = gate_for(PasswordFile(users))
    cookie = signed("ann")
    gate.end(request(cookie=cookie))
    assert gate.refusal(request(cookie=cookie)) == "login"
    assert gate.refusal(request(cookie=signed("ann"))) is None, "another of the same second"


@pytest.mark.parametrize("login", [None, OAuth("github", "key", "secret", ("*",))])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:5007", "x"])
def test_other_origin_is_refused(login, origin):
    """With and without a login, what another page on the web sends is refused."""
    assert gate_for(login).refusal(request(Origin=origin)) == "origin"
    assert gate_for(None).refusal(request(Origin="http://localhost:5006")) is None


@pytest.mark.parametrize(
    "path", ["/autoload.js", "/components/os/path/css/x", "/components/secrets/x/_css/y"]
)
def test_what_no_page_needs_is_refused(path):
    """No address makes the server import a module, or starts a page inside of another."""
    assert gate_for(None).refusal(request(path)) == "resource"


def test_user_who_is_not_named_is_refused():
    """A provider knows more people than may come in."""
    gate = gate_for(OAuth("github", "key", "secret", ("ann",)))
    assert gate.refusal(request(cookie=signed("ann", by_panel=True))) is None
    assert gate.refusal(request(cookie=signed("eve", by_panel=True))) == "user"


# The real server


@pytest.fixture(scope="module")
def guarded(users):
    with served(shop_path(), "--host", "0.0.0.0", "--auth-file", users) as found:
        yield found


@pytest.fixture
def caller(guarded):
    return guarded.stranger()


@pytest.fixture(scope="module")
def cookies(guarded):
    """Return the cookies of one who has logged in."""
    ann = guarded.stranger()
    ann.log_in("ann", PASSWORD)
    return dict(ann.cookies)


@pytest.fixture
def ann(guarded, cookies):
    found = guarded.stranger()
    found.cookies.update(cookies)
    return found


PATHS = [
    "/",
    "/?page=log",
    "/static/js/bokeh.min.js",
    "/static/extensions/panel/panel.min.js",
    "/metadata",
    "/autoload.js?bokeh-autoload-element=x",
    "/components/panel.widgets/Select/_stylesheets/css/select.css",
    "/ws",
    "/favicon.ico",
    "/no/such/path",
]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_stranger_gets_nothing_but_the_login(caller, path, method):
    """Whatever is asked for, and however, there is a refusal and no word of the pages."""
    found = caller.ask(path, method=method)
    assert found.status in {401, 404}
    assert found.text in {"Log in first.\n", "There is no such thing here.\n"}


@pytest.mark.slow
def test_stranger_is_sent_to_the_login(caller):
    """A browser is sent to the login, which knows where to go on."""
    found = caller.page("/?page=log&type=a%26b")
    assert (found.status, found.headers["Location"]) == (
        302,
        "/login?next=%2F%3Fpage%3Dlog%26type%3Da%2526b",
    )
    form = caller.page(found.headers["Location"])
    assert 'name="next" value="/?page=log&amp;type=a%26b"' in form.text
    assert "shop" not in form.text


def connect(caller, *, origin=None, user=True):
    """Return what comes of opening the websocket of a page, as a browser does."""
    token = re.search(r'"token":"([^"]+)"', caller.page("/").text) if user else None

    async def opened():
        headers = {"Origin": origin or caller.address.rstrip("/")}
        if caller.cookies:
            headers["Cookie"] = "; ".join(f"{n}={v}" for n, v in caller.cookies.items())
        url = f"ws://{caller.host}/ws"
        protocols = ["bokeh", token[1] if token else "none"]
        try:
            socket = await websocket_connect(
                HTTPRequest(url, headers=headers), subprotocols=protocols
            )
        except HTTPClientError as error:
            return error.code
        message = await socket.read_message()
        socket.close()
        while await socket.read_message() is not None:  # until the other end has closed too
            pass
        return message is not None

    return asyncio.run(opened())


@pytest.mark.slow
def test_websocket_needs_the_login(caller, ann):
    """The websocket opens for one who has logged in, and for nobody else."""
    assert connect(ann) is True
    assert connect(caller, user=False) == 403


@pytest.mark.slow
@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1", "null"])
def test_websocket_refuses_another_origin(ann, origin):
    """Also with the cookie, a page from elsewhere does not get to the events."""
    assert connect(ann, origin=origin) == 403


@pytest.mark.slow
def test_forged_session_is_refused(ann):
    """A token of one's own making opens no websocket."""
    import base64
    import json

    payload = {"session_id": "mine", "session_expiry": time.time() + 1000}
    forged = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    page = ann.page("/?bokeh-session-id=mine")
    assert page.status == 403
    page = ann.page(f"/?bokeh-token={forged}")
    assert page.status == 403


@pytest.mark.slow
def test_page_does_not_hold_the_cookie(ann):
    """What the browser keeps from scripts is not written into the page."""
    import base64

    page = ann.page("/").text
    token = re.search(r'"token":"([^"]+)"', page)[1]
    parts = [part + "=" * (-len(part) % 4) for part in token.split(".")]
    plain = page.encode() + b"".join(base64.urlsafe_b64decode(part) for part in parts)
    (value,) = (v for n, v in ann.cookies.items() if not n.endswith("xsrf"))
    assert value.encode() not in plain
    assert b"ookie" not in base64.urlsafe_b64decode(parts[0])


@pytest.mark.slow
def test_cookie_is_kept_from_scripts_and_other_sites(caller):
    """The cookie of the login and that of the form are HttpOnly, and SameSite."""
    form = caller.page("/login")
    found = caller.log_in("ann", PASSWORD, "/?page=log")
    assert (found.status, found.headers["Location"]) == (303, "/?page=log")
    for _, attributes in [*form.cookies.values(), *found.cookies.values()]:
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert PASSWORD not in str(found.headers)


@pytest.mark.slow
def test_wrong_passwords_are_refused_and_limited(users):
    """One answer for wrong passwords and unknown users; after a few, none is looked at."""
    wrong = [("ann", PASSWORD + "x"), ("ann", ""), ("eve", PASSWORD), ("", ""), ("<b>bob", "wrong")]
    with served(shop_path(), "--auth-file", users) as caller:
        for user, password in wrong:
            found = caller.log_in(user, password)
            assert found.status == 401
            assert "The name or the password is wrong." in found.text
            assert "<b>bob" not in found.text
        assert [n for n in caller.cookies if not n.endswith("xsrf")] == []
        found = caller.log_in("ann", PASSWORD)
    assert (found.status, found.headers["Retry-After"]) == (429, "60")
    assert "Wait a minute" in found.text


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_form_of_another_site_is_refused(ann, path):
    """Without the token of the form, nobody is logged in or out."""
    found = ann.ask(path, {"user": "ann", "password": PASSWORD})
    assert found.status == 403
    assert "This form is too old." in found.text
    assert ann.page("/").status == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "onward", ["//evil.example", "https://evil.example", "/\\evil.example", "x"]
)
def test_login_leads_nowhere_else(guarded, ann, onward):
    """After the login nobody is sent to another site."""
    form = ann.page(f"/login?next={onward}")
    assert 'name="next" value="/"' in form.text


@pytest.mark.slow
def test_logout_ends_the_login(guarded):
    """After the logout the old cookie opens no page, and the page says so."""
    caller = guarded.stranger()
    caller.log_in("cleo", PASSWORD)  # logins of one user in one second are one, and end as one
    kept = dict(caller.cookies)
    asked = caller.page("/logout")
    assert "You are logged in as cleo." in asked.text
    assert caller.ask("/logout", {"_xsrf": xsrf_of(asked)}).status == 303
    assert "Logged out" in caller.page("/logout").text
    caller.cookies = kept
    assert caller.page("/").status == 302


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/login", "/static/js/bokeh.min.js"])
def test_answers_keep_other_sites_out(ann, path):
    """Every answer says that nothing comes from elsewhere, and that nobody frames it."""
    found = ann.page(path).headers
    assert "connect-src 'self'" in found["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in found["Content-Security-Policy"]
    assert found["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in found


@pytest.mark.slow
def test_served_by_tls(tmp_path, users):
    """With a certificate the pages are served by TLS, and cookies travel by it alone."""
    import urllib.request

    certificate, key = write_certificate(tmp_path)
    options = ("--tls-cert", certificate, "--tls-key", key, "--auth-file", users)
    with served(shop_path(), *options) as caller:
        assert caller.address.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=certificate)
        with urllib.request.urlopen(f"{caller.address}login", context=context) as response:
            assert "; Secure" in response.headers["Set-Cookie"]


@pytest.fixture(scope="module")
def provider():
    found = Provider()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def provided(provider):
    """Serve for those of one domain whom the double of a provider knows."""
    urls = {"AUTHORIZE": "authorize", "TOKEN": "token", "USER": "user"}
    environment = {f"PANEL_OAUTH_{n}_URL": f"{provider.address}/{p}" for n, p in urls.items()}
    environment |= {"PANEL_OAUTH_KEY": "k3y", "PANEL_OAUTH_SECRET": "s3cret"}
    options = ("--oauth-provider", "generic", "--oauth-user", "*@example.com")
    with served(shop_path(), *options, **environment) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(("email", "is_in"), [("ann@example.com", True), ("eve@evil.org", False)])
def test_login_by_a_provider(provider, provided, email, is_in):
    """Who is known to the provider, and named, comes in; its token is kept nowhere."""
    provider.email, caller = email, provided.stranger()
    assert caller.page("/?page=log").headers["Location"].startswith("/login?next=")
    away = caller.page("/login?next=%2F%3Fpage%3Dlog").headers["Location"]
    there = provided.stranger()
    there.address = f"{provider.address}/"
    home = there.page(away.removeprefix(provider.address)).headers["Location"]
    login = caller.page(f"/?{urlsplit(home).query}").headers["Location"]
    found = caller.page(login)
    for _, attributes in found.cookies.values():
        assert {"HttpOnly", "SameSite=Lax"} <= set(attributes)
    assert set(found.cookies) <= {"user", "panel-oauth-state"}
    assert found.headers["Location"] == "/?page=log"
    posted = dict(provider.asked)["/token"]
    assert (posted["client_secret"], posted["code"]) == (["s3cret"], ["c0de"])
    if is_in:
        assert caller.page("/").status == 200
    else:
        assert caller.page("/").headers["Location"] == "/logout"
        assert f"{email} may not see these pages." in caller.page("/logout").text
        assert caller.ask("/").status == 403


@pytest.mark.slow
def test_stolen_answer_of_a_provider_is_refused(provider, provided):
    """A code that comes back without the state of this browser logs nobody in."""
    provider.asked.clear()
    caller = provided.stranger()
    found = caller.page("/login?code=c0de&state=other<b>")
    assert found.status == 401
    assert "Not logged in" in found.text
    assert "<b>" not in found.text
    assert caller.page("/").status == 302
    assert provider.asked == []


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_person_logs_in_and_out(guarded):
    """In a browser: the link, the login, the page that was asked for, and out again."""
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if "Security Policy" in m.text else None)
        page.goto(f"{guarded.address}?page=log&position=7")
        page.get_by_label("Name").fill("<b>bob")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator(".tabulator-row").first.wait_for()
        assert "page=log&position=7" in page.url
        assert page.evaluate("document.cookie") == ""
        other = context.new_page()
        other.set_default_timeout(PATIENCE_MS)
        other.goto(guarded.address)
        other.locator(".facts").wait_for()
        page.get_by_role("link", name="Log out <b>bob").click()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading")).to_have_text("Logged out")
        expect(other.locator("#wb-lost")).to_be_visible(timeout=PATIENCE_MS)
        other.goto(guarded.address)
        expect(other.get_by_label("Password")).to_be_visible()
        browser.close()
    assert wrong == []
