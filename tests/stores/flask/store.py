"""Flask-Session, with Flask-Login: store.py PORT FORMAT, where the format is msgpack (the default) or json."""

import pathlib
import sys

import redis
from flask import Flask, session
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_session import Session

sys.path.append(str(pathlib.Path(__file__).parents[1]))
from serve import serve

PORT, FORMAT = sys.argv[1:]


class User(UserMixin):
    def __init__(self, name):
        self.id = name


def application():
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="secret",
        SESSION_TYPE="redis",
        SESSION_REDIS=redis.Redis(port=int(PORT)),
        SESSION_SERIALIZATION_FORMAT=FORMAT,
    )
    Session(app)
    LoginManager(app).user_loader(User)

    @app.get("/visit")
    def visit():
        session["cart"] = ["tea"]
        return ""

    @app.get("/login/<name>")
    def login(name):
        app.session_interface.regenerate(session)
        login_user(User(name))
        return ""

    @app.get("/who")
    def who():
        return {"user": current_user.get_id()}

    return app


class Store:
    def __init__(self):
        self.app = application()
        self.sessions = self.app.session_interface

    def guest(self):
        """A visitor's session."""
        return self._browse("/visit")

    def login(self, user, sid=None):
        """A visitor who logs in, by a browser that may still have the cookie of a session that is over."""
        return self._browse("/visit", f"/login/{user}", sid=sid)

    def who(self, sid):
        """Whom the application takes the browser for."""
        return self._browser(sid).get("/who").json["user"]

    def begin(self, sid):
        """A request that has read its session, and is not done yet."""
        request = self.app.test_request_context(headers={"Cookie": f"session={sid}"}).request
        self.held = self.sessions.open_session(self.app, request)

    def end(self):
        """The request is done, and its session is written."""
        self.held["cart"] = ["tea", "milk"]
        self.sessions.save_session(self.app, self.held, self.app.response_class())

    def _browser(self, sid=None):
        browser = self.app.test_client()
        if sid:
            browser.set_cookie("session", sid)
        return browser

    def _browse(self, *pages, sid=None):
        browser = self._browser(sid)
        for page in pages:
            assert browser.get(page).status_code == 200
        return browser.get_cookie("session").value


serve(Store())
