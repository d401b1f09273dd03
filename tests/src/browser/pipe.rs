//! The protocol on its pipe: JSON objects, each with a zero byte behind it.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _, pipe};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use command_fds::{CommandFdExt as _, FdMapping};
use serde_json::{Value, json};

use crate::netns::wait::PATIENCE;

/// Our ends.
pub(super) struct Pipe {
    orders: PipeWriter,
    messages: Receiver<Value>,
    next: u64,
    session: Option<String>,
    events: VecDeque<Value>,
}

/// The browser's ends.
pub(super) struct Ends(PipeReader, PipeWriter);

impl Ends {
    /// The browser reads orders from descriptor 3 and writes to 4.
    pub(super) fn give(self, command: &mut Command) {
        let mapping = |parent_fd, child_fd| FdMapping {
            parent_fd,
            child_fd,
        };
        command
            .fd_mappings(vec![mapping(self.0.into(), 3), mapping(self.1.into(), 4)])
            .expect("the numbers differ");
    }
}

impl Pipe {
    pub(super) fn new() -> (Self, Ends) {
        let (their_orders, orders) = pipe().expect("descriptors are to be had");
        let (answers, their_answers) = pipe().expect("descriptors are to be had");
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("the browser sends JSON");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let pipe = Self {
            orders,
            messages,
            next: 0,
            session: None,
            events: VecDeque::new(),
        };
        (pipe, Ends(their_orders, their_answers))
    }

    /// From now on orders go to the first page.
    pub(super) fn attach(&mut self) {
        let page = crate::netns::wait::until("a page in the browser", || {
            let targets = self.call("Target.getTargets", json!({}));
            let targets = targets["targetInfos"].as_array()?;
            targets
                .iter()
                .find(|target| target["type"] == "page")
                .cloned()
        });
        let parameters = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", parameters);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
    }

    pub(super) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut order = json!({ "id": self.next, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        let mut text = order.to_string();
        text.push('\0');
        let written = self.orders.write_all(text.as_bytes());
        written.expect("the browser runs: is chromium installed? cargo xtask setup");
        loop {
            let mut message = self
                .messages
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|error| panic!("{method}: no answer from the browser: {error}"));
            if message["id"] == self.next {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].take();
            }
            self.events.push_back(message);
        }
    }

    /// What the browser told, of this kind, up to the last answer.
    pub(super) fn events(&self, method: &str) -> impl Iterator<Item = &Value> {
        let events = self.events.iter();
        events
            .filter(move |event| event["method"] == method)
            .map(|event| &event["params"])
    }
}

pub(super) fn from_base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).expect("it is base64")
}
