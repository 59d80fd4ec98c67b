<?php
// How a store is asked: a line of words comes in, a line of JSON goes out.

/** Calls the method of `$store` that a line's first word names, with its other words, until the input ends. */
function serve(object $store): void
{
    while (($line = fgets(STDIN)) !== false) {
        $words = explode(' ', rtrim($line));
        $verb = array_shift($words);
        // Not `echo`: once PHP has said something, it takes no new session id.
        fwrite(STDOUT, json_encode($store->$verb(...$words)) . "\n");
    }
}
