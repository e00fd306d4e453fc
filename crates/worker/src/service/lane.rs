//! Messages of one user in order, different users side by side.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::message::{Kind, Message};

/// What must be worked on in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Messages of one user: apps read a user's state at the beginning and write it at the end. Those without an address share one.
    User {
        /// The transport that brought them.
        transport_name: Option<String>,
        /// The user's address there.
        address: Option<String>,
    },
    /// Events about one message of ours: that it was delivered comes after that it was taken. An event names no user, so those about
    /// different messages go side by side, as they have always gone beside users' messages.
    Sent {
        /// Its id.
        message_id: Option<String>,
    },
}

impl Lane {
    /// Of a message.
    pub(super) fn of(message: &Message) -> Self {
        let text = |name| message.text(name).map(str::to_owned);
        match message.kind() {
            Kind::UserMessage => Self::User { transport_name: text("transport_name"), address: text("from_addr") },
            Kind::Event => Self::Sent { message_id: text("user_message_id") },
        }
    }
}

/// What waits in the lanes. A lane is there while something of it is worked on or waits. How much there can be is bounded by whoever
/// puts it in: the bus, which delivers no more than may be unsettled.
#[derive(Debug)]
pub(super) struct Lanes<T>(Mutex<HashMap<Lane, VecDeque<T>>>);

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Lanes<T> {
    /// Puts something at the end of a lane. Given back, it is the first, and the caller's to work on; then to ask for the
    /// [`Lanes::next`] until there is none.
    pub(super) fn enter(&self, lane: &Lane, item: T) -> Option<T> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lanes.get_mut(lane) {
            Some(waiting) => {
                waiting.push_back(item);
                None
            }
            None => {
                lanes.insert(lane.clone(), VecDeque::new());
                Some(item)
            }
        }
    }

    /// What is next in a lane; without anything, the lane is gone.
    pub(super) fn next(&self, lane: &Lane) -> Option<T> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = lanes.get_mut(lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            lanes.remove(lane);
        }
        next
    }

    /// Takes out everything that waits, in all lanes.
    pub(super) fn clear(&self) -> Vec<T> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.values_mut().flat_map(std::mem::take).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::service::tests::{event, message};

    fn user(address: &str) -> Lane {
        Lane::User { transport_name: Some("t".to_owned()), address: Some(address.to_owned()) }
    }

    #[test]
    fn one_lane_is_in_order_and_lanes_do_not_wait_for_each_other() {
        let lanes = Lanes::default();
        assert_eq!(lanes.enter(&user("a"), 1), Some(1));
        assert_eq!(lanes.enter(&user("a"), 2), None);
        assert_eq!(lanes.enter(&user("a"), 3), None);
        assert_eq!(lanes.enter(&user("b"), 4), Some(4));
        assert_eq!([lanes.next(&user("a")), lanes.next(&user("a"))], [Some(2), Some(3)]);
        assert_eq!(lanes.enter(&user("a"), 5), None, "3 is still worked on");
        assert_eq!([lanes.next(&user("a")), lanes.next(&user("a"))], [Some(5), None]);
        assert_eq!(lanes.enter(&user("a"), 6), Some(6));
        assert_eq!(lanes.next(&user("b")), None);
    }

    #[test]
    fn what_waits_can_be_taken_out_and_lanes_still_end() {
        let lanes = Lanes::default();
        lanes.enter(&user("a"), 1);
        lanes.enter(&user("a"), 2);
        lanes.enter(&user("b"), 3);
        assert_eq!(lanes.clear(), [2]);
        assert_eq!(lanes.next(&user("a")), None);
        assert_eq!(lanes.enter(&user("a"), 4), Some(4));
    }

    #[test]
    fn a_lane_is_a_user_of_a_transport_or_a_message_that_was_sent() {
        let lane = |kind, base: &[u8], changes: &[(&str, Value)]| {
            let mut fields: serde_json::Value = serde_json::from_slice(base).expect("JSON");
            for (name, value) in changes {
                fields[*name] = value.clone();
            }
            Lane::of(&Message::parse(kind, fields.to_string().as_bytes()).expect("a message"))
        };
        let base = message(1, "a");
        let of_user = |changes: &[(&str, Value)]| lane(Kind::UserMessage, &base, changes);
        let some = of_user(&[]);
        assert_eq!(some, of_user(&[("content", "other".into()), ("message_id", "other".into())]));
        for other in [("transport_name", "u".into()), ("from_addr", "b".into()), ("from_addr", Value::Null)] {
            assert_ne!(some, of_user(std::slice::from_ref(&other)), "{other:?}");
        }
        let about = |id| lane(Kind::Event, &event(id, "default"), &[("event_id", "other".into())]);
        assert_eq!(about("m"), lane(Kind::Event, &event("m", "default"), &[]));
        assert_ne!(about("m"), about("n"));
    }
}
