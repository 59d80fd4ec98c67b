<?php
['host' => $host, 'port' => $port] = parse_url($argv[1]);
$cluster = new RedisCluster(null, ["$host:$port"]);

// The prefix for keys is not put before anything.
$cluster->setOption(Redis::OPT_PREFIX, 'app:');
echo $cluster->rawCommand('ann', 'SESSION.LOGOUT', 'ann'), "\n"; // => 13

// On a cluster the command is the second argument.
var_export($cluster->rawCommand('SESSION.LOGOUT', 'ann')); // => false
echo "\n", $cluster->getLastError(), "\n"; // => ERR unknown command 'ann', with args beginning with:

// What fails in a transaction is false, as elsewhere; only the last error is known.
$cluster->clearLastError();
$cluster->multi();
$cluster->rawCommand('ann', 'SESSION.LOGOUT', 'ann');
echo json_encode($cluster->exec()), str_contains($cluster->getLastError(), 'say LOCAL') ? ' say LOCAL' : '', "\n"; // => [false] say LOCAL
