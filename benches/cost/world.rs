//! The `EasyShare` world: what its application writes for each user, and what else is in the server.

use crate::{
    Outcome,
    client::{Client, Pipeline},
    format::{Field, Format},
};

/// So many commands go to the server at a time while a world is written.
const POUR: usize = 50_000;

/// Users who share a room, and a room document.
const IN_ROOM: usize = 50;

/// Numbers from here on are those of users in the crowd.
const CROWD: usize = 100_000_000;

/// A user, and where it leaves traces.
#[derive(Clone, Copy, Debug, Default)]
pub struct User {
    pub number: usize,
    pub sockets: usize,
    pub typing_in: usize,
    /// Whether its room has a document that lists the participants.
    pub in_document: bool,
    /// How the data of its sockets is written.
    pub format: Format,
}

impl User {
    pub fn id(self) -> String {
        format!("{:024x}", scramble(self.number, 1))
    }

    /// As Socket.IO writes them: twenty characters.
    pub fn socket(self, socket: usize) -> String {
        format!("{:016x}AA{:02}", scramble(self.number, 2), socket % 100) + &"x".repeat(socket / 100)
    }

    pub fn room(self, room: usize) -> String {
        format!("room-{:06}", (self.number / IN_ROOM + room * 7919) % 1_000_000)
    }

    /// The key of its room's document.
    pub fn document(self) -> String {
        format!("room:{}", self.room(0))
    }

    /// The names of all of its keys, in the order in which they are written.
    pub fn keys(self) -> Vec<String> {
        let id = self.id();
        let plain = ["user_socket", "user_activity", "activity", "user_session", "user_presence", "user_status"];
        let mut keys: Vec<String> = plain.iter().map(|name| format!("{name}:{id}")).collect();
        keys.extend((0..self.sockets).map(|socket| format!("socket_data:{}", self.socket(socket))));
        keys.extend((0..self.typing_in).map(|room| format!("typing:{}:{id}", self.room(room))));
        keys
    }

    /// All of its keys, its membership in the set of active users, and its place in the room's document.
    pub fn traces(self) -> usize {
        6 + self.sockets + self.typing_in + 1 + usize::from(self.in_document)
    }

    /// What the application writes when the user comes and is busy. The latest socket is the one in the mapping.
    pub fn write(self, out: &mut Pipeline) {
        self.each_command(&mut |command| {
            out.add_bytes(command);
        });
    }

    /// The same, command by command: the key is the second word.
    pub fn each_command(self, write: &mut dyn FnMut(&[&[u8]])) {
        let id = self.id();
        let at = (1_767_225_600_000 + self.number as u64 * 977).to_string();
        for socket in 0..self.sockets {
            let key = format!("socket_data:{}", self.socket(socket));
            write(&[b"SET", key.as_bytes(), &self.socket_data(socket), b"EX", b"86400"]);
        }
        let mut words = |words: &[&str]| write(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        let mut set = |name: &str, value: &str, seconds: &str| {
            words(&["SET", &format!("{name}:{id}"), value, "EX", seconds]);
        };
        set("user_socket", &self.socket(self.sockets - 1), "86400");
        set("user_activity", &at, "7200");
        set("activity", &self.room(0), "7200");
        set("user_session", &format!(r#"{{"userId":"{id}","token":"{id}{id}","createdAt":{at}}}"#), "86400");
        words(&["HSET", &format!("user_presence:{id}"), "status", "online", "device", "laptop", "lastSeen", &at]);
        words(&["SET", &format!("user_status:{id}"), "online"]);
        for room in 0..self.typing_in {
            words(&["SET", &format!("typing:{}:{id}", self.room(room)), "1", "EX", "7200"]);
        }
        words(&["SADD", "active_users", &id]);
    }

    /// The value of a socket's data key: about 200 bytes, in every format as many as in JSON or one more.
    pub fn socket_data(self, socket: usize) -> Vec<u8> {
        const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64)";
        let json = self.socket_data_as(Format::Json, socket, AGENT);
        if self.format == Format::Json {
            return json;
        }
        // What is compared is how formats are read, not how long values are.
        let length = AGENT.len() + json.len() - self.socket_data_as(self.format, socket, AGENT).len();
        self.socket_data_as(self.format, socket, &format!("{AGENT:<length$.length$}"))
    }

    fn socket_data_as(self, format: Format, socket: usize, agent: &str) -> Vec<u8> {
        let (socket, id, room) = (self.socket(socket), self.id(), self.room(socket));
        format.write(&[
            ("socketId", Field::Text(&socket)),
            ("userId", Field::Text(&id)),
            ("userName", Field::Text(&format!("Participant {}", self.number))),
            ("roomId", Field::Text(&room)),
            ("joinedAt", Field::Number(1_767_225_600_000 + self.number as u64 * 977)),
            ("userAgent", Field::Text(agent)),
            ("muted", Field::Flag(false)),
        ])
    }

    /// How the room's document lists it.
    fn participant(self) -> String {
        format!(
            r#"{{"userId":"{}","userName":"Participant {}","socketId":"{}","isHost":false,"joinedAt":{}}}"#,
            self.id(),
            self.number,
            self.socket(0),
            1_767_225_600_000 + self.number as u64 * 977
        )
    }
}

/// A room document with these participants.
fn document(room: &str, participants: impl Iterator<Item = User>) -> String {
    let participants: Vec<String> = participants.map(User::participant).collect();
    format!(r#"{{"id":"{room}","name":"A room","participants":[{}],"isLocked":false}}"#, participants.join(","))
}

/// What is in a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct World {
    pub users: usize,
    /// Sockets and rooms of each user.
    pub sockets: usize,
    pub typing_in: usize,
    /// Keys that have nothing to do with sessions.
    pub others: usize,
    /// Whether each room has a document.
    pub documents: bool,
    /// Somebody else's typing keys, as many sockets, and a tenth as many room documents with ten participants each.
    pub crowd: usize,
    /// How the data of the users' sockets is written.
    pub format: Format,
}

impl World {
    /// Users with nine traces each.
    pub fn of(users: usize) -> Self {
        Self { users, sockets: 1, typing_in: 1, others: users, ..Self::default() }
    }

    /// All keys but the index sets that a rival may need.
    pub fn keys(self) -> usize {
        let documents = if self.documents { self.users.div_ceil(IN_ROOM) } else { 0 };
        let active = usize::from(self.users > 0);
        self.users * (6 + self.sockets + self.typing_in) + self.others + documents + active + self.crowd * 21 / 10
    }

    pub fn user(self, number: usize) -> User {
        let World { sockets, typing_in, documents: in_document, format, .. } = self;
        User { number, sockets, typing_in, in_document, format }
    }

    /// All of its users in random order, the same each time.
    pub fn shuffled(self) -> Vec<User> {
        let mut users: Vec<User> = (0..self.users).map(|number| self.user(number)).collect();
        fastrand::Rng::with_seed(3).shuffle(&mut users);
        users
    }

    /// Writes the world, users in the order in which they came, other keys between them. `also` adds what a way of
    /// logging out needs to be written for each user.
    pub fn write(self, client: &mut Client, also: impl Fn(&mut Pipeline, User)) -> Outcome<()> {
        Self::default().grow(self, client, also)
    }

    /// Writes what makes the world another one that differs in its numbers of users, others and crowd alone.
    pub fn grow(self, to: Self, client: &mut Client, also: impl Fn(&mut Pipeline, User)) -> Outcome<()> {
        let mut out = Pipeline::default();
        for number in 0..to.users.max(to.others).max(to.crowd) {
            if (self.users..to.users).contains(&number) {
                let user = to.user(number);
                user.write(&mut out);
                also(&mut out, user);
                // Whoever comes first brings the document of all.
                if to.documents && number % IN_ROOM == 0 {
                    let all = (number..to.users.min(number + IN_ROOM)).map(|number| to.user(number));
                    out.add(&["SET", &user.document(), &document(&user.room(0), all), "EX", "86400"]);
                }
            }
            if (self.others..to.others).contains(&number) {
                out.add(&["SET", &other_key(number), &other_value(number)]);
            }
            if (self.crowd..to.crowd).contains(&number) {
                to.write_crowd(number, &mut out);
            }
            if out.commands >= POUR {
                client.pour(&out)?;
                out.clear();
            }
        }
        client.pour(&out)
    }

    /// The crowd types in the rooms of the users, as far as there are any, and sits in rooms of its own.
    fn write_crowd(self, number: usize, out: &mut Pipeline) {
        let somebody = |number| User { number: CROWD + number, sockets: 1, ..User::default() };
        let (one, room) = (somebody(number), self.user(number % self.users.max(1)).room(0));
        out.add(&["SET", &format!("typing:{room}:{}", one.id()), "1", "EX", "7200"]);
        let data = format!("socket_data:{}", one.socket(0));
        out.add_bytes(&[b"SET", data.as_bytes(), &one.socket_data(0), b"EX", b"86400"]);
        if number.is_multiple_of(10) {
            let room = format!("hall-{number:06}");
            let document = document(&room, (number..number + 10).map(somebody));
            out.add(&["SET", &format!("room:{room}"), &document, "EX", "86400"]);
        }
    }
}

/// A key outside the layout. Names begin in different ways, some of them as the layout's do.
pub fn other_key(number: usize) -> String {
    let kind = ["cache:page", "product", "settings", "rate:ip", "user", "token", "article:views", "session"];
    format!("{}:{:016x}", kind[number % kind.len()], scramble(number, 3))
}

pub fn other_value(number: usize) -> String {
    format!("{{\"n\":{number},\"text\":\"{:064x}\"}}", scramble(number, 4))
}

/// Ids look random and are the same each time.
fn scramble(number: usize, salt: u64) -> u64 {
    let mut bits = (number as u64).wrapping_add(salt << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
