//! Meta's part: what customers do is posted until it is taken, and what was sent gets its statuses.

use super::Driver;
use crate::chaos::plan::{AGAINST_TIME, File, body, entry};
use crate::lab::Occupant;
use data_encoding::BASE64;
use futures_util::future::join_all;
use lambda_http::Request;
use rand::RngExt;
use rand::seq::SliceRandom;
use recado_whatsapp::signature::{self, sign};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use webhook::Webhook;

impl Driver {
    /// Files that customers are going to send, which Meta has already. Fetching some of them fails at first.
    pub(in crate::chaos) async fn files(&self, count: usize) -> Vec<File> {
        let mut random = self.random(99);
        let mut files = Vec::with_capacity(count);
        for number in 0..count {
            let tenant = number % self.occupants.len();
            let mut bytes = b"\xff\xd8\xff\xe0".to_vec();
            let size = random.random_range(100..20_000);
            bytes.resize_with(size, || random.random());
            let number = self.occupants[tenant].number.as_str();
            let inbound = json!({"phone_number_id": number, "from": "5491155551234",
                "media": {"type": "image", "base64": BASE64.encode(&bytes)}});
            let answer = self.lab.stack.control_post("/inbound", &inbound).await;
            files.push(File { tenant, id: answer["media_id"].as_str().unwrap().to_owned(), bytes });
        }
        for occupant in &self.occupants {
            for mut fault in [
                json!({"kind": "not_found_first"}),
                json!({"kind": "truncated"}),
                json!({"kind": "wrong_hash"}),
                json!({"kind": "slow", "millis": 300}),
            ] {
                fault["phone_number_id"] = json!(occupant.number.as_str());
                fault["count"] = json!((count / self.occupants.len() / 10).max(1));
                self.lab.stack.control_post("/faults", &fault).await;
            }
        }
        files
    }

    /// Meta's part: posts each body until it is taken.
    pub(in crate::chaos) async fn post_all(&self, bodies: &[Vec<u8>]) {
        let next = AtomicUsize::new(0);
        let posters = (0..6).map(|_| async {
            let webhook = self.webhook().await;
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.post(&webhook, body).await;
            }
        });
        join_all(posters).await;
    }

    async fn webhook(&self) -> Webhook {
        self.queues.webhook(&self.lab, &self.config()).await
    }

    async fn post(&self, webhook: &Webhook, body: &[u8]) {
        let header = sign(body, &self.lab.stack.meta.app_secret.as_str().into());
        // Meta waits ever longer before it sends again; otherwise a hub that is slow would be buried.
        let mut wait = Duration::from_millis(20);
        loop {
            let request = lambda_http::http::Request::post("/api/whatsapp/webhook").header(signature::HEADER, &header);
            let request: Request = request.body(body.to_vec().into()).unwrap();
            if webhook.handle(request).await.status() == 200 {
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(10));
        }
    }

    /// Meta's part: what it has taken gets its statuses, at once, in any order, some of them twice, and
    /// with times that say the opposite.
    pub(super) async fn report_statuses(&self) {
        let webhook = self.webhook().await;
        for occupant in &self.occupants {
            for sent in self.sent(occupant).await {
                let wamid = sent["wamid"].as_str().unwrap().to_owned();
                if !self.reported.lock().unwrap().insert(wamid.clone()) {
                    continue;
                }
                let mut random = self.random(wamid.bytes().map(u64::from).sum());
                let at = self.lab.now().as_second();
                let told = |(after, status): (i64, &str)| json!({"id": wamid, "status": status, "timestamp": (at + after).to_string()});
                let mut statuses: Vec<Value> = (0..).zip(AGAINST_TIME).map(told).collect();
                statuses.extend_from_within(..2);
                // An answer that was lost can only be told by the key, which Meta always sends back.
                for status in &mut statuses {
                    status["biz_opaque_callback_data"] = sent["request"]["biz_opaque_callback_data"].clone();
                }
                statuses.shuffle(&mut random);
                for status in statuses {
                    self.post(&webhook, &body(&[entry(occupant, "messages", "statuses", &[status])])).await;
                }
            }
        }
    }

    /// What reached Meta from a number.
    pub(in crate::chaos) async fn sent(&self, occupant: &Occupant) -> Vec<Value> {
        let answer = self.lab.stack.control(&format!("/sent?phone_number_id={}", occupant.number.as_str())).await;
        answer["items"].as_array().unwrap().clone()
    }
}
