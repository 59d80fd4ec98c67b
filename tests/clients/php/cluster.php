<?php
['host' => $host, 'port' => $port] = parse_url($argv[1]);
$cluster = new RedisCluster(null, ["$host:$port"]);
try {
    // The first argument chooses a node: the one that would hold a key of this name.
    $removed = $cluster->rawCommand('ann', 'SESSION.LOGOUT', 'ann');
    echo $removed === false ? $cluster->getLastError() : $removed, "\n"; // => 13
} catch (RedisClusterException $error) {
    echo $error->getMessage(), "\n";
}
