//! Shapes that WHATSAPP.md §2.2–2.4 describes and no sample shows.

use super::*;
use crate::webhook::account::{AccountEvent, BanState, RestrictionType};
use crate::webhook::message::{Content, InteractiveReply, Message, SystemKind, UnsupportedKind};
use crate::webhook::status::{RecipientType, Status, StatusWord};
use crate::webhook::template::{CategoryChange, TemplateCategory, TemplateEvent};
use recado_domain::ids::{Bsuid, WaId, Wamid};
use recado_domain::status::MessageStatus;

/// Reads a value and expects that nothing of it is left over.
#[track_caller]
fn wholly(field: &str, json: &str) -> Change {
    let change = check(field, json);
    let shown = format!("{change:#?}");
    assert!(!shown.contains("rest:") && !matches!(change, Change::Unknown(_)), "not wholly understood: {shown}");
    change
}

#[track_caller]
fn message(body: &str) -> Message {
    let json = format!(r#"{{"messages":[{{"from":"549","id":"w","timestamp":"1",{body}}}]}}"#);
    match wholly("messages", &json) {
        Change::Messages(value) => value.messages.into_iter().next().unwrap(),
        other => panic!("not messages but {other:?}"),
    }
}

#[track_caller]
fn status(body: &str) -> Status {
    let json = format!(r#"{{"statuses":[{{"id":"w","timestamp":"1",{body}}}]}}"#);
    match wholly("messages", &json) {
        Change::Messages(value) => value.statuses.into_iter().next().unwrap(),
        other => panic!("not statuses but {other:?}"),
    }
}

#[test]
fn media_of_every_kind() {
    for kind in ["image", "video", "audio", "document", "sticker"] {
        let body = format!(
            r#""type":"{kind}","{kind}":{{"id":"1","mime_type":"a/b","sha256":"c","caption":"d","filename":"e",
            "url":"https://lookaside.fbsbx.com/f","voice":true,"animated":true}}"#
        );
        assert_eq!(message(&body).content.kind(), kind);
    }
    let Content::Sticker(sticker) = message(r#""type":"sticker","sticker":{"id":"1","animated":true}"#).content else {
        panic!("not a sticker")
    };
    assert_eq!(sticker.animated, Some(true));
}

#[test]
fn the_key_order_does_not_matter() {
    assert!(matches!(message(r#""text":{"body":"x"},"type":"text""#).content, Content::Text(_)));
    assert!(matches!(message(r#""type":"text","text":{"body":"x"}"#).content, Content::Text(_)));
}

#[test]
fn a_contact_card_with_everything_on_it() {
    let Content::Contacts(cards) = message(
        r#""type":"contacts","contacts":[{"name":{"formatted_name":"a","first_name":"b","middle_name":"c",
        "last_name":"d","prefix":"e","suffix":"f"},"phones":[{"phone":"+54 9 1","wa_id":"549","type":"CELL","user_id":"AR.1"}],
        "emails":[{"email":"a@b","type":"HOME"}],"urls":[{"url":"https://a","type":"WORK"}],
        "addresses":[{"street":"a","city":"b","state":"c","zip":"1000","country":"d","country_code":"AR","type":"HOME"}],
        "org":{"company":"a","department":"b","title":"c"},"birthday":"1980-05-04","origin":"contact_request"}]"#,
    )
    .content
    else {
        panic!("not contacts")
    };
    assert_eq!(cards[0].phones[0].wa_id, Some(WaId::parse("549").unwrap()));
}

#[test]
fn both_ways_to_remove_a_reaction() {
    let silent = message(r#""type":"reaction","reaction":{"message_id":"v"}"#);
    assert!(matches!(&silent.content, Content::Reaction(reaction) if reaction.emoji.is_none()));
    let json =
        r#"{"messages":[{"id":"w","timestamp":"1","type":"reaction","reaction":{"message_id":"v","emoji":""}}]}"#;
    let Change::Messages(value) = check("messages", json) else { panic!("not messages") };
    assert!(matches!(&value.messages[0].content, Content::Reaction(reaction) if reaction.emoji.is_none()));
}

#[test]
fn interactive_replies() {
    for (reply, title) in [
        (r#""type":"list_reply","list_reply":{"id":"1","title":"Sin descripción"}"#, Some("Sin descripción")),
        (r#""type":"nfm_reply","nfm_reply":{"name":"address_message","body":"Sent","response_json":"{}"}"#, None),
        (r#""type":"call_permission_reply","call_permission_reply":{"response":"reject","is_permanent":"no"}"#, None),
    ] {
        let json =
            format!(r#"{{"messages":[{{"id":"w","timestamp":"1","type":"interactive","interactive":{{{reply}}}}}]}}"#);
        let Change::Messages(value) = check("messages", &json) else { panic!("not messages") };
        let Content::Interactive(interactive) = &value.messages[0].content else { panic!("not interactive") };
        assert!(!matches!(interactive.reply, InteractiveReply::Unknown(_)));
        assert_eq!(interactive.reply.title(), title);
    }
}

#[test]
fn an_interactive_message_without_its_object_is_known_by_its_error() {
    let Change::Messages(value) = check(
        "messages",
        r#"{"messages":[{"from":"549","id":"w","timestamp":"1","type":"interactive"}],
            "errors":[{"code":131000,"title":"Unsupported webhook payload"}]}"#,
    ) else {
        panic!("not messages")
    };
    assert_eq!(value.messages[0].content, Content::Unknown("interactive".into()));
    assert_eq!(value.errors[0].code, Some(131_000));
}

#[test]
fn changes_of_identity() {
    let changed = message(
        r#""type":"system","system":{"body":"x","type":"user_changed_user_id","user_id":"MX.2",
        "previous_user_id":"CO.1","parent_user_id":"MX.ENT.2","previous_parent_user_id":"CO.ENT.1"}"#,
    );
    let Content::System(system) = changed.content else { panic!("not a system message") };
    assert_eq!(system.kind, Some(SystemKind::UserChangedUserId));
    assert_eq!(system.previous_user_id, Some(Bsuid::parse("CO.1").unwrap()));

    let code = message(
        r#""type":"system","system":{"body":"x","type":"customer_identity_changed"},
        "identity":{"acknowledged":true,"created_timestamp":"1697044706","hash":"xyz"}"#,
    );
    assert_eq!(code.identity.unwrap().acknowledged, Some(true));

    let legacy =
        message(r#""type":"system","system":{"type":"customer_changed_number","new_wa_id":"550","customer":"549"}"#);
    let Content::System(system) = legacy.content else { panic!("not a system message") };
    assert_eq!(system.new_number(), Some(&WaId::parse("550").unwrap()));
}

#[test]
fn what_is_not_supported_is_named() {
    for (kind, expected) in [
        ("poll_creation", UnsupportedKind::PollCreation),
        ("gif", UnsupportedKind::Gif),
        ("group_invite", UnsupportedKind::GroupInvite),
        ("brand_new", UnsupportedKind::Other("brand_new".into())),
    ] {
        let message =
            message(&format!(r#""type":"unsupported","unsupported":{{"type":"{kind}"}},"errors":[{{"code":131060}}]"#));
        let Content::Unsupported(Some(unsupported)) = message.content else { panic!("not unsupported") };
        assert_eq!(unsupported.kind, Some(expected));
        assert_eq!(message.errors[0].code, Some(131_060));
    }
}

#[test]
fn forwards_groups_and_advertisements() {
    let message = message(
        r#""type":"text","text":{"body":"x"},"group_id":"Y2FwaV9ncm91cA","context":{"frequently_forwarded":true},
        "referral":{"source_url":"a","source_id":"1","source_type":"post","headline":"b","body":"c","media_type":"video",
        "video_url":"d","thumbnail_url":"e","ctwa_clid":"f","welcome_message":{"text":"g"}}"#,
    );
    assert!(message.is_in_group() && message.context.unwrap().is_forwarded());
    assert!(message.referral.unwrap().welcome_message.is_some());
}

#[test]
fn statuses_of_voice_messages_and_groups() {
    let played = status(r#""status":"played","recipient_user_id":"AR.1","recipient_parent_user_id":"AR.ENT.1""#);
    assert_eq!(played.status, Some(StatusWord::Played));
    let update = StatusUpdate::parse(raw(r#"{"id":"w","timestamp":1,"status":"played"}"#)).unwrap();
    assert_eq!(update.status, MessageStatus::Played);
    let group =
        status(r#""status":"delivered","recipient_type":"group","recipient_id":"g","recipient_participant_id":"549""#);
    assert_eq!(group.recipient_type, Some(RecipientType::Group));
}

#[test]
fn templates_that_will_move_and_have_moved() {
    let template = r#""message_template_id":1,"message_template_name":"a","message_template_language":"es_AR""#;
    let read = |rest: &str| match wholly("template_category_update", &format!("{{{template},{rest}}}")) {
        Change::TemplateCategory(update) => update,
        other => panic!("not a category but {other:?}"),
    };
    let announced =
        read(r#""correct_category":"MARKETING","new_category":"UTILITY","category_update_timestamp":1795171200"#);
    let at = announced.category_update_timestamp;
    assert_eq!(announced.change(), Some(CategoryChange::Announced { to: &TemplateCategory::Marketing, at }));
    let done = read(r#""previous_category":"UTILITY","new_category":"MARKETING""#);
    assert_eq!(done.change(), Some(CategoryChange::Done { to: &TemplateCategory::Marketing }));
}

#[test]
fn every_event_of_a_template_is_a_word() {
    for word in
        "APPROVED REJECTED PENDING PAUSED DISABLED FLAGGED IN_APPEAL REINSTATED PENDING_DELETION DELETED ARCHIVED
        UNARCHIVED LOCKED LIMIT_EXCEEDED"
            .split_whitespace()
    {
        assert!(!matches!(TemplateEvent::of(word), TemplateEvent::Other(_)), "{word} is not known");
        assert_eq!(TemplateEvent::of(word).as_str(), word);
    }
    let Change::TemplateStatus(update) =
        check("message_template_status_update", r#"{"event":"Approved","reason":null,"message_template_id":"1"}"#)
    else {
        panic!("not a template")
    };
    assert_eq!((update.event, update.reason), (Some(TemplateEvent::Approved), None));
}

#[test]
fn every_event_of_an_account() {
    for (parts, expected) in [
        (
            r#""event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BIZ_INITIATED_MESSAGING",
            "expiration":1641330498,"remediation":"x"}]"#,
            AccountEvent::AccountRestriction,
        ),
        (
            r#""event":"AUTH_INTL_PRICE_ELIGIBILITY_UPDATE","auth_international_rate_eligibility":{"start_time":1748780624,
            "exception_countries":[{"country_code":"ID","start_time":1751347424}]}"#,
            AccountEvent::AuthIntlPriceEligibilityUpdate,
        ),
        (
            r#""event":"AD_ACCOUNT_LINKED","waba_info":{"waba_id":"1","owner_business_id":"2","ad_account_linked":"3"}"#,
            AccountEvent::AdAccountLinked,
        ),
        (
            r#""event":"PARTNER_APP_INSTALLED","waba_info":{"waba_id":"1","owner_business_id":"2","partner_app_id":"3",
            "solution_id":"4","solution_partner_business_ids":["5","6"]}"#,
            AccountEvent::PartnerAppInstalled,
        ),
        (r#""event":"PARTNER_APP_UNINSTALLED""#, AccountEvent::PartnerAppUninstalled),
        (
            r#""event":"PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE","partner_client_certification_info":{
            "client_business_id":"1","status":"APPROVED","rejection_reasons":["NONE"]}"#,
            AccountEvent::PartnerClientCertificationStatusUpdate,
        ),
        (
            r#""event":"BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE","country":"AR""#,
            AccountEvent::BusinessPrimaryLocationCountryUpdate,
        ),
        (r#""event":"ACCOUNT_RECONNECTED""#, AccountEvent::AccountReconnected),
        (r#""event":"MM_LITE_TERMS_SIGNED""#, AccountEvent::MmLiteTermsSigned),
        (r#""event":"BRAND_NEW""#, AccountEvent::Other("BRAND_NEW".into())),
    ] {
        let Change::AccountUpdate(update) = wholly("account_update", &format!("{{{parts}}}")) else {
            panic!("not an account")
        };
        assert_eq!(update.event, Some(expected));
    }
    assert_eq!(BanState::of("schedule_for_disable"), BanState::ScheduleForDisable);
    assert_eq!(RestrictionType::of("RESTRICTED_X").as_str(), "RESTRICTED_X");
}

#[test]
fn numbers_may_be_strings_and_ids_numbers() {
    let as_sent = |limit: &str| format!(r#"{{"max_daily_conversations_per_business":{limit}}}"#);
    for limit in ["2000", "\"2000\""] {
        let Change::BusinessCapability(value) = wholly("business_capability_update", &as_sent(limit)) else {
            panic!("not a capability")
        };
        assert_eq!(value.max_daily_conversations_per_business, Some(2000));
    }
    let Change::BusinessCapability(value) = check("business_capability_update", &as_sent("2.0e3")) else {
        panic!("not a capability")
    };
    assert_eq!(value.max_daily_conversations_per_business, Some(2000), "and what was sent is kept: {value:?}");
    let Change::Messages(value) =
        wholly("messages", r#"{"messages":[{"id":5,"from":549,"timestamp":1,"type":"request_welcome"}]}"#)
    else {
        panic!("not messages")
    };
    assert_eq!(value.messages[0].id, Wamid::parse("5").unwrap());
}

#[test]
fn booleans_may_be_strings() {
    let json = r#"{"messages":[{"id":"w","timestamp":"1","type":"text","text":{},"context":{"forwarded":"true"}}]}"#;
    let Change::Messages(value) = check("messages", json) else { panic!("not messages") };
    assert!(value.messages[0].context.as_ref().unwrap().is_forwarded());
}

#[test]
fn a_list_keeps_its_good_elements_and_forgives_its_form() {
    let good = r#"{"id":"w","status":"read","timestamp":"1"}"#;
    for (list, expected) in [
        (format!("[7,{good},null,{{}},{good}]"), 2),
        (good.to_owned(), 1),
        ("null".to_owned(), 0),
        ("[]".to_owned(), 0),
        ("{}".to_owned(), 0),
        ("\"x\"".to_owned(), 0),
    ] {
        let Change::Messages(value) = check("messages", &format!(r#"{{"statuses":{list}}}"#)) else {
            panic!("not messages")
        };
        assert_eq!(value.statuses.len(), expected, "{list}");
    }
}

#[test]
fn history_in_its_four_forms() {
    for (json, declined) in [
        (r#"{"history":[{"errors":[{"code":2593109,"title":"x","message":"y","error_data":{"details":"z"}}]}]}"#, true),
        (r#"{"errors":[{"code":2593109}]}"#, true),
        (r#"{"messages":[{"id":"w","from":"549","timestamp":"1","type":"image","image":{"id":"1"}}]}"#, false),
        (
            r#"{"history":[{"metadata":{"phase":"2","chunk_order":1,"progress":"100"},"threads":[{"id":"549",
            "context":{"wa_id":"549","user_id":"AR.1","username":"x"},"messages":[]}]}]}"#,
            false,
        ),
    ] {
        let Change::History(history) = check("history", json) else { panic!("not history") };
        assert_eq!(history.is_declined(), declined, "{json}");
    }
}

#[test]
fn an_edited_templates_parts_are_those_that_graph_would_list() {
    let Change::TemplateComponents(edited) = wholly(
        "message_template_components_update",
        r#"{"message_template_element":"Hola","message_template_buttons":[
            {"message_template_button_type":"QUICK_REPLY","message_template_button_text":"Sí"},
            {"message_template_button_type":"PHONE_NUMBER","message_template_button_text":"Llamar",
             "message_template_button_phone_number":"+5491150001234"}]}"#,
    ) else {
        panic!("not a template's parts")
    };
    let listed: Vec<crate::template::Component> = serde_json::from_value(edited.parts()).unwrap();
    let expected = serde_json::json!([{"type": "BODY", "text": "Hola"}, {"type": "BUTTONS", "buttons": [
        {"type": "QUICK_REPLY", "text": "Sí"}, {"type": "PHONE_NUMBER", "text": "Llamar", "phone_number": "+5491150001234"}]}]);
    assert_eq!(serde_json::to_value(&listed).unwrap(), expected);
    let known = |component: &crate::template::Component| !matches!(component, crate::template::Component::Other(_));
    assert!(listed.iter().all(known), "{listed:?}");
}

#[test]
fn calls_and_their_statuses() {
    let Change::Calls(calls) = wholly(
        "calls",
        r#"{"statuses":[{"id":"wacid.1","timestamp":"1","type":"call","status":"RINGING","recipient_id":"549",
            "biz_opaque_callback_data":"x"}],"calls":[{"id":"wacid.2","event":"call_created","to_user_id":"AR.1",
            "direction":"BUSINESS_INITIATED"}],"errors":[{"code":138000}]}"#,
    ) else {
        panic!("not calls")
    };
    assert!(!calls.statuses[0].is_of_message());
    assert_eq!(calls.calls.len(), 1);
}

#[test]
fn threads_that_meta_answers() {
    let message = r#"{"id":"w","from":"549","timestamp":"1","type":"text","text":{"body":"x"}}"#;
    for list in ["standby", "messages"] {
        let change = wholly("standby", &format!(r#"{{"{list}":[{message}],"contacts":[{{"wa_id":"549"}}]}}"#));
        assert_eq!(count(&change), 1, "{change:?}");
    }
    wholly(
        "messaging_handovers",
        r#"{"messaging_handovers":[{"id":"1","event":"a","event_type":"b","timestamp":"1","conversation_id":"2",
            "user_id":"AR.1","previous_owner":"c","new_owner":"d"}]}"#,
    );
    check("messaging_handovers", r#"{"control_passed":"x","control_requested":{"a":1},"agent":[1]}"#);
}

#[test]
fn what_nobody_has_heard_of_is_kept() {
    for field in ["flows", "group_lifecycle_update", "payment_configuration_update", "brand_new", ""] {
        let change = check(field, r#"{"a":[1,{"b":"\ud83d"}],"a":2}"#);
        assert!(matches!(change, Change::Unknown(_)), "{field} became {change:?}");
    }
    let Change::Messages(value) = check(
        "messages",
        r#"{"messages":[{"id":"w","timestamp":"1","type":"hologram","hologram":{"x":1},"text":{"body":"no"}}],"new":1}"#,
    ) else {
        panic!("not messages")
    };
    assert_eq!(value.messages[0].content, Content::Unknown("hologram".into()));
    assert_eq!(value.messages[0].rest.get("hologram").unwrap().as_str(), r#"{"x":1}"#);
    assert!(matches!(check("messages", "[1]"), Change::Unknown(_)));
}
