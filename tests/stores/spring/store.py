"""The bytes that Spring Session leaves in its indexed repository, with Java's own serialization: store.py PORT

There is no Java here: what the library does to its keys at each step is done by hand, and read as the library reads it.
"""

import pathlib
import struct
import sys
import uuid

import redis

sys.path.append(str(pathlib.Path(__file__).parents[1]))
from serve import serve

SESSIONS = "spring:session:sessions:"
EXPIRES = "spring:session:sessions:expires:"
PRINCIPAL = "org.springframework.session.FindByIndexNameSessionRepository.PRINCIPAL_NAME_INDEX_NAME"
INDEX = f"spring:session:index:{PRINCIPAL}:"
# The sessions that end in one minute, here always the same.
EXPIRATIONS = "spring:session:expirations:4102444800000"
IDLE = 1800
# Most of what belongs to a session stays for five minutes more, so that its end can be told.
LONGER = IDLE + 300


def java_string(text):
    """A string as Java writes an object."""
    return b"\xac\xed\x00\x05t" + struct.pack(">H", len(text)) + text.encode()


def java_long(number):
    """A `java.lang.Long` as Java writes an object."""
    head = b"\xac\xed\x00\x05sr\x00\x0ejava.lang.Long;\x8b\xe4\x90\xcc\x8f#\xdf\x02\x00\x01J\x00\x05valuexr"
    return head + b"\x00\x10java.lang.Number\x86\xac\x95\x1d\x0b\x94\xe0\x8b\x02\x00\x00xp" + struct.pack(">q", number)


class Store:
    def __init__(self):
        self.redis = redis.Redis(port=int(sys.argv[1]))

    def guest(self):
        """A visitor's session."""
        session = str(uuid.uuid4())
        self._save(session, {"creationTime": java_long(1), "sessionAttr:cart": java_string("tea")})
        return session

    def login(self, user, _over=None):
        """A visitor who logs in: the session gets a new id, and is listed. The cookie of a session that is over counts for nothing."""
        visit, session = self.guest(), str(uuid.uuid4())
        self.redis.rename(SESSIONS + visit, SESSIONS + session)
        self.redis.rename(EXPIRES + visit, EXPIRES + session)
        self.redis.srem(EXPIRATIONS, java_string("expires:" + visit))
        self._save(session, {f"sessionAttr:{PRINCIPAL}": java_string(user)})
        self.redis.sadd(INDEX + user, java_string(session))
        return session

    def who(self, session):
        """Whom the application takes the browser for; a session that lacks its beginning is an error there."""
        created, user = self.redis.hmget(SESSIONS + session, "creationTime", f"sessionAttr:{PRINCIPAL}")
        return user[7:].decode() if created and user else None

    def list(self, user):
        """The user's sessions, as the library finds them by the name of the principal."""
        listed = [member[7:].decode() for member in self.redis.smembers(INDEX + user)]
        return [session for session in listed if self.redis.exists(SESSIONS + session)]

    def begin(self, session):
        """A request that has read its session, and is not done yet."""
        self.held = session

    def end(self):
        """The request is done, and what changed in its session is written."""
        self._save(self.held, {"lastAccessedTime": java_long(2)})

    def _save(self, session, fields):
        self.redis.hset(SESSIONS + session, mapping={"lastAccessedTime": java_long(1), **fields})
        self.redis.sadd(EXPIRATIONS, java_string("expires:" + session))
        self.redis.expire(EXPIRATIONS, LONGER)
        self.redis.append(EXPIRES + session, "")
        self.redis.expire(EXPIRES + session, IDLE)
        self.redis.expire(SESSIONS + session, LONGER)


serve(Store())
