//! A tenant's people at work: who is online, and whose turn it is.
//!
//! Who is a member, and as what, stands in the membership alone, under the person. The tenant's own list
//! only says whom to look up, and keeps what is about work: whether they are there, and their last turn.

use crate::TenantStore;
use crate::activity::Happened;
use crate::error::StoreError;
use crate::expression::{Expression, PRESENT};
use crate::item::{self, Item, Page};
use crate::keys::{Key, MEMBERS};
use crate::outbox::Updated;
use crate::tenant::Membership;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use recado_domain::assignment::{Candidate, Turn, next};
use recado_domain::ids::{ContactId, ConversationId, TenantId, UserId};
use recado_domain::tenant::Role;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What the tenant's list says of a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberRecord {
    user: UserId,
    #[serde(default)]
    online: bool,
    /// Their last turn at being given a conversation.
    #[serde(default, skip_serializing_if = "item::is_zero")]
    turn: u64,
}

/// A person of the tenant.
#[derive(Debug, Clone)]
pub struct Member {
    /// Their place in the tenant.
    pub membership: Membership,
    /// Whether they say that they are there.
    pub online: bool,
    turn: u64,
}

/// What became of saying whether one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// It is kept.
    Kept,
    /// They do not belong to the tenant any more.
    NotAMember,
}

const LISTING: &str = "listing a tenant's people";

/// Somebody who is given a conversation.
#[derive(Debug, Clone)]
pub(crate) struct Assignee {
    pub(crate) user: UserId,
    last: u64,
    this: u64,
}

impl MemberRecord {
    /// The item of somebody who has just been let in.
    pub(crate) fn new_item(tenant: TenantId, user: &UserId) -> Item {
        let record = Self { user: user.clone(), online: false, turn: 0 };
        item::item(Key::member(tenant, user), "member", &record)
    }
}

impl TenantStore {
    /// Everybody who belongs to the tenant now.
    pub async fn members(&self) -> Result<Vec<Member>, StoreError> {
        let items = self.partition(LISTING, &Key::tenant(self.tenant).pk, MEMBERS).await?;
        self.listed_members(items).await
    }

    /// A page of them, in the order of their ids.
    pub async fn members_page(&self, limit: i32, after: Option<&str>) -> Result<Page<Member>, StoreError> {
        let page = self.partition_page(LISTING, &Key::tenant(self.tenant).pk, MEMBERS, limit, after).await?;
        Ok(Page { items: self.listed_members(page.items).await?, next: page.next })
    }

    /// Those of the list who are members.
    async fn listed_members(&self, items: Vec<Item>) -> Result<Vec<Member>, StoreError> {
        let listed: Result<Vec<MemberRecord>, _> = items.into_iter().map(|item| item::record(LISTING, item)).collect();
        let mut listed: HashMap<UserId, MemberRecord> =
            listed?.into_iter().map(|record| (record.user.clone(), record)).collect();
        let keys: Vec<Key> = listed.keys().map(|user| Key::membership(user, self.tenant)).collect();
        let mut members = Vec::with_capacity(keys.len());
        // DynamoDB reads at most 100 items at once.
        for keys in keys.chunks(100) {
            for item in self.store.batch_get(LISTING, keys.to_vec()).await? {
                let membership: Membership = item::record(LISTING, item)?;
                if let Some(MemberRecord { online, turn, .. }) = listed.remove(membership.user()) {
                    members.push(Member { membership, online, turn });
                }
            }
        }
        members.sort_by(|one, other| one.membership.user().cmp(other.membership.user()));
        Ok(members)
    }

    /// Whether somebody says that they are there.
    pub async fn is_online(&self, user: &UserId) -> Result<bool, StoreError> {
        const OPERATION: &str = "reading whether a person is online";
        let found = self.get(OPERATION, Key::member(self.tenant, user)).await?;
        let record: Option<MemberRecord> = found.map(|item| item::record(OPERATION, item)).transpose()?;
        Ok(record.is_some_and(|record| record.online))
    }

    /// Keeps whether a member is there.
    ///
    /// **Nobody comes back by it:** who was let go in the meantime is not in the list, and stays out of it.
    pub async fn set_online(&self, membership: &Membership, online: bool) -> Result<Here, StoreError> {
        let key = Key::member(self.tenant, membership.user());
        let change = Expression::new().set("online", online).when(PRESENT);
        Ok(match self.update("keeping whether a person is online", key, change).await? {
            Updated::Done => Here::Kept,
            Updated::Refused(_) => Here::NotAMember,
        })
    }

    /// Whose turn it is, if the tenant wants conversations to be given to somebody and anybody is there.
    /// Nothing is read of a tenant that does not want it, except its policy now and then.
    pub(crate) async fn assignee(
        &self,
        conversation: ConversationId,
        now: Timestamp,
    ) -> Result<Option<Assignee>, StoreError> {
        if !self.recent_policy(now).await?.auto_assign {
            return Ok(None);
        }
        let members = self.members().await?;
        let candidates: Vec<_> = members
            .iter()
            .map(|Member { membership, online, turn }| Candidate {
                user: membership.user(),
                role: membership.role(),
                online: *online,
                turn: *turn,
            })
            .collect();
        let turn = next(&candidates, conversation);
        Ok(turn.map(|Turn { user, last, this }| Assignee { user: user.clone(), last, this }))
    }

    /// What goes with giving somebody a conversation: their turn is over, and it is noted.
    ///
    /// **Nobody who was revoked or went away** is given one, by conditions on the membership and on the
    /// person's own item. **In turn**, by the condition that nobody gave them another one since; not if
    /// there is a hurry, so that a flood of newcomers does not wait for its own order.
    pub(crate) fn assignment_writes(
        &self,
        assignee: &Assignee,
        contact: ContactId,
        conversation: ConversationId,
        is_hurried: bool,
        now: Timestamp,
    ) -> [TransactWriteItem; 3] {
        let Assignee { user, last, this } = assignee;
        let turn = Expression::new().set("turn", this).when("#online = :online").value(":online", true);
        let turn = if is_hurried {
            turn
        } else {
            // `:turn` is the new one.
            match last {
                0 => turn.when("attribute_not_exists(#turn)"),
                last => turn.when("#turn = :last").value(":last", last),
            }
        };
        [
            turn.into_update(self.table(), Key::member(self.tenant, user)),
            self.agent_check(user),
            self.activity_write(Happened::Assigned(user), contact, conversation, now),
        ]
    }

    /// The check that somebody may look after conversations here.
    pub(crate) fn agent_check(&self, user: &UserId) -> TransactWriteItem {
        let is_member = Expression::new()
            .when("#role IN (:admin, :agent)")
            .value(":admin", Role::Admin)
            .value(":agent", Role::Agent);
        is_member.into_check(self.table(), Key::membership(user, self.tenant))
    }
}
