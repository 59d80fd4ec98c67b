//! Only sockets whose data named the user are disconnected.
