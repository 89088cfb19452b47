//! Races about who may do what, with the store's own code, so that one thing comes exactly between two others.

use crate::requests::{inbox, instance};
use crate::world::{fresh_digits, now, stack};
use api::user_pool::UserPool;
use aws_sdk_cognitoidentityprovider as cognito;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use recado_domain::api_key::ApiKey;
use recado_domain::email::Email;
use recado_domain::ids::{ApiKeyId, UserId};
use recado_domain::personal::Personal;
use recado_domain::policy::Policy;
use recado_domain::tenant::Role;
use recado_domain::throttle::Rate;
use recado_store::{AddedKey, Admitted, Dismissed, Here, Membership, NewKey, NewMember, RevokedKey, RoleGiven, Store};
use recado_testkit::stack::{http, send};
use serde_json::Value;
use stories::lab::Lab;
use stories::proxy::{Fault, Proxy};

/// A lab with two administrators, and their places.
async fn two_administrators() -> (Lab, Membership, Membership) {
    let lab = Lab::staffed(Policy::default(), &["berta"]).await;
    let ana = place(&lab, &lab.occupant().user).await;
    let berta = lab.occupant().agents[0].clone();
    let promoted = lab.tenant().await.give_role(&ana, &berta, Role::Admin).await.unwrap();
    assert!(matches!(promoted, RoleGiven::Done(_)), "{promoted:?}");
    let berta = place(&lab, &berta).await;
    (lab, ana, berta)
}

async fn place(lab: &Lab, user: &UserId) -> Membership {
    lab.store.memberships(user).await.unwrap().remove(0)
}

fn new_key(membership: &Membership, number: u128) -> NewKey {
    let id = ApiKeyId::from_bits(number);
    let key = ApiKey::new(membership.tenant(), id, [number, 7]);
    NewKey { key, name: Personal::new("Turnos".to_owned()), role: Role::Agent }
}

/// Lets what is asked through the proxy wait at its transaction until the other thing is done.
async fn with_the_other_in_between<T>(
    proxy: &Proxy,
    call: &str,
    asked: impl Future<Output = T>,
    other: impl AsyncFnOnce(),
) -> T {
    for _ in 0..2 {
        proxy.next(call, Fault::ErrorBefore);
    }
    let before = proxy.calls().get(call).map_or(0, |calls| calls.made);
    let between = async {
        while proxy.calls().get(call).map_or(0, |calls| calls.made) == before {
            tokio::task::yield_now().await;
        }
        other().await;
    };
    tokio::join!(asked, between).0
}

#[tokio::test]
async fn of_two_administrators_who_give_up_at_the_same_moment_one_stays() {
    for (round, by_leaving) in [(0, false), (1, true)] {
        let (lab, ana, berta) = two_administrators().await;
        let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
        let (slow, fast) = (lab.tenant_through(&proxy).await, lab.tenant().await);
        // Ana's request has seen that Berta stays; then Berta goes.
        let berta_goes = async || match fast.dismiss(&berta, berta.user()).await.unwrap() {
            Dismissed::Done => {}
            refused => panic!("Ana is still there: {refused:?}"),
        };
        let refused = if by_leaving {
            let asked = slow.dismiss(&ana, ana.user());
            with_the_other_in_between(&proxy, "TransactWriteItems", asked, berta_goes).await.unwrap()
                == Dismissed::LastAdmin
        } else {
            let asked = slow.give_role(&ana, ana.user(), Role::Agent);
            with_the_other_in_between(&proxy, "TransactWriteItems", asked, berta_goes).await.unwrap()
                == RoleGiven::LastAdmin
        };
        assert!(refused, "round {round}: the last administrator left");
        assert_eq!(place(&lab, ana.user()).await.role(), Role::Admin, "round {round}");
    }
}

#[tokio::test]
async fn who_was_let_go_between_their_request_and_its_effect_gives_nobody_anything() {
    let (lab, ana, berta) = two_administrators().await;
    let tenant = lab.tenant().await;
    assert_eq!(tenant.dismiss(&ana, berta.user()).await.unwrap(), Dismissed::Done);
    let before = lab.everything().await;

    // Berta's requests were admitted before.
    let friend = NewMember {
        user: UserId::parse("friend").unwrap(),
        role: Role::Admin,
        email: Personal::new("friend@story.example".to_owned()),
        name: Personal::new("F".to_owned()),
    };
    assert_eq!(tenant.admit(&berta, &friend, None).await.unwrap(), Admitted::NotAllowed);
    let herself = NewMember { user: berta.user().clone(), ..friend };
    assert_eq!(tenant.admit(&berta, &herself, None).await.unwrap(), Admitted::NotAllowed);
    assert_eq!(tenant.give_role(&berta, ana.user(), Role::Viewer).await.unwrap(), RoleGiven::NotAllowed);
    assert_eq!(tenant.give_role(&berta, berta.user(), Role::Admin).await.unwrap(), RoleGiven::NotAMember);
    assert_eq!(tenant.dismiss(&berta, ana.user()).await.unwrap(), Dismissed::NotAllowed);
    let key = new_key(&berta, 1);
    assert_eq!(tenant.add_api_key(&berta, &key, None, lab.now()).await.unwrap(), AddedKey::NotAllowed);
    assert_eq!(tenant.set_online(&berta, true).await.unwrap(), Here::NotAMember);
    assert_eq!(lab.everything().await, before, "something was written for somebody who was let go");
}

#[tokio::test]
async fn a_role_that_is_given_while_its_holder_is_let_go_does_not_bring_them_back() {
    let lab = Lab::staffed(Policy::default(), &["berta"]).await;
    let ana = place(&lab, &lab.occupant().user).await;
    let berta = lab.occupant().agents[0].clone();
    let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
    let (slow, fast) = (lab.tenant_through(&proxy).await, lab.tenant().await);
    let asked = slow.give_role(&ana, &berta, Role::Viewer);
    let given = with_the_other_in_between(&proxy, "TransactWriteItems", asked, async || {
        assert_eq!(fast.dismiss(&ana, &berta).await.unwrap(), Dismissed::Done);
    });
    assert_eq!(given.await.unwrap(), RoleGiven::NotAMember);
    assert!(lab.store.memberships(&berta).await.unwrap().is_empty(), "she is a member again");
    assert_eq!(lab.count("membership").await, 1);
}

#[tokio::test]
async fn a_key_that_is_revoked_while_it_is_used_stays_revoked() {
    let lab = Lab::new().await;
    let ana = place(&lab, &lab.occupant().user).await;
    let tenant = lab.tenant().await;
    let new = new_key(&ana, 1);
    assert!(matches!(tenant.add_api_key(&ana, &new, None, lab.now()).await.unwrap(), AddedKey::Done(_)));
    let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
    let client = aws_sdk_dynamodb::Client::new(&lab.stack.sdk_config_at(proxy.url()));
    let slow = Store::new(client, lab.table());
    let used = slow.member_of_key(&new.key, lab.now());
    let used = with_the_other_in_between(&proxy, "UpdateItem", used, async || {
        assert_eq!(tenant.revoke_api_key(new.key.id()).await.unwrap(), RevokedKey::Done);
    });
    assert!(used.await.unwrap().is_some(), "it was good when it was looked up");
    assert_eq!(lab.count("api-key").await, 0, "noting the use brought the key back");
    assert!(lab.store.member_of_key(&new.key, lab.now()).await.unwrap().is_none());
    assert_eq!(tenant.revoke_api_key(new.key.id()).await.unwrap(), RevokedKey::NoSuchKey);
}

#[tokio::test]
async fn of_a_key_only_a_digest_is_kept_and_its_use_is_noted_once_an_hour() {
    let lab = Lab::new().await;
    let ana = place(&lab, &lab.occupant().user).await;
    let tenant = lab.tenant().await;
    let new = new_key(&ana, 1);
    tenant.add_api_key(&ana, &new, None, lab.now()).await.unwrap();
    let text = new.key.expose();
    let secret = text.rsplit('_').next().unwrap();
    assert!(!format!("{:?}", lab.raw_items().await).contains(secret), "the secret is stored");

    let used = async || {
        assert!(lab.store.member_of_key(&new.key, lab.now()).await.unwrap().is_some());
        tenant.api_key(new.key.id()).await.unwrap().unwrap().last_used_at
    };
    let begin = lab.now();
    assert_eq!(used().await, Some(begin));
    lab.pass(SignedDuration::from_mins(59));
    assert_eq!(used().await, Some(begin), "less than an hour later");
    lab.pass(SignedDuration::from_mins(1));
    assert_eq!(used().await, Some(lab.now()), "an hour later");

    // The same names with another secret.
    let forged = ApiKey::new(ana.tenant(), new.key.id(), [1, 8]);
    assert!(lab.store.member_of_key(&forged, lab.now()).await.unwrap().is_none(), "half a secret is no secret");
}

#[tokio::test]
async fn who_let_their_invitation_lapse_is_sent_another_one_and_nobody_else_is() {
    let stack = stack();
    let pool = UserPool::new(cognito::Client::new(&stack.sdk_config()), &*stack.auth.user_pool_id);
    let email = Email::parse(&format!("lucia-{}@story.example", fresh_digits())).unwrap();
    let sent = async || {
        let mails = send(http().get(format!("{}/_ministack/ses/messages", stack.aws.endpoint))).await;
        assert_eq!(mails.status, 200, "{}", mails.body);
        let mails = mails.body["messages"].as_object().unwrap().values().filter_map(Value::as_array).flatten();
        mails.filter(|mail| mail["To"].to_string().contains(email.as_str())).count()
    };
    let now = Timestamp::from_second(now()).unwrap();
    let first = pool.invite(&email, now).await.unwrap();
    let later = |hours: i64| now + SignedDuration::from_hours(hours);
    for (hours, mails) in [(0, 1), (6 * 24, 1), (7 * 24 + 1, 2)] {
        assert_eq!(pool.invite(&email, later(hours)).await.unwrap(), first, "the same person");
        assert_eq!(sent().await, mails, "invited again after {hours} hours");
    }
    // They choose a password.
    stack.create_user(email.as_str(), "Story-password-1").await.unwrap();
    assert_eq!(pool.invite(&email, later(1_000)).await.unwrap(), first);
    assert_eq!(sent().await, 2, "whoever signs in is not written to");
}

#[tokio::test]
async fn a_tenants_keys_share_its_limit() {
    let lab = Lab::new().await;
    let ana = place(&lab, &lab.occupant().user).await;
    let keys = [1, 2].map(|number| new_key(&ana, number));
    for key in &keys {
        lab.tenant().await.add_api_key(&ana, key, None, lab.now()).await.unwrap();
    }
    // Five a second, fifty at once.
    let instance = instance(&lab, Rate::per_second(5));
    let mut allowed = 0;
    for round in 0..60 {
        let answer = inbox(&instance, &keys[round % 2].key.expose()).await;
        match answer.status() {
            StatusCode::OK => allowed += 1,
            refused => assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS),
        }
    }
    assert_eq!(allowed, 50, "two keys of one tenant together");
}
