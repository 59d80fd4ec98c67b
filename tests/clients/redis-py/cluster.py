import sys

from redis import RedisCluster
from redis.exceptions import RedisError

cluster = RedisCluster.from_url(sys.argv[1])
try:
    # Without a node the client refuses, because the command has no key. Any master will do.
    node = cluster.get_node_from_key("ann")
    print(cluster.execute_command("SESSION.LOGOUT", "ann", target_nodes=node))  # => 13
except RedisError as error:
    print(error)
