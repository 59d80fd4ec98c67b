<?php
['host' => $host, 'port' => $port] = parse_url($argv[1]);
$redis = new Redis();
$redis->connect($host, $port);
echo $redis->rawCommand('SESSION.LOGOUT', 'ada'), "\n"; // => 4

// A map is an array of names and values.
$list = $redis->rawCommand('SESSION.LOGOUT', 'ben', 'WITHTRACES');
echo json_encode(array_slice($list, 0, 4)), "\n"; // => ["user","ben","removed",4]

// An error is `false`, and its text is asked for.
if ($redis->rawCommand('SESSION.LOGOUT', '') === false) {
    echo $redis->getLastError(), "\n"; // => ERR user id must not be empty
}

$pipeline = $redis->pipeline();
$pipeline->rawCommand('SESSION.LOGOUT', 'cid');
$pipeline->rawCommand('SESSION.LOGOUT', 'dan');
$pipeline->rawCommand('SESSION.LOGOUT', 'eve');
echo json_encode($pipeline->exec()), "\n"; // => [4,4,4]
$transaction = $redis->multi();
$transaction->rawCommand('SESSION.LOGOUT', 'fay');
$transaction->publish('moderation', 'fay');
echo json_encode($transaction->exec()), "\n"; // => [4,0]
