//! Scripts never wait, and nobody asks the server about who is no real client.
