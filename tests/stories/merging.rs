//! What happens to a conversation at the very moment at which another takes its place.

use crate::identities::{OLD, about_to_be_one, late, take_past_proxy, with, written};
use recado_domain::message::REVOKED;
use serde_json::json;
use stories::lab::{Lab, phone};

#[tokio::test]
async fn what_a_client_asks_for_twice_across_a_merge_is_sent_once() {
    let (lab, proxy) = Lab::behind_proxy().await;
    let merging = about_to_be_one(&lab).await;
    let ends = with(&lab, "wamid.phone").await;
    let again = async {
        take_past_proxy(&lab, &[merging]).await;
        let survivor = lab.tenant().await.conversation(ends.id).await.unwrap().unwrap();
        assert_ne!(survivor.id, ends.id, "another conversation took its place");
        let store = lab.store_past_proxy();
        let membership = store.memberships(&lab.occupant().user).await.unwrap().remove(0);
        lab.compose_in(&store.of_member(&membership), survivor, "hola").await;
    };
    late(&proxy, 0, Box::pin(lab.compose_on(ends.clone(), "hola")), Box::pin(again)).await;
    assert_eq!(lab.count("outbox").await, 1, "the client asked for one message, twice");
}

#[tokio::test]
async fn what_is_deleted_while_another_conversation_takes_its_place_is_not_shown_there() {
    let (lab, proxy) = Lab::behind_proxy().await;
    let merging = about_to_be_one(&lab).await;
    let time = (lab.now().as_second() + 30).to_string();
    let deleted = json!({"id": "wamid.deleted", "from": OLD, "timestamp": time, "type": "revoke",
        "revoke": {"original_message_id": "wamid.phone"}});
    let bodies = [lab.envelope(&deleted)];
    // It is taken first, and then applied.
    late(&proxy, 1, lab.deliver(&bodies), take_past_proxy(&lab, &[merging])).await;
    let survivor = with(&lab, "wamid.phone").await;
    assert_eq!(survivor.id, with(&lab, "wamid.id").await.id, "they are one");
    assert_eq!(survivor.last_preview.expose(), REVOKED, "its author has deleted it");
}

#[tokio::test]
async fn a_file_is_still_shown_when_another_conversation_has_taken_the_place_of_its_own() {
    let lab = Lab::new().await;
    let merging = about_to_be_one(&lab).await;
    let file = lab.file("wamid.file", json!({"type": "image", "mime_type": "image/jpeg", "base64": "/9j/4A=="})).await;
    lab.deliver(&[merging, written(&lab, &phone(OLD), "wamid.after", 60)]).await;
    let (tenant, survivor) = (lab.tenant().await, with(&lab, "wamid.file").await);
    let page = tenant.messages(survivor.id, 100, None).await.unwrap();
    let files = tenant.media_of(&page.items).await.unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), [&file], "the picture is one of {:#?}", page.items);
}
