<?php
// PHP's own sessions in Redis: store.php PORT SERIALIZER, which is php (the default) or php_serialize.

require __DIR__ . '/../serve.php';

[, $port, $serializer] = $argv;
ini_set('session.save_handler', 'redis');
ini_set('session.save_path', "tcp://127.0.0.1:$port");
ini_set('session.serialize_handler', $serializer);
// There is no browser: the application says the id.
ini_set('session.use_cookies', '0');
ini_set('session.use_strict_mode', '1');
ini_set('session.cache_limiter', '');

class Store
{
    /** A visitor's session. */
    public function guest(?string $old = null): string
    {
        session_id($old ?? session_create_id());
        session_start();
        $_SESSION['cart'] = ['tea'];
        return $this->close();
    }

    /** A visitor who logs in, by a browser that may still have the cookie of a session that is over. */
    public function login(string $user, ?string $old = null): string
    {
        session_id($this->guest($old));
        session_start();
        session_regenerate_id(true);
        // What might be taken for a part of the session that it is not.
        $_SESSION['note'] = 'user_id|i:77;user_id|i:70;';
        $_SESSION['user_id'] = (int) $user;
        return $this->close();
    }

    /** Whom the application takes the browser for. */
    public function who(string $id): ?string
    {
        session_id($id);
        session_start(['read_and_close' => true]);
        return isset($_SESSION['user_id']) ? (string) $_SESSION['user_id'] : null;
    }

    /** A request that has read its session, and is not done yet. */
    public function begin(string $id): void
    {
        session_id($id);
        session_start();
    }

    /** The request is done, and its session is written. */
    public function end(): void
    {
        $_SESSION['cart'] = ['tea', 'milk'];
        $this->close();
    }

    private function close(): string
    {
        $id = session_id();
        session_write_close();
        return $id;
    }
}

serve(new Store());
