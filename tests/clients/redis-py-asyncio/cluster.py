import asyncio
import sys

from redis.asyncio import RedisCluster
from redis.exceptions import RedisError


async def main():
    try:
        async with RedisCluster.from_url(sys.argv[1]) as cluster:
            node = cluster.get_node_from_key("ann")
            print(await cluster.execute_command("SESSION.LOGOUT", "ann", target_nodes=node))  # => 13
    except RedisError as error:
        print(error)


asyncio.run(main())
