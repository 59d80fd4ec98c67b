use redis::RedisResult;
use redis::cluster::ClusterClient;

fn main() -> RedisResult<()> {
    let url = std::env::args().nth(1).expect("the address of a node");
    let mut cluster = ClusterClient::new(vec![url])?.get_connection()?;
    // The user's id chooses a node: the one that would hold a key of this name.
    match redis::cmd("SESSION.LOGOUT").arg("ann").query::<u64>(&mut cluster) {
        Ok(removed) => println!("{removed}"), // => 13
        Err(error) => println!("{error}"),
    }
    Ok(())
}
