//! The agents' part: they answer.

use super::Driver;
use crate::chaos::plan::Customer;
use crate::lab::Occupant;
use futures_util::future::join_all;
use recado_domain::ids::{Bsuid, ClientMessageId, WaId};
use recado_domain::message::MessageType;
use recado_domain::personal::Personal;
use recado_store::{Conversation, ConversationStatus, Draft, Sender, TenantStore};
use serde_json::json;
use std::time::Duration;

impl Driver {
    /// The agents' part: each customer gets their replies, in order, as soon as they have written.
    pub(in crate::chaos) async fn reply_all(&self, customers: &[Customer]) {
        join_all(customers.iter().filter(|customer| !customer.replies.is_empty()).map(|customer| async {
            for text in &customer.replies {
                self.compose(&self.occupants[customer.tenant], customer, text).await;
            }
        }))
        .await;
    }

    /// An agent writes, and asks again until it is confirmed.
    async fn compose(&self, occupant: &Occupant, customer: &Customer, text: &str) {
        let store = self.store();
        let draft = Draft {
            client_message_id: ClientMessageId::parse(text.replace(' ', "-")).unwrap(),
            kind: MessageType::Text,
            content: Personal::new(json!({ "text": text })),
            preview: Personal::new(text.to_owned()),
            sender: Sender { id: occupant.user.clone(), name: Personal::new("Ana".to_owned()) },
        };
        while !self.is_over() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Ok(memberships) = store.memberships(&occupant.user).await else { continue };
            let tenant = store.of_member(&memberships[0]);
            let Some(conversation) = self.conversation_of(&tenant, customer).await else { continue };
            if tenant.compose(conversation, &draft, self.lab.now()).await.is_ok() {
                return;
            }
        }
    }

    async fn conversation_of(&self, tenant: &TenantStore, customer: &Customer) -> Option<Conversation> {
        let mut after = None;
        loop {
            let page = tenant.inbox(ConversationStatus::Open, 100, after.as_deref()).await.ok()?;
            let found = page.items.into_iter().find(|conversation| {
                let who = &conversation.contact;
                customer.is(who.wa_id.as_ref().map(WaId::as_str), who.bsuid.as_ref().map(Bsuid::as_str))
            });
            match (found, page.next) {
                (Some(found), _) => return Some(found),
                (None, Some(next)) => after = Some(next),
                (None, None) => return None,
            }
        }
    }
}
