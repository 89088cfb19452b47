//! The agents' part: they answer.

use super::Driver;
use crate::chaos::plan::Customer;
use crate::lab::Occupant;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use recado_domain::ids::{Bsuid, ClientMessageId, WaId};
use recado_domain::message::MessageType;
use recado_domain::personal::Personal;
use recado_store::{Conversation, ConversationStatus, Draft, Sender, TenantStore};
use serde_json::json;
use std::time::Duration;

/// How many of them write at the same time.
const AGENTS: usize = 16;

/// How often they look at the inbox.
const LOOK: Duration = Duration::from_millis(300);

impl Driver {
    /// The agents' part: each customer gets their replies, in order, as soon as they are in the inbox. What an agent
    /// has seen there is outdated by the time they write.
    pub(in crate::chaos) async fn reply_all(&self, customers: &[Customer]) {
        let mut open: Vec<(&Customer, &[String])> =
            customers.iter().map(|customer| (customer, customer.replies.as_slice())).collect();
        open.retain(|(_, replies)| !replies.is_empty());
        while !open.is_empty() && !self.is_over() {
            tokio::time::sleep(LOOK).await;
            let inboxes = join_all(self.occupants.iter().map(|occupant| self.inbox(occupant))).await;
            let written = stream::iter(open).map(|(customer, replies)| {
                let (tenant, conversations) = &inboxes[customer.tenant];
                let author = &self.occupants[customer.tenant];
                let conversation = conversations.iter().find(|conversation| {
                    let who = &conversation.contact;
                    customer.is(who.wa_id.as_ref().map(WaId::as_str), who.bsuid.as_ref().map(Bsuid::as_str))
                });
                async move {
                    let Some(conversation) = conversation else { return (customer, replies) };
                    let tenant = tenant.as_ref().expect("whose inbox was read is open");
                    for (place, text) in replies.iter().enumerate() {
                        let draft = draft(author, text);
                        if tenant.compose(conversation.clone(), &draft, self.lab.now()).await.is_err() {
                            return (customer, &replies[place..]);
                        }
                    }
                    (customer, &[][..])
                }
            });
            open = written.buffer_unordered(AGENTS).collect().await;
            open.retain(|(_, replies)| !replies.is_empty());
        }
    }

    /// What a tenant's agents see; nothing, where it could not be read.
    async fn inbox(&self, occupant: &Occupant) -> (Option<TenantStore>, Vec<Conversation>) {
        let store = self.store();
        let Ok(memberships) = store.memberships(&occupant.user).await else { return (None, Vec::new()) };
        let tenant = store.of_member(&memberships[0]);
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let Ok(page) = tenant.inbox(ConversationStatus::Open, 100, after.as_deref()).await else { break };
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        (Some(tenant), seen)
    }
}

fn draft(author: &Occupant, text: &str) -> Draft {
    Draft {
        client_message_id: ClientMessageId::parse(text.replace(' ', "-")).unwrap(),
        kind: MessageType::Text,
        content: Personal::new(json!({ "text": text })),
        preview: Personal::new(text.to_owned()),
        sender: Sender { id: author.user.clone(), name: Personal::new("Ana".to_owned()) },
    }
}
