//! The cluster bus: who else is there, and how to send them something.
//!
//! Facts about servers, from 7.0 to the newest. Messages go by the connections that the nodes keep for themselves; to a node without
//! one nothing is sent, and the call says so. To one whose connection is being made it is kept until that fails, and then lost
//! without a word. A module whose name has not nine letters has no number of its own on the bus: it shares its kinds of message
//! with all such modules.
//!
//! Redis, up to the newest, leaves Nagle's algorithm on for the connections by which it sends (`clusterNodeCronHandleReconnect` and
//! `connSocketConnect`; those that it accepts get `TCP_NODELAY`). A second message on one of them then waits until the
//! first is acknowledged, which the other side puts off for 40 ms, since it sends by a connection of its own. Valkey 9 sends at once.

use std::{
    ffi::CString,
    mem::ManuallyDrop,
    net::TcpStream,
    os::fd::{FromRawFd, RawFd},
    ptr::null_mut,
    slice,
};

use redis_module::raw;
use redis_session_core::ports::{Keyspace, NodeId, Peer};

use super::{
    call::{Call, CallArgument},
    handle::{OK, Server, api},
};

/// The kind of this module's messages: one that no other is likely to use. (255 is beyond the end of the servers' table.)
pub(crate) const KIND: u8 = 0xd5;

/// As many bytes as an address may have, and more.
const LONGEST_ADDRESS: usize = 256;

impl Server {
    /// The other masters of the cluster that hold keys or may come to: none outside of a cluster.
    ///
    /// A master that has failed is one of them as long as it has slots: when a replica has taken its place, it has none.
    pub(super) fn other_masters(&self) -> Vec<Peer> {
        if !self.is_cluster() {
            return Vec::new();
        }
        let nodes: Vec<(Peer, i32)> = self
            .nodes()
            .into_iter()
            .filter_map(|node| Some((node, self.node(&node)?)))
            .map(|(id, (address, flags))| (Peer { id, address }, flags))
            .collect();
        let has = |flags: i32, flag: u32| i32::try_from(flag).is_ok_and(|flag| flags & flag != 0);
        let fails = |flags: i32| has(flags, raw::REDISMODULE_NODE_FAIL | raw::REDISMODULE_NODE_PFAIL);
        let is_other =
            |flags: i32| has(flags, raw::REDISMODULE_NODE_MASTER) && !has(flags, raw::REDISMODULE_NODE_MYSELF);
        let mut others: Vec<(Peer, i32)> = nodes.into_iter().filter(|(_, flags)| is_other(*flags)).collect();
        if others.iter().any(|(_, flags)| fails(*flags)) {
            // Nothing else tells which nodes have slots, and to put all of them in words takes the server some time.
            let text = Call::new(c"CLUSTER").with(CallArgument::Bytes(b"NODES")).run(self).map(|reply| reply.text());
            let text = text.unwrap_or_default();
            others.retain(|(peer, flags)| !fails(*flags) || has_slots(&text, &peer.id));
        }
        others.into_iter().map(|(peer, _)| peer).collect()
    }

    /// This node's name; zeros outside of a cluster.
    pub(super) fn own_node() -> NodeId {
        // SAFETY: the call takes nothing, and gives a name that stays where it is, or null outside of a cluster.
        unsafe {
            let name = api!(RedisModule_GetMyClusterID());
            if name.is_null() { [0; 40] } else { node_id(name) }
        }
    }

    /// The names of all nodes that this one knows.
    fn nodes(&self) -> Vec<NodeId> {
        let mut count = 0;
        // SAFETY: the context is valid; the list has `count` names of 40 bytes, without an end, and is freed once, below.
        unsafe {
            let list = api!(RedisModule_GetClusterNodesList(self.ctx(), &raw mut count));
            if list.is_null() {
                return Vec::new();
            }
            let names = slice::from_raw_parts(list, count).iter().map(|name| node_id(*name)).collect();
            api!(RedisModule_FreeClusterNodesList(list));
            names
        }
    }

    /// Where a node is, and its flags; `None` if it is not known well enough yet.
    fn node(&self, node: &NodeId) -> Option<(String, i32)> {
        let name = CString::new(node).ok()?;
        let (mut ip, mut port, mut flags) = ([0_u8; LONGEST_ADDRESS], 0, 0);
        // SAFETY: the context is valid, the name has an end, and the address has more room than any; nobody asks for the master.
        let known = unsafe {
            let ip = ip.as_mut_ptr().cast();
            api!(RedisModule_GetClusterNodeInfo(
                self.ctx(),
                name.as_ptr(),
                ip,
                null_mut(),
                &raw mut port,
                &raw mut flags
            ))
        };
        let ip = ip.split(|byte| *byte == 0).next().unwrap_or_default();
        (known == OK).then(|| (format!("{}:{port}", String::from_utf8_lossy(ip)), flags))
    }

    /// Switches Nagle's algorithm off for the connections to other nodes: see above. No server lets a module do that, so it looks
    /// for them among all that the process has open: those that lead to a port where a node listens for others.
    pub(super) fn send_without_delay(&self) {
        let text = Call::new(c"CLUSTER").with(CallArgument::Bytes(b"NODES")).run(self).map(|reply| reply.text());
        let ports = bus_ports(&text.unwrap_or_default());
        let Ok(open) = std::fs::read_dir("/dev/fd") else { return };
        let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<RawFd>().ok());
        for number in numbers.collect::<Vec<_>>() {
            // SAFETY: the descriptor was open a moment ago, and nothing was closed since, for the server's main thread is here; it stays
            // the server's, for it is not closed below. If it is no connection, the calls say so, and nothing else comes of it.
            let connection = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(number) });
            if connection.peer_addr().is_ok_and(|address| ports.contains(&address.port())) {
                // Where it does not work, messages take longer, as before.
                let _ = connection.set_nodelay(true);
            }
        }
    }

    /// Sends a message to another node. `false` if there is no connection.
    pub(super) fn send_on_bus(&self, node: &NodeId, message: &[u8]) -> bool {
        let (Ok(name), Ok(length)) = (CString::new(node), u32::try_from(message.len())) else { return false };
        // SAFETY: the context is valid, the name has an end, and the server copies the message.
        unsafe {
            api!(RedisModule_SendClusterMessage(self.ctx(), name.as_ptr(), KIND, message.as_ptr().cast(), length)) == OK
        }
    }
}

/// A node's name.
///
/// # Safety
/// `name` must point to 40 bytes.
pub(crate) unsafe fn node_id(name: *const std::ffi::c_char) -> NodeId {
    // SAFETY: by contract.
    unsafe { *name.cast::<NodeId>() }
}

/// The ports where nodes listen for each other, by what `CLUSTER NODES` says: `host:port@bus-port`, and a host name at times.
fn bus_ports(nodes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(nodes);
    let addresses = text.lines().filter_map(|line| line.split(' ').nth(1)?.split_once('@'));
    let digits =
        addresses.map(|(_, port)| port.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default());
    digits.filter_map(|port| port.parse().ok()).filter(|port| *port != 0).collect()
}

/// Whether a node has slots, by what `CLUSTER NODES` says: in its line they stand behind eight other words.
fn has_slots(nodes: &[u8], node: &NodeId) -> bool {
    let lines = nodes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(node));
    // Slots that are on their way stand in brackets.
    let mut words = lines.flat_map(|line| line.split(|byte| *byte == b' ').skip(8));
    words.any(|word| word.first().is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_what_stands_behind_eight_words() {
        let id = |letter: u8| [letter; 40];
        let name = |letter: u8| String::from_utf8(id(letter).to_vec()).unwrap();
        let text = format!(
            "{} 127.0.0.1:1@2,host myself,master - 0 0 1 connected 0-5 7 [93-<-{}]\n\
             {} 127.0.0.1:3@4 master,fail - 1 2 2 disconnected\n\
             {} 127.0.0.1:5@6 master - 0 1 3 connected [93->-{}]\n\
             {} :0@0 slave,fail,noaddr {} 1 2 3 disconnected\n",
            name(b'a'),
            name(b'b'),
            name(b'b'),
            name(b'c'),
            name(b'a'),
            name(b'd'),
            name(b'a')
        );
        assert_eq!(bus_ports(text.as_bytes()), [2, 4, 6]);
        let found = [b'a', b'b', b'c', b'd', b'e'].map(|letter| has_slots(text.as_bytes(), &id(letter)));
        assert_eq!(found, [true, false, false, false, false]);
    }
}
