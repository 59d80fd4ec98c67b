import sys

from redis import Redis, ResponseError

redis = Redis.from_url(sys.argv[1])
print(redis.execute_command("SESSION.LOGOUT", "ada"))  # => 4

# A map is a dict whose keys are bytes, unless the client is told to decode. In RESP2 it is a list of names and values.
traces = redis.execute_command("SESSION.LOGOUT", "ben", "WITHTRACES")
print(traces[b"removed"], traces[b"rooms"])  # => 4 [b'den']
resp2 = Redis.from_url(sys.argv[1], protocol=2, decode_responses=True)
print(resp2.execute_command("SESSION.LOGOUT", "cid", "WITHTRACES")[:4])  # => ['user', 'cid', 'removed', 4]

try:
    redis.execute_command("SESSION.LOGOUT", "")
except ResponseError as error:
    print(error)  # => user id must not be empty

# A pipeline is a transaction unless told otherwise.
pipeline = redis.pipeline(transaction=False)
pipeline.execute_command("SESSION.LOGOUT", "dan").execute_command("SESSION.LOGOUT", "eve")
print(pipeline.execute())  # => [4, 4]
transaction = redis.pipeline().execute_command("SESSION.LOGOUT", "fay").publish("moderation", "fay")
print(transaction.execute())  # => [4, 0]
