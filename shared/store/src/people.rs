//! Who comes to belong to a tenant, what they may do there, and who does not belong to it any more.
//!
//! - **Nobody gives what they no longer have.** Each change is made by an administrator, and on the condition
//!   that they are one at that very moment, not only when they asked.
//! - **Somebody can always let others in.** Whoever changes somebody else stays an administrator, by that same
//!   condition. Whoever gives up their own place needs another administrator, on whom the change depends.

use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression};
use crate::item;
use crate::keys::Key;
use crate::members::MemberRecord;
use crate::once::Once;
use crate::tenant::{Membership, NewMember};
use crate::transaction::{Outcome, SURPRISES, Verdict, pause};
use aws_sdk_dynamodb::types::TransactWriteItem;
use recado_domain::ids::UserId;
use recado_domain::tenant::Role;

/// What became of letting somebody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// They belong to the tenant now.
    New(Membership),
    /// They did before, and as what they did.
    Existing(Membership),
    /// Whoever asked is no administrator any more.
    NotAllowed,
}

/// What became of giving somebody a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleGiven {
    /// They have it.
    Done(Membership),
    /// They do not belong to the tenant.
    NotAMember,
    /// There would be no administrator left.
    LastAdmin,
    /// Whoever asked is no administrator any more.
    NotAllowed,
}

/// What became of letting somebody go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dismissed {
    /// They do not belong to the tenant any more.
    Done,
    /// They did not before.
    NotAMember,
    /// There would be no administrator left.
    LastAdmin,
    /// Whoever asked is no administrator any more.
    NotAllowed,
}

/// How a change of a member's place ended.
enum Moved {
    From(Membership),
    NotAMember,
    LastAdmin,
    NotAllowed,
}

impl TenantStore {
    /// Lets a person in.
    ///
    /// **Once** by the membership, put only if absent; a request of its own name is noted with the person's id.
    pub async fn admit(&self, by: &Membership, new: &NewMember, once: Option<&Once>) -> Result<Admitted, StoreError> {
        const OPERATION: &str = "letting a person in";
        // A transaction names an item once.
        if by.user() == &new.user {
            return Ok(self.member(&new.user).await?.map_or(Admitted::NotAllowed, Admitted::Existing));
        }
        let membership = Membership::of_person(self.tenant, new);
        let item = item::item(Key::membership(&new.user, self.tenant), "membership", &membership);
        let writes = vec![
            self.is_admin(by.user()),
            Expression::new().when(ABSENT).into_put(self.table(), item),
            Expression::new().into_put(self.table(), MemberRecord::new_item(self.tenant, &new.user)),
        ];
        match self.store.transact_once(OPERATION, writes, once, &new.user).await? {
            Outcome::Done => Ok(Admitted::New(membership)),
            Outcome::Refused(verdicts) if verdicts[0].is_broken() => Ok(Admitted::NotAllowed),
            Outcome::Refused(mut verdicts) => match verdicts.swap_remove(1) {
                Verdict::Broken(item) => Ok(Admitted::Existing(item::record(OPERATION, item)?)),
                Verdict::Fine => Err(StoreError::Contended { operation: OPERATION }),
            },
        }
    }

    /// Lets a member do what this role may, and nothing else.
    pub async fn give_role(&self, by: &Membership, user: &UserId, role: Role) -> Result<RoleGiven, StoreError> {
        const OPERATION: &str = "giving a person a role";
        Ok(match self.move_member(OPERATION, by, user, Some(role)).await? {
            Moved::From(before) => RoleGiven::Done(before.with_role(role)),
            Moved::NotAMember => RoleGiven::NotAMember,
            Moved::LastAdmin => RoleGiven::LastAdmin,
            Moved::NotAllowed => RoleGiven::NotAllowed,
        })
    }

    /// Lets a member go. Whatever they ask for from now on is refused.
    pub async fn dismiss(&self, by: &Membership, user: &UserId) -> Result<Dismissed, StoreError> {
        const OPERATION: &str = "letting a person go";
        Ok(match self.move_member(OPERATION, by, user, None).await? {
            Moved::From(_) => Dismissed::Done,
            Moved::NotAMember => Dismissed::NotAMember,
            Moved::LastAdmin => Dismissed::LastAdmin,
            Moved::NotAllowed => Dismissed::NotAllowed,
        })
    }

    /// A member's place; `None` if they do not belong to the tenant.
    pub async fn member(&self, user: &UserId) -> Result<Option<Membership>, StoreError> {
        const OPERATION: &str = "reading a membership";
        let found = self.get(OPERATION, Key::membership(user, self.tenant)).await?;
        found.map(|item| item::record(OPERATION, item)).transpose()
    }

    /// Moves a member from the place they have to this role, or out.
    async fn move_member(
        &self,
        operation: &'static str,
        by: &Membership,
        user: &UserId,
        to: Option<Role>,
    ) -> Result<Moved, StoreError> {
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let Some(before) = self.member(user).await? else { return Ok(Moved::NotAMember) };
            let is_oneself = by.user() == user;
            if is_oneself && before.role() != Role::Admin {
                return Ok(Moved::NotAllowed);
            }
            if to == Some(before.role()) {
                return Ok(Moved::From(before));
            }
            let admin = if is_oneself {
                match self.another_admin(user).await? {
                    Some(other) => other,
                    None => return Ok(Moved::LastAdmin),
                }
            } else {
                by.user().clone()
            };
            let place = Key::membership(user, self.tenant);
            let as_it_was = Expression::new().when("#role = :was").value(":was", before.role());
            let mut writes = vec![self.is_admin(&admin)];
            match to {
                Some(role) => writes.push(as_it_was.set("role", role).into_update(self.table(), place)),
                None => {
                    writes.push(as_it_was.into_delete(self.table(), place));
                    writes.push(Expression::new().into_delete(self.table(), Key::member(self.tenant, user)));
                }
            }
            match self.store.transact(operation, writes).await? {
                Outcome::Done => return Ok(Moved::From(before)),
                Outcome::Refused(verdicts) if verdicts[0].is_broken() && !is_oneself => return Ok(Moved::NotAllowed),
                // Somebody else changed their place, or that of the administrator who would have stayed.
                Outcome::Refused(_) => {}
            }
        }
        Err(StoreError::Contended { operation })
    }

    /// An administrator besides this one; `None` if they are the only one.
    async fn another_admin(&self, user: &UserId) -> Result<Option<UserId>, StoreError> {
        let members = self.members().await?.into_iter().map(|member| member.membership);
        let mut others = members.filter(|member| member.role() == Role::Admin && member.user() != user);
        Ok(others.next().map(|other| other.user().clone()))
    }

    /// The condition that a person is an administrator of the tenant.
    pub(crate) fn is_admin(&self, user: &UserId) -> TransactWriteItem {
        let is_admin = Expression::new().when("#role = :admin").value(":admin", Role::Admin);
        is_admin.into_check(self.table(), Key::membership(user, self.tenant))
    }
}
