//! A tenant's people at work: who is online, and whose turn it is.
//!
//! Who is a member, and as what, stands in the membership alone, under the person. The tenant's own list
//! only says whom to look up, and keeps what is about work: whether they are there, and their last turn.

use crate::TenantStore;
use crate::activity::Happened;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::item::{self, Item};
use crate::keys::{Key, MEMBERS};
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
        const OPERATION: &str = "listing a tenant's people";
        let items = self.partition(OPERATION, &Key::tenant(self.tenant).pk, MEMBERS).await?;
        let listed: Result<Vec<MemberRecord>, _> =
            items.into_iter().map(|item| item::record(OPERATION, item)).collect();
        let mut listed: HashMap<UserId, MemberRecord> =
            listed?.into_iter().map(|record| (record.user.clone(), record)).collect();
        let keys: Vec<Key> = listed.keys().map(|user| Key::membership(user, self.tenant)).collect();
        let mut members = Vec::with_capacity(keys.len());
        // DynamoDB reads at most 100 items at once.
        for keys in keys.chunks(100) {
            for item in self.store.batch_get(OPERATION, keys.to_vec()).await? {
                let membership: Membership = item::record(OPERATION, item)?;
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
    pub async fn set_online(&self, membership: &Membership, online: bool) -> Result<(), StoreError> {
        let user = membership.user();
        let change = Expression::new().set("online", online).set("user", user).set("entity", "member").set("v", 1);
        self.update("keeping whether a person is online", Key::member(self.tenant, user), change).await.map(|_| ())
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
