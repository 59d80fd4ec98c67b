use redis::RedisResult;
use redis::cluster::{ClusterClient, cluster_pipe};

fn main() -> RedisResult<()> {
    let url = std::env::args().nth(1).expect("the address of a node");
    let mut cluster = ClusterClient::new(vec![url])?.get_connection()?;

    // An error's code stands apart from its text, and is shown by another name if it is ERR.
    let error = redis::cmd("SESSION.LOGOUT").arg("ann").arg("NOW").query::<u64>(&mut cluster).unwrap_err();
    println!("{error}, {:?}", error.code()); // => ResponseError: syntax error, Some("ERR")

    // A cluster has a pipeline of its own.
    let error = redis::pipe().cmd("SESSION.LOGOUT").arg("ann").query::<(u64,)>(&mut cluster).unwrap_err();
    println!("{error}"); // => This connection does not support pipelining. - Client
    println!("{:?}", cluster_pipe().cmd("SESSION.LOGOUT").arg("ann").query::<(u64,)>(&mut cluster)?); // => (13,)

    // An option that is not there leaves its argument out.
    let error = redis::cmd("SESSION.LOGOUT").arg(None::<&str>).query::<u64>(&mut cluster).unwrap_err();
    println!("{error}"); // => ResponseError: wrong number of arguments for 'session.logout' command
    Ok(())
}
