//! What a caller says to the control socket, through the daemon's whole end of it but for the
//! daemon's own loop, and its answers through the caller's.

use crate::scenario;
use filter_user::control::{
    Answer, Asked, Refusal, RefusalKind, Request, answer, decode_request, encode_request,
};
use filter_user::events::{Journal, Line};
use filter_user::guard::ssh_peer;
use std::cell::RefCell;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// The only user who may ask.
const ROOT: u32 = 0;

/// Of a daemon that has seen no packet.
static JOURNAL: LazyLock<Journal> = LazyLock::new(Journal::default);

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime"),
    );
}

/// Bytes that nobody vouches for.
pub fn run(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(request) = decode_request(line) {
            let again = encode_request(&request).expect("plain data");
            assert_eq!(decode_request(again.as_bytes()), Ok(request));
        }
    }
    let said = RUNTIME.with_borrow(|runtime| runtime.block_on(converse(bytes)));
    let lines = said
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let mut answers = 0;
    for line in lines {
        answers += 1;
        let is_answer = serde_json::from_slice::<Answer>(line).is_ok();
        let is_event = serde_json::from_slice::<Line>(line).is_ok();
        let text = String::from_utf8_lossy(line);
        assert!(is_answer || is_event, "no answer: {text}");
    }
    let asked = bytes.split(|byte| *byte == b'\n').count();
    assert!(answers <= asked, "{answers} answers to {asked} lines");
}

/// A daemon that looks at each request and refuses it.
async fn converse(bytes: &[u8]) -> Vec<u8> {
    let (sender, mut requests) = mpsc::channel::<Asked>(1);
    let daemon = async move {
        while let Some(Asked { request, answer }) = requests.recv().await {
            if let Request::Apply { ssh_connection, .. } = request {
                ssh_connection.as_deref().and_then(ssh_peer);
            }
            let refusal = Refusal::new(RefusalKind::Nothing, "nothing to do");
            let _ = answer.send(Answer::Refused(refusal));
        }
    };
    let mut said = Vec::new();
    let serve = async {
        let ended = answer(bytes, &mut said, ROOT, &sender, &JOURNAL).await;
        ended.expect("memory is always there");
        drop(sender);
    };
    tokio::join!(daemon, serve);
    said
}

/// Each request, alone and one after the other, and what is none.
pub fn seeds() -> Vec<Vec<u8>> {
    let (text, _) = scenario::policy(&mut crate::random::Random::new(0));
    let requests = [
        Request::Reload { force: true },
        Request::Apply {
            text,
            file: "/etc/edge-filter/new.toml".into(),
            confirm_seconds: Some(300),
            force: false,
            ssh_connection: Some("2001:db8::7 50000 fe80::1%eth0 22".into()),
        },
        Request::Confirm {},
        Request::Rollback {},
        Request::Status {},
        Request::Unload {
            device: Some("eth0".into()),
        },
        Request::Events { follow: false },
        Request::Events { follow: true },
    ];
    let encode = |request| encode_request(request).expect("plain data") + "\n";
    let mut seeds: Vec<_> = requests.iter().map(encode).collect();
    seeds.push(seeds.concat());
    for text in [
        "{",
        "[]",
        "\"\\ud800\"",
        r#"{"request":"status"}"#,
        r#"{"version":2,"request":"status"}"#,
        r#"{"version":1,"request":"dance"}"#,
        r#"{"version":1.0,"request":"status","x":[[[[1e999]]]]}"#,
        r#"{"version":1,"request":"unload","device":"\u0000\u202e"}"#,
        "\n\n\r\n",
    ] {
        seeds.push(text.to_owned());
    }
    seeds.into_iter().map(String::into_bytes).collect()
}
