import sys

from redis import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

cluster = RedisCluster.from_url(sys.argv[1])
call = ("SESSION.LOGOUT", "ann")


def refused(**options):
    try:
        return cluster.execute_command(*call, **options)
    except RedisClusterException as error:
        return str(error).splitlines()[0]


# Without a key no node; and names of targets count only where the command has a key.
print(refused())  # => No way to dispatch this command to Redis Cluster. Missing key.
print(refused(target_nodes=RedisCluster.PRIMARIES))  # => No way to dispatch this command to Redis Cluster. Missing key.

# Who catches the client's errors does not catch this one.
print(issubclass(RedisClusterException, RedisError))  # => False

# A pipeline chooses a node if none is given. One that is a transaction is refused, with a node too.
node = cluster.get_node_from_key("ann")
print(cluster.pipeline().execute_command(*call).execute())  # => [13]
try:
    cluster.pipeline(transaction=True).execute_command(*call, target_nodes=node).execute()
except RedisClusterException as error:
    print(str(error).splitlines()[0])  # => No way to dispatch this command to Redis Cluster. Missing key.
