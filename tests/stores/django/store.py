"""Django's sessions in a cache: store.py PORT CACHE [SERIALIZER [COMPRESSOR]], which settings name by their import paths."""

import datetime
import pathlib
import sys

import django
from django.conf import settings
from django.http import HttpRequest

sys.path.append(str(pathlib.Path(__file__).parents[1]))
from serve import serve

PORT, CACHE, *OPTIONS = sys.argv[1:]

settings.configure(
    SECRET_KEY="secret",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CACHES={
        "default": {
            "BACKEND": CACHE,
            "LOCATION": f"redis://127.0.0.1:{PORT}",
            "OPTIONS": dict(zip(["SERIALIZER", "COMPRESSOR"], OPTIONS)),
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    # Quick: no password is guessed here.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
)
django.setup()

# These need the settings.
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.cache import SessionStore
from django.core.management import call_command


class Store:
    def __init__(self):
        call_command("migrate", verbosity=0)

    def guest(self):
        """A visitor's session."""
        return self._visit().session.session_key

    def login(self, user, key=None):
        """A visitor who logs in, by a browser that may still have the cookie of a session that is over."""
        account, is_new = User.objects.get_or_create(pk=int(user), username=user)
        if is_new:
            account.set_password("a password")
            account.save()
        request = self._visit(key)
        auth.login(request, auth.authenticate(request, username=user, password="a password"))
        request.session.save()
        return request.session.session_key

    def who(self, key):
        """Whom the application takes the browser for."""
        user = auth.get_user(self._request(key))
        return str(user.pk) if user.is_authenticated else None

    def begin(self, key):
        """A request that has read its session, and is not done yet."""
        self.held = SessionStore(key)
        self.held["cart"] = ["tea", "milk"]

    def end(self):
        """The request is done, and writes its session, as Django's middleware does."""
        try:
            self.held.save()
            return "written"
        except UpdateError:
            return "refused"

    def _request(self, key=None):
        request = HttpRequest()
        request.session = SessionStore(key)
        return request

    def _visit(self, key=None):
        request = self._request(key)
        request.session["cart"] = ["tea"]
        if not OPTIONS:
            # A pickle may hold any object.
            request.session["came"] = datetime.datetime.now(datetime.timezone.utc)
        request.session.save()
        return request


serve(Store())
