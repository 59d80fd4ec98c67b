import asyncio
import sys

from redis.asyncio import Redis
from redis.exceptions import ResponseError


async def main():
    redis = Redis.from_url(sys.argv[1], decode_responses=True)
    print(await redis.execute_command("SESSION.LOGOUT", "ada"))  # => 4

    # A map is a dict, and in RESP2 a list of names and values.
    traces = await redis.execute_command("SESSION.LOGOUT", "ben", "WITHTRACES")
    print(traces["removed"], traces["rooms"])  # => 4 ['den']
    resp2 = Redis.from_url(sys.argv[1], protocol=2, decode_responses=True)
    print((await resp2.execute_command("SESSION.LOGOUT", "cid", "WITHTRACES"))[:4])  # => ['user', 'cid', 'removed', 4]

    try:
        await redis.execute_command("SESSION.LOGOUT", "")
    except ResponseError as error:
        print(error)  # => user id must not be empty

    pipeline = redis.pipeline(transaction=False)
    pipeline.execute_command("SESSION.LOGOUT", "dan").execute_command("SESSION.LOGOUT", "eve")
    print(await pipeline.execute())  # => [4, 4]
    transaction = redis.pipeline().execute_command("SESSION.LOGOUT", "fay").publish("moderation", "fay")
    print(await transaction.execute())  # => [4, 0]
    await redis.aclose()
    await resp2.aclose()


asyncio.run(main())
