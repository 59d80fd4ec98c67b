import asyncio
import sys

from redis.asyncio import RedisCluster
from redis.exceptions import RedisClusterException


async def outcome(call):
    try:
        return await call
    except RedisClusterException as error:
        return str(error).splitlines()[0]


async def main():
    cluster = RedisCluster.from_url(sys.argv[1])
    call = ("SESSION.LOGOUT", "ann")

    # Until it is connected, the client does not know that the command has no key.
    print(await outcome(cluster.execute_command(*call)))  # => 13
    print(await outcome(cluster.execute_command(*call)))  # => No way to dispatch this command to Redis Cluster. Missing key.
    any_of_them = cluster.execute_command(*call, target_nodes=RedisCluster.RANDOM)
    print(await outcome(any_of_them))  # => No way to dispatch this command to Redis Cluster. Missing key.

    # A pipeline needs a node too.
    pipeline = cluster.pipeline().execute_command(*call)
    print(await outcome(pipeline.execute()))  # => No way to dispatch this command to Redis Cluster. Missing key.
    node = cluster.get_node_from_key("ann")
    print(await cluster.pipeline().execute_command(*call, target_nodes=node).execute())  # => [0]
    await cluster.aclose()


asyncio.run(main())
