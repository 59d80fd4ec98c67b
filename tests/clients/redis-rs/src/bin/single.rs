use redis::{Client, RedisResult, Value};
use std::collections::HashMap;

fn main() -> RedisResult<()> {
    let url = std::env::args().nth(1).expect("the server's address");
    let mut redis = Client::open(&*url)?.get_connection()?;
    let logout = |user: &str| redis::cmd("SESSION.LOGOUT").arg(user).clone();
    println!("{}", logout("ada").query::<u64>(&mut redis)?); // => 4

    // A map is a map, in RESP2 and RESP3.
    let map: HashMap<String, Value> = logout("ben").arg("WITHTRACES").query(&mut redis)?;
    println!("{:?}", map["removed"]); // => int(4)
    let mut resp3 = Client::open(format!("{url}?protocol=resp3"))?.get_connection()?;
    let map: HashMap<String, Value> = logout("cid").arg("WITHTRACES").query(&mut resp3)?;
    println!("{:?}", map["removed"]); // => int(4)

    if let Err(error) = logout("").query::<u64>(&mut redis) {
        println!("{error}"); // => ResponseError: user id must not be empty
    }

    let replies: Vec<u64> = redis::pipe().add_command(logout("dan")).add_command(logout("eve")).query(&mut redis)?;
    println!("{replies:?}"); // => [4, 4]
    let mut transaction = redis::pipe();
    transaction.atomic().add_command(logout("fay")).publish("moderation", "fay");
    println!("{:?}", transaction.query::<(u64, u64)>(&mut redis)?); // => (4, 0)
    Ok(())
}
