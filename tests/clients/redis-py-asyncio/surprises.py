import asyncio
import sys

from redis.asyncio import RedisCluster
from redis.exceptions import RedisClusterException


async def main():
    cluster = RedisCluster.from_url(sys.argv[1])
    call = ("SESSION.LOGOUT", "ann")

    async def refused(**options):
        try:
            return await cluster.execute_command(*call, **options)
        except RedisClusterException as error:
            return str(error).splitlines()[0]

    # Until it is connected, the client does not know that the command has no key.
    print(await refused())  # => 13
    print(await refused())  # => No way to dispatch this command to Redis Cluster. Missing key.
    print(await refused(target_nodes=RedisCluster.PRIMARIES))  # => No way to dispatch this command to Redis Cluster. Missing key.

    # A pipeline needs a node too.
    node = cluster.get_node_from_key("ann")
    print(await cluster.pipeline().execute_command(*call, target_nodes=node).execute())  # => [0]
    await cluster.aclose()


asyncio.run(main())
