//! Compares what is stored with what was sent.

use super::driver::Driver;
use super::files;
use super::plan::{Customer, Plan};
use super::report::Report;
use recado_domain::ids::{Bsuid, WaId};
use recado_domain::message::Direction;
use recado_domain::status::MessageStatus;
use recado_domain::window;
use recado_store::{Conversation, ConversationStatus, Message, TenantStore};
use recado_whatsapp::envelope::Envelope;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

pub(super) async fn of(driver: &Driver, plan: &Plan) -> Report {
    let mut report = Report {
        expected: plan.customers.iter().map(|customer| customer.texts.len()).sum(),
        duplicates_absorbed: plan.duplicates,
        planted: plan.malformed.len(),
        changed: plan.customers.iter().flat_map(|one| &one.texts).filter(|text| !text.changes.is_empty()).count(),
        moved: plan.customers.iter().filter(|customer| customer.moves()).count(),
        replies: plan.customers.iter().map(|customer| customer.replies.len()).sum(),
        killed: driver.killed.load(Ordering::Relaxed),
        dead_letters: driver.dead_letters.load(Ordering::Relaxed),
        ..Report::default()
    };
    for (place, occupant) in driver.occupants.iter().enumerate() {
        let membership = driver.lab.store.memberships(&occupant.user).await.unwrap().remove(0);
        let tenant = driver.lab.store.of_member(&membership);
        let mut taken: HashMap<String, usize> = HashMap::new();
        for sent in driver.sent(occupant).await {
            *taken.entry(sent["request"]["text"]["body"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        report.sent_twice += taken.values().filter(|times| **times > 1).count();

        let conversations = conversations(&tenant).await;
        let customers: Vec<_> = plan.customers.iter().filter(|customer| customer.tenant == place).collect();
        for customer in &customers {
            let own: Vec<_> = conversations.iter().filter(|conversation| is_of(customer, conversation)).collect();
            report.twice += own.len().saturating_sub(1);
            match own.first() {
                Some(conversation) => compare(&mut report, &tenant, customer, conversation, &taken).await,
                None => report.lost += customer.texts.len(),
            }
        }
        files::compare(&mut report, driver, &tenant, occupant, &customers).await;
        let strangers =
            conversations.iter().filter(|conversation| !customers.iter().any(|customer| is_of(customer, conversation)));
        report.twice += strangers.count();
    }
    compare_parked(&mut report, driver, plan).await;
    report
}

fn is_of(customer: &Customer, conversation: &Conversation) -> bool {
    let who = &conversation.contact;
    customer.is(who.wa_id.as_ref().map(WaId::as_str), who.bsuid.as_ref().map(Bsuid::as_str))
}

async fn conversations(tenant: &TenantStore) -> Vec<Conversation> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = tenant.inbox(ConversationStatus::Open, 100, after.as_deref()).await.unwrap();
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

async fn messages(tenant: &TenantStore, conversation: &Conversation) -> Vec<Message> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = tenant.messages(conversation.id, 100, after.as_deref()).await.unwrap();
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

async fn compare(
    report: &mut Report,
    tenant: &TenantStore,
    customer: &Customer,
    conversation: &Conversation,
    taken: &HashMap<String, usize>,
) {
    let messages = messages(tenant, conversation).await;
    let inbound: Vec<_> = messages.iter().filter(|message| message.direction == Direction::Inbound).collect();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for message in &inbound {
        *times.entry(message.wamid.as_ref().unwrap().as_str()).or_default() += 1;
    }
    for text in &customer.texts {
        match times.get(text.wamid.as_str()) {
            None => report.lost += 1,
            Some(times) => {
                report.stored += 1;
                report.twice += times - 1;
            }
        }
    }
    for echo in customer.texts.iter().filter_map(|text| text.echo.as_ref()) {
        report.echoes += 1;
        let shown =
            messages.iter().filter(|message| message.wamid.as_ref().is_some_and(|id| id.as_str() == echo.wamid));
        let shown: Vec<_> = shown.map(|message| (message.direction, state_of(message), text_of(message))).collect();
        let expected = (Direction::Outbound, Some(MessageStatus::Read), Some(echo.body.as_str()));
        report.echo_differences += usize::from(shown != [expected]);
    }
    for text in &customer.texts {
        let found = inbound.iter().find(|message| message.wamid.as_ref().is_some_and(|id| id.as_str() == text.wamid));
        let Some(message) = found else { continue };
        let reaction = message.customer_reaction.as_ref().and_then(|reaction| reaction.emoji.as_ref());
        let end = (text_of(message), reaction.map(|emoji| emoji.expose().as_str()), message.revoked_at.is_some());
        report.change_differences += usize::from(end != text.end());
    }
    let newest_first = |pair: &[&&Message]| pair[0].timestamp <= pair[1].timestamp;
    let pairs: Vec<_> = inbound.iter().collect();
    report.order_violations += pairs.windows(2).filter(|pair| newest_first(pair)).count();
    let newest = messages.first().unwrap();
    let shown = text_of(newest).unwrap_or_default();
    if conversation.last_order != newest.order || conversation.last_preview.expose() != shown {
        report.order_violations += 1;
    }
    if conversation.unread_count != customer.texts.len() as u64 {
        report.unread_differences += 1;
    }
    let latest = customer.texts.iter().map(|text| text.timestamp).max().unwrap();
    let expected = window::expiry(window::CustomerAct::at(jiff::Timestamp::from_second(latest).unwrap()));
    if conversation.window_expires_at != Some(expected) {
        report.window_differences += 1;
    }

    let mut of_text: HashMap<&str, Vec<&Message>> = HashMap::new();
    for message in messages.iter().filter(|message| message.direction == Direction::Outbound) {
        of_text.entry(text_of(message).unwrap()).or_default().push(message);
    }
    for reply in &customer.replies {
        let found = of_text.get(reply.as_str()).map(Vec::as_slice).unwrap_or_default();
        report.twice += found.len().saturating_sub(1);
        let state = found.first().and_then(|message| state_of(message));
        match (state, taken.contains_key(reply)) {
            (None, _) => report.lost += 1,
            (Some(MessageStatus::Read), true) => report.read += 1,
            (Some(MessageStatus::Unknown | MessageStatus::Failed), false) => report.flagged += 1,
            (Some(_), _) => report.wrong_states += 1,
        }
    }
}

fn text_of(message: &Message) -> Option<&str> {
    message.content.expose()["text"].as_str()
}

fn state_of(message: &Message) -> Option<MessageStatus> {
    message.states.current().map(|(status, _)| status)
}

/// Only what was planted may be parked, and all of it.
async fn compare_parked(report: &mut Report, driver: &Driver, plan: &Plan) {
    let mut found = std::collections::BTreeSet::new();
    for body in driver.lab.parked().await {
        match Envelope::parse(&body) {
            Ok(envelope) if plan.malformed.contains(envelope.item.raw.get()) => {
                found.insert(envelope.item.raw.get().to_owned());
            }
            _ => report.parked_by_mistake += 1,
        }
    }
    report.parked = found.len();
}
