//! Messages between nodes of a cluster. Whatever bytes come, reading them does not panic and takes no memory that they do not
//! bear out; what is read is written as the same bytes, and answers can be put together.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_session_core::wire::Message;

fuzz_target!(|input: &[u8]| {
    let Ok(message) = Message::decode(input) else { return };
    assert_eq!(message.encode(), input);
    let Message::Answer(_, Ok(part)) = message else { return };
    let mut whole = part.clone();
    whole.merge(part.clone());
    assert_eq!(whole.removed, part.removed.saturating_mul(2));
    assert_eq!(whole.is_found, part.is_found);
    let once = whole.gone.clone();
    whole.merge(part);
    assert_eq!(whole.gone, once, "what is heard again is nothing new");
});
